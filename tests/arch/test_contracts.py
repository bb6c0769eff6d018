"""The contracts: linted, formatted, complete in their options, and not to be broken unseen."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
BUF = Path(sys.executable).with_name("buf")
RELEASED = ROOT / "protos" / "released.binpb"
SOURCES = sorted((ROOT / "protos").rglob("*.proto"))


def _buf(root: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BUF, *arguments], cwd=root, capture_output=True, text=True)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    shutil.copytree(ROOT / "gen" / "googleapis", tmp_path / "gen" / "googleapis")
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    return tmp_path


def test_nothing_of_ours_is_left_out_of_lint_or_breaking() -> None:
    config = yaml.safe_load((ROOT / "buf.yaml").read_text())
    assert config["lint"]["ignore"] == config["breaking"]["ignore"] == ["gen/googleapis"]
    assert "STANDARD" in config["lint"]["use"]
    assert not [key for key in config["lint"] if key not in {"use", "ignore"}]
    assert not [path for path in SOURCES if "buf:lint:ignore" in path.read_text()]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT / "protos").as_posix())
def test_every_file_says_how_other_languages_call_it(path: Path) -> None:
    options = set(re.findall(r"^option (\w+) =", path.read_text(), re.MULTILINE))
    assert {"go_package", "java_package", "java_multiple_files", "csharp_namespace"} <= options


def test_the_contracts_keep_what_was_released(copy: Path) -> None:
    done = _buf(copy, "breaking", "protos", "--against", RELEASED)
    assert done.returncode == 0, done.stdout + done.stderr


def test_deleting_a_field_is_found(copy: Path) -> None:
    source = copy / "protos" / "intents" / "v1" / "types.proto"
    text = source.read_text()
    field = re.search(r"^  (?:optional |repeated )?[\w.]+ \w+ = \d+;\n", text, re.MULTILINE)
    assert field is not None
    source.write_text(text.replace(field.group(), "", 1))
    done = _buf(copy, "breaking", "protos", "--against", RELEASED)
    assert done.returncode == 100, done.stdout + done.stderr
    assert "was deleted" in done.stdout


def test_an_uncommented_field_is_found(copy: Path) -> None:
    source = copy / "protos" / "intents" / "v1" / "types.proto"
    source.write_text(source.read_text() + "\n// Said.\nmessage Planted {\n  string unsaid = 1;\n}\n")
    done = _buf(copy, "lint")
    assert done.returncode == 100, done.stderr
    assert "unsaid" in done.stdout
