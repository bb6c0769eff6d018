"""docs/promises.md names tests and mutants that are there, and every promise that is kept has both."""

import re
from pathlib import Path

from tests.mutants.table import MUTANTS

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
SECTIONS = {
    heading.split()[0]: body
    for heading, _, body in (part.partition("\n") for part in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:])
    if re.match(r"P\d+ ", heading)
}
LINK = re.compile(r"\[([^\]]+)\]\(\.\./(tests/[^)]+)\)")
KEPT = ("P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P10", "P12", "P13")


def test_every_promise_has_its_section() -> None:
    assert list(SECTIONS) == [f"P{number}" for number in range(1, 14)]


def test_every_link_leads_to_a_test_that_is_there() -> None:
    links = LINK.findall(TEXT)
    assert len(links) > 50
    for name, file in links:
        source = (ROOT / file).read_text(encoding="utf-8")
        assert name == Path(file).name or f"def {name}(" in source, f"{file} has no {name}"


def test_every_mutant_is_listed_beside_its_promise_and_no_other() -> None:
    for promise, body in SECTIONS.items():
        listed = re.findall(r"^- `([^`]+)`$", body, re.MULTILINE)
        assert sorted(listed) == sorted(one.name for one in MUTANTS if one.promise == promise), promise


def test_every_kept_promise_has_a_test_and_a_mutant() -> None:
    for promise in KEPT:
        assert (
            f"- [test_p{int(promise[1:]):02d}_" in SECTIONS[promise]
            or "tests/property/test_" in SECTIONS[promise]
        )
        assert "\n- `" in SECTIONS[promise], promise
