"""What is asked at once says nothing that the rules do not say one by one."""

from collections import Counter
from dataclasses import replace
from typing import Final

import pytest

from services.common.domain.intent import Submission
from services.common.domain.submissionjson import submission_from_json
from services.common.errors import IntentError
from services.validator.model import Case, RuleBook
from services.validator.registry import DEFAULT_TOKENS, Registry
from services.validator.rules import TABLE
from services.validator.rules.rule import Table, Well
from services.validator.service import Validator
from tests.differential.compare import contract
from tests.differential.generate import bodies
from tests.unit.validator.alone import Input, alone
from tests.unit.validator.support import StoppedClock

EXACT: Final = Table(TABLE.stages)
"""The same rules, each asked by itself."""

BOUNDED: Final = tuple(
    replace(token, min_amount=100, max_amount=10**24, pairs=("NEAR", "USDC"), paused=token.id == "ETH")
    for token in DEFAULT_TOKENS
)


def watched(held: Counter[str]) -> Table:
    """The table with wells that are asked about: each that holds must be one whose rules find nothing."""

    def watching(well: Well) -> Well:
        def holds(case: Case) -> bool:
            said = well.holds(case)
            if said:
                held[well.covers[0].name] += 1
                copy = replace(case, found=[], unapplied={})
                for rule in well.covers:
                    rule.check(copy)
                    assert not copy.found and not copy.unapplied, (
                        f"{rule.name}: {copy.found} {copy.unapplied}"
                    )
            return said

        return Well(well.covers, holds)

    return Table(TABLE.stages, tuple(map(watching, TABLE.wells)))


def test_every_rule_is_asked_at_once_and_stands_where_its_group_does() -> None:
    order = [rule.name for _, rule in TABLE]
    covered = [rule.name for well in TABLE.wells for rule in well.covers]
    assert covered == order


async def test_p10_what_a_rule_alone_refuses_is_refused_in_the_same_words() -> None:
    held: Counter[str] = Counter()
    for name, one in alone().items():
        assert await verdict(one, watched(held)) == await verdict(one, EXACT), name
        for stored in (False, True):
            assert await verdict(one, TABLE, stored) == await verdict(one, EXACT, stored), name
    assert len(held) == len(TABLE.wells)


async def verdict(one: Input, table: Table, stored: bool = False) -> object:
    validator = Validator(RuleBook(**one.book), one.views(), StoppedClock(), table=table)
    validator.prices = one.prices
    return await validator.validate([one.submission], stored=stored)


@pytest.mark.parametrize(
    "book",
    [
        RuleBook(),
        RuleBook(registry=Registry(tokens=BOUNDED), min_lifetime_ns=10**10, clock_skew_ns=10**9),
        RuleBook(registry=Registry(unknown=frozenset()), signature_required=False),
    ],
    ids=["default", "bounded", "unsigned"],
)
async def test_p10_any_body_gets_the_verdict_of_the_rules_one_by_one(book: RuleBook) -> None:
    chain, held = contract(), Counter[str]()
    at_once = Validator(book, chain, StoppedClock(), table=watched(held))
    one_by_one = Validator(book, chain, StoppedClock(), table=EXACT)
    given = submissions(400, seed=len(book.registry.unknown))
    for start in range(0, len(given), 50):
        some = given[start : start + 50]
        assert await at_once.validate(some) == await one_by_one.validate(some)
    assert min(held.values()) > 15


def submissions(count: int, seed: int) -> list[Submission]:
    """Bodies of all standards, most of them spoilt in something, as far as they can be read at all."""
    made: list[Submission] = []
    for _, body in bodies(count, seed, b"salt"):
        try:
            made.append(submission_from_json(body))
        except IntentError:
            continue
    return made
