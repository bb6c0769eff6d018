"""docs/promises.md names tests and mutants that are there, and every promise that is kept has both."""

import re
from pathlib import Path

from tests.mutants.table import MUTANTS

ROOT = Path(__file__).resolve().parent.parent.parent
ROWS = {
    cells[0].strip(): cells
    for line in (ROOT / "docs" / "promises.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| P") and (cells := line.strip("|").split("|"))
}
LINK = re.compile(r"\[([^\]]+)\]\(\.\./(tests/[^)]+)\)")
KEPT = ("P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P10", "P12")


def test_every_promise_has_its_row() -> None:
    assert list(ROWS) == [f"P{number}" for number in range(1, 14)]


def test_every_link_leads_to_a_test_that_is_there() -> None:
    text = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
    links = LINK.findall(text)
    assert len(links) > 50
    for name, file in links:
        source = (ROOT / file).read_text(encoding="utf-8")
        assert name == Path(file).name or f"def {name}(" in source, f"{file} has no {name}"


def test_every_mutant_is_listed_beside_its_promise_and_no_other() -> None:
    for promise, cells in ROWS.items():
        listed = re.findall(r"`([^`]+)`", cells[4])
        assert sorted(listed) == sorted(one.name for one in MUTANTS if one.promise == promise), promise


def test_every_kept_promise_has_a_test_and_a_mutant() -> None:
    for promise in KEPT:
        assert f"_p{int(promise[1:]):02d}_" in ROWS[promise][3], promise
        assert ROWS[promise][4].strip(), promise
