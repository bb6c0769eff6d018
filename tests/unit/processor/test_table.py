"""docs/processor.md says what the code's table says, and its evidence what the code writes."""

import re
from pathlib import Path
from typing import Final

from services.common.domain.lifecycle import Status
from services.processor.model import AFTER, NEXT, Do

TEXT: Final = (Path(__file__).resolve().parents[3] / "docs" / "processor.md").read_text(encoding="utf-8")
ROW: Final = re.compile(r"^\| (\w+) \| (-|\w+) \| (\w+) \| (.*?) ?\|$", re.MULTILINE)
DEAD: Final = re.compile(r"Fields of the evidence of a dead one: (.*)", re.DOTALL)


def rows() -> dict[tuple[Status, str | None], tuple[Do, str]]:
    found = [row for row in ROW.findall(TEXT) if row[0] in list(Status)]
    return {
        (Status(ours), None if said == "-" else said): (Do(do), meaning) for ours, said, do, meaning in found
    }


def test_the_page_has_the_table_whole() -> None:
    assert {place: do for place, (do, _) in rows().items()} == dict(NEXT)


def test_where_a_step_leads_is_said() -> None:
    for (ours, _), (do, meaning) in rows().items():
        if do is Do.ADVANCE:
            assert meaning == f"to {AFTER[ours]}"


def fields_of_a_dead_one() -> set[str]:
    """As the page lists them."""
    found = DEAD.search(TEXT)
    assert found is not None
    return set(re.findall(r"`(\w+)`", found[1]))
