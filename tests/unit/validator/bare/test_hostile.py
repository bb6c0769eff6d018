"""Messages made to cost: refused by their size and shape, before signatures are checked or the chain is asked."""

import json
from typing import Any, Final

import pytest

from services.common.errors import Reason
from services.validator.messages.model import ALL_KINDS, DEFAULT_BOUNDS, Bounds
from services.validator.messages.reading import read
from tests.harness.standards import StandardWallet
from tests.unit.validator.bare.support import CAROL, SWAP, TRANSFER, WITHDRAW, bare, chain, judged, message
from tests.unit.validator.support import only

MANY: Final = 100_000
LONG: Final = "9" * 1_000_000
WIDE: Final = Bounds(max_bytes=1 << 26, max_intents=MANY - 1, max_tokens=MANY - 1, kinds=frozenset(ALL_KINDS))
"""Bounds that let the messages below past the first of them."""

HOSTILE: Final[dict[str, tuple[str, str]]] = {
    "10^5 intents": (json.dumps(message(*[{}] * MANY)), "intents-count"),
    "10^5 deep": (json.dumps(message())[:-1] + f',"x":{"[" * MANY}{"]" * MANY}}}', "message-depth"),
    "10^5 deep in objects": (json.dumps(message())[:-1] + f',"x":{"{" * MANY}', "message-depth"),
    "10^5 tokens": (
        json.dumps(message({**TRANSFER, "tokens": {str(number): "" for number in range(MANY)}})),
        "tokens-count",
    ),
    "10^5 amounts": (
        json.dumps(
            message({"intent": "mt_withdraw", "token": "m.near", "receiver_id": "b.near", "token_ids": ["x"] * MANY,
                     "amounts": ["1"] * MANY})
        ),
        "tokens-count",
    ),
    "a number of 10^6 digits": (json.dumps(message())[:-1] + f',"x":{LONG}}}', "message-numbers"),
    "10^5 keys twice": (json.dumps(message())[:-1] + "," + ",".join(['"x":1'] * MANY) + "}", "message-keys"),
}  # fmt: skip

UNREADABLE: Final[dict[str, tuple[str, str, Reason]]] = {
    "an amount of 10^6 digits": (
        json.dumps(message({**WITHDRAW, "amount": LONG})), "amount", Reason.AMOUNT_OUT_OF_RANGE
    ),
    "10^6 zeros before an amount": (
        json.dumps(message({**WITHDRAW, "amount": "0" * 1_000_000 + "x"})), "amount", Reason.INVALID_AMOUNT
    ),
    "a key of 10^6 characters": (
        json.dumps(message({"intent": "add_public_key", "public_key": f"ed25519:{LONG}"})), "public_key",
        Reason.INVALID_MESSAGE,
    ),
    "an account of 10^6 characters": (
        json.dumps(message({**WITHDRAW, "token": "a-" * 500_000})), "token", Reason.INVALID_ACCOUNT
    ),
    "a token id of 10^6 colons": (
        json.dumps(message({**TRANSFER, "tokens": {"nep171" + ":" * 1_000_000: "1"}})), "tokens",
        Reason.UNKNOWN_TOKEN,
    ),
    "a number beyond doubles": (
        json.dumps(message())[:-1] + f',"x":{LONG}.5}}', "", Reason.INVALID_MESSAGE
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
async def test_p10_what_is_made_to_cost_is_refused_first(name: str) -> None:
    text, rule = HOSTILE[name]
    views = chain()
    by_size = await judged(bare(text), views)
    only(by_size, "structure", "signed_data.payload", Reason.INVALID_MESSAGE)
    assert "it is not read" in by_size.violations[0].message
    # where the operator lets messages be that long, by what it holds
    reading = read(signed_of(text), WIDE)
    assert next(fault.rule for fault in reading.faults) == rule and len(reading.faults) <= 16
    assert not (await judged(bare(text), views, messages=WIDE)).valid
    assert views.calls == []


@pytest.mark.parametrize("name", UNREADABLE)
async def test_p10_long_values_are_refused_by_their_field(name: str) -> None:
    text, field, reason = UNREADABLE[name]
    where = f"signed_data.payload.intents[0].{field}" if field else "signed_data.payload"
    verdict = await judged(bare(text), messages=WIDE)
    only(verdict, "security", where, reason)
    assert len(verdict.violations[0].message) < 500


async def test_p10_faults_told_are_few() -> None:
    wrong = [{"intent": "ft_withdraw", "token": 1, "receiver_id": 2, "amount": 3}] * 60
    verdict = await judged(bare(message(*wrong)))
    assert len(verdict.violations) == 16


async def test_webauthns_client_data_is_bounded_too() -> None:
    wallet = StandardWallet("webauthn", "hostile")
    submission = bare(message(SWAP, wallet=wallet), wallet, origin="http://" + "x" * 17_000)
    verdict = await judged(submission, chain(wallet))
    only(verdict, "structure", "signed_data.payload", Reason.INVALID_MESSAGE)
    assert "webauthn's client data" in verdict.violations[0].message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "7",
        '"x"',
        "[]",
        "{",
        "\ufeff{}",
        "{}",
        '{"intents":null}',
        '{"\\ud800":1}',
        "\x00",
        "é" * 9_000,
    ],
)
async def test_p10_what_is_no_message_is_refused(text: str) -> None:
    for explain in (False, True):
        verdict = await judged(bare(text), explain=explain, full=explain)
        assert not verdict.valid and not verdict.unavailable
        assert all(one.field.startswith("signed_data") for one in verdict.violations)


async def test_strangers_words_are_quoted_in_ascii() -> None:
    evil = "\x1b[31m" + "é" * 100
    cases: list[Any] = [
        {"intent": evil},
        {**TRANSFER, "receiver_id": evil},
        {**TRANSFER, "tokens": {evil: "1"}},
        {**TRANSFER, "tokens": {f"nep171:n.near:{evil}": "1"}},
        {**WITHDRAW, "amount": evil},
        {"intent": "add_public_key", "public_key": evil},
    ]
    for intent in cases:
        verdict = await judged(bare(message(intent, deadline=evil)), explain=True)
        assert verdict.violations
        for violation in verdict.violations:
            assert violation.message.isascii() and violation.message.isprintable()
            assert violation.field.isascii() and len(violation.field) < 100


def test_the_default_bounds_are_those_of_the_documents() -> None:
    assert (DEFAULT_BOUNDS.max_bytes, DEFAULT_BOUNDS.max_intents, DEFAULT_BOUNDS.max_tokens) == (
        16_384,
        64,
        128,
    )


def signed_of(text: str) -> Any:
    return bare(text, CAROL).signed_data
