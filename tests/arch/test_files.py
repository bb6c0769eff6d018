"""What no file of the repository may hold, and how long one may be."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LONGEST = 450
CODE = ("services", "clients", "tests", "bench", "tools")

# Spelled in pieces, so that this file passes its own test.
REGISTRIES = (
    "pypi" + r"\.org", "pythonhosted" + r"\.org", "registry\\.np" + r"mjs\.org", "registry\\.yarn" + r"pkg",
    r"repo1?\.maven", "maven" + r"\.org", "proxy\\.go" + r"lang\.org", "crates" + r"\.io", "docker" + r"\.io",
    "ghcr" + r"\.io", "quay" + r"\.io",
)  # fmt: skip
MACHINE = tuple(rf"/{home}/\w" for home in ("ho" + "me", "ro" + "ot", "wo" + "rk", "Us" + "ers"))
UNFINISHED = tuple(rf"\b{word}\b" for word in ("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"))
SECRETS = ("BEGIN [A-Z ]*PRIVATE" + " KEY",)


def tracked() -> list[Path]:
    """Files git knows or would know. Outside a clone (an unpacked archive): none, and the tests say so."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def texts() -> list[tuple[Path, str]]:
    found = []
    for path in tracked():
        try:
            found.append((path.relative_to(ROOT), path.read_text()))
        except UnicodeDecodeError:
            continue
    return found


def test_there_are_files_to_look_at() -> None:
    assert len(tracked()) > 50


@pytest.mark.parametrize(
    "what",
    [REGISTRIES, MACHINE, UNFINISHED, SECRETS],
    ids=["registries", "this machine", "unfinished work", "secrets"],
)
def test_no_file_names(what: tuple[str, ...]) -> None:
    pattern = re.compile("|".join(what))
    found = [
        f"{path}:{number}: {line.strip()[:120]}"
        for path, text in texts()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]
    assert not found, "\n".join(found)


def test_no_source_file_is_longer_than_a_reader_can_hold() -> None:
    long = {
        str(path): lines
        for path, text in texts()
        if path.parts[0] in CODE and path.suffix in {".py", ".java", ".js", ".mjs"}
        if (lines := text.count("\n")) >= LONGEST
    }
    assert not long


def test_json_from_outside_never_goes_through_protobufs_own_parser() -> None:
    """It is not strict (keys, numbers), and its recursion limits have been bypassed (docs/adr/0001-dependencies.md)."""
    banned = "json_" + "format"
    assert [str(path) for path, text in texts() if path.suffix == ".py" and banned in text] == []
