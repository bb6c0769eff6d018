"""What near/intents' own code says of messages, deadlines, intents and fees: the validator says the same."""

from collections import Counter
from dataclasses import replace
from typing import Any, Final

import pytest

from services.common.domain.intent import Nep413Payload, SignedData, Submission
from services.validator.messages.fees import fee_of
from services.validator.messages.instants import instant_ns
from services.validator.messages.model import Bounds, Payload
from services.validator.messages.reading import read
from services.validator.messages.rules import TABLE
from services.validator.messages.token_ids import standard_of
from services.validator.model import Case, RuleBook, plain_of
from services.validator.rules.rule import Kind
from services.validator.standards.keys import ED25519, read_key
from tests.unit.validator.bare.support import BOUNDS
from tests.unit.validator.vectors import load

FACTS: Final[dict[str, Any]] = load("near_intents_messages")
POLICY: Final = {rule.name for _, rule in TABLE if rule.kind is Kind.POLICY}
WIDE: Final = Bounds(max_bytes=1 << 20, max_intents=10**4, max_tokens=10**4, kinds=BOUNDS.kinds)


def signed(text: str, recipient: str | None = None) -> SignedData:
    payload = Nep413Payload(message=text, nonce=bytes(32), recipient=recipient) if recipient else text
    standard = "nep413" if recipient else "raw_ed25519"
    return SignedData(standard=standard, payload=payload, public_key="", signature="")


def test_p10_messages_are_read_as_the_contract_reads_them() -> None:
    counts: Counter[str] = Counter()
    for fact in FACTS["messages"]:
        reading = read(signed(fact["text"], fact.get("recipient")), WIDE)
        if fact["error"] is not None:
            assert reading.payload is None, fact["name"]
            counts["refused by both"] += 1
        elif reading.payload is not None:
            counts["read by both"] += 1
        else:
            # stricter here, and said to be
            assert {fault.rule for fault in reading.faults} <= POLICY, (fact["name"], reading.faults)
            counts["policy"] += 1
    assert counts == {"refused by both": 224, "read by both": 122, "policy": 32}


def test_deadlines_are_the_instants_that_the_contract_reads() -> None:
    for text, instant in FACTS["deadlines"]:
        if instant is None:
            with pytest.raises(ValueError, match=r"must be|is |lies"):
                instant_ns(text)
        else:
            assert instant_ns(text) == int(instant), text


def protocol_faults(payload: Payload, key: str, submission: Submission) -> set[str]:
    """Rules of kind protocol that refuse the intents, whatever the contract's state."""
    assert submission.signed_data is not None
    case = Case(
        intent=replace(plain_of(submission), user_account=payload.signer_id),
        signed=submission.signed_data,
        book=RuleBook(messages=WIDE),
        now_ns=0,
        stored=False,
        reading=read(submission.signed_data, WIDE),
        key=read_key(key, (ED25519,)),
        proven=True,
    )
    refused = set()
    for stage, rule in TABLE:
        before = len(case.found)
        if rule.kind is Kind.PROTOCOL and (stage != "security" or rule.name == "key-changes"):
            rule.check(case)
        if len(case.found) > before:
            refused.add(rule.name)
    return refused


def test_intents_are_refused_where_executing_them_would_be() -> None:
    executed = FACTS["executed"]
    for fact in executed["messages"]:
        submission = Submission(intent=None, signed_data=signed(fact["text"]))
        reading = read(signed(fact["text"]), WIDE)
        assert reading.payload is not None
        refused = protocol_faults(reading.payload, executed["key"], submission)
        assert bool(refused) is (fact["error"] is not None), (fact, refused)
        if fact["error"] is not None and fact["error"].startswith("token_id is too long"):
            assert "imt-id-length" in refused
        if fact["error"] is not None and fact["error"].startswith("public key"):
            assert "key-changes" in refused


def test_fees_are_rounded_as_the_contract_rounds_them() -> None:
    assert len(FACTS["fees"]) == 192
    for token, amount, pips, fee in FACTS["fees"]:
        assert fee_of(standard_of(token), -int(amount), pips) == int(fee), (token, amount, pips)
        assert fee_of(standard_of(token), int(amount), pips) == 0


def test_swaps_of_the_contracts_own_tests_balance_with_their_fees() -> None:
    """near/intents (MIT) `token_diff.rs`: what one gives less its fee is what another may get, at no fee, a pip, a bip
    and a percent."""
    for pips in (0, 1, 100, 10_000):
        for given in (1, 50, 100, 300, 10_000, 1_000_000):
            got = given - fee_of("nep141", -given, pips)
            assert 0 <= got <= given
            assert got == given * (1_000_000 - pips) // 1_000_000
