"""Each fault: ours comes to the right end with one effect, the naive processor to the one the table names."""

import re
from pathlib import Path

import pytest

from tests.fault.processors.cases import CASES, Case
from tests.fault.processors.ground import NAIVE, OURS, ground
from tests.harness.shapes import ROOT


async def words(folder: Path, case: Case, kind: str) -> str:
    async with ground(folder, kind) as made:
        await made.faults(*case.rules)
        await case.drive(made)
        return (await made.end()).words


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_p04_ours_survives(tmp_path: Path, case: Case) -> None:
    assert await words(tmp_path, case, OURS) == "right"


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_the_naive_one_ends_as_the_table_says(tmp_path: Path, case: Case) -> None:
    assert await words(tmp_path, case, NAIVE) == case.naive


def row(case: Case) -> str:
    """A case's line in the document."""
    repository, _, number = case.reported.partition("#")
    link = f"[{case.reported}](https://github.com/{repository}/issues/{number})" if number else ""
    return f"| {case.name} | {case.what} | {case.naive} | {link} |"


def test_the_document_shows_this_table() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| [a-z-]+ \| .* \| .* \| (?:\[.*\))? ?\|$", text, re.MULTILINE)
    assert [line for line in shown if line.split(" ")[1] in {case.name for case in CASES}] == [
        row(case) for case in CASES
    ]
