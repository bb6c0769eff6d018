"""However many places of a message are wrong, what is told of it is bounded: callers share one answer."""

import json

from services.common.domain.outcomes import TokenInfo
from services.validator.convert import verdicts_to_proto
from services.validator.ids import TOKEN_STANDARDS
from services.validator.model import MAX_BATCH, MAX_TOLD, MAX_TOLD_OF_RULE
from services.validator.registry import Registry
from tests.unit.validator.bare.support import TRANSFER, bare, judged, message

LARGEST_ANSWER = 4 << 20
"""Bytes that gRPC lets through by default: 4 times MAX_MESSAGE_BYTES."""

LONG = "\U0010ffff" * 16


def wrong_everywhere() -> dict[str, dict[str, object]]:
    """Messages that break a rule as often as their size allows, each with the widest words for it."""
    zeros = {f"nep171:{number:03}.near:{LONG}": "0" for number in range(128)}
    diff = {f"nep141:{number:02}.near": "-5" for number in range(64)}
    diff |= {f"nep141:{'y' * 50}{number:02}.near": "5" for number in range(64)}
    return {
        "amounts-not-zero": {**TRANSFER, "tokens": zeros},
        "pairs-allowed": {"intent": "token_diff", "diff": diff},
        "amount-forms": {**TRANSFER, "tokens": {f"nep141:{number:03}.near": LONG for number in range(128)}},
    }


async def test_p11_a_batch_of_the_worst_messages_fits_into_one_answer() -> None:
    paired = tuple(
        TokenInfo(id=f"{number:02}.near", symbol=f"S{number}", decimals=6, pairs=("zz.near",))
        for number in range(64)
    )
    registry = Registry(tokens=paired, unknown=frozenset(TOKEN_STANDARDS))
    for rule, intent in wrong_everywhere().items():
        submission = bare(json.dumps(message(intent), ensure_ascii=False))
        verdict = await judged(submission, registry=registry)
        assert not verdict.valid and 16 <= len(verdict.violations) <= MAX_TOLD, rule
        assert verdicts_to_proto([verdict] * MAX_BATCH).ByteSize() < LARGEST_ANSWER, rule
        full = await judged(submission, registry=registry, full=True, explain=True)
        assert full.explanation is not None
        told = {outcome.rule: len(outcome.violations) for outcome in full.explanation.rules}
        assert told[rule] == MAX_TOLD_OF_RULE == max(told.values()), rule
        assert verdicts_to_proto([full] * 32).ByteSize() < LARGEST_ANSWER, rule
