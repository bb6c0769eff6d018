"""Who may import whom is checked by import-linter; these show that its rules hold and that they bite."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LINTER = Path(sys.executable).with_name("lint-imports")


def _lint(root: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(root / part) for part in (".", "gen/python", "clients/python/src"))
    return subprocess.run(
        [LINTER, "--no-logo", "--no-cache"],
        cwd=root,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for part in ("services", "clients/python/src"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_rules_hold() -> None:
    done = _lint(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line", "rule"),
    [
        ("services/edge/__init__.py", "import services.store", "services never import each other"),
        ("services/common/__init__.py", "import services.edge", "what is shared imports no service"),
        ("services/common/domain/__init__.py", "import grpc", "the domain knows neither wire nor driver"),
        ("services/cli/__init__.py", "import services.store", "the command line knows the client"),
        ("services/devnet/__init__.py", "import services.common.domain", "the chain judges"),
        ("clients/python/src/intents_client/__init__.py", "import services.common", "needs no server part"),
    ],
)
def test_an_offence_is_found(copy: Path, file: str, line: str, rule: str) -> None:
    with (copy / file).open("a") as module:
        module.write(f"\n{line}\n")
    done = _lint(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    broken = [said for said in done.stdout.splitlines() if said.endswith("BROKEN")]
    assert any(rule in said for said in broken), done.stdout
