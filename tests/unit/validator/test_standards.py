"""The seven standards: what others published holds, and nothing that differs from it by one bit."""

import hashlib
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

import pytest

from services.common.domain import strictjson
from services.common.domain.explanation import RuleStatus
from services.common.domain.intent import Submission, WebauthnAssertion
from services.common.domain.signedjson import signed_from_json
from services.common.domain.signing import STANDARDS
from services.common.domain.views import HasPublicKey
from services.common.encoding import b58decode, b58encode, b64decode_unpadded, b64encode, b64url_unpadded
from services.common.errors import IntentError, Reason
from services.devnet.contracts.envelope import open_envelope
from services.devnet.contracts.port import Panic
from services.devnet.contracts.strictjson import parse_object
from services.validator.convert import rules_to_proto
from services.validator.model import Case, RuleBook, plain_of
from services.validator.prepare import prepare
from services.validator.rules.signature import RULES
from services.validator.signatures import check
from services.validator.standards import TABLE, webauthn
from services.validator.standards.keys import IMPLICIT, KEY_BYTES, implicit_account, read_key, read_signature
from tests.harness.client_data import NOT_READ, READ, client, deep
from tests.harness.signing import to_domain
from tests.harness.standards import CURVES, Key, StandardWallet, sign
from tests.harness.standards import STANDARDS as SIGNED_HERE
from tests.unit.validator.support import SOON, FakeViews, found, judge, only, validator
from tests.unit.validator.vectors import load

Data = dict[str, Any]

WALLETS: Final = [StandardWallet(one, "standards") for one in SIGNED_HERE] + [
    StandardWallet("webauthn", "standards", curve="ed25519")
]
NAMES: Final = [f"{wallet.standard}-{wallet.key.curve}" for wallet in WALLETS]
FLIPS: Final = 64


def signer_of(data: Data) -> str | Reason:
    """The key that signed, or the reason why none did: as the first part of the last stage finds it."""
    try:
        signed = signed_from_json(strictjson.loads(json.dumps(data), max_bytes=1 << 20))
    except IntentError as error:
        return error.reason
    submission = Submission(intent=None, signed_data=signed)
    case = Case(intent=plain_of(submission), signed=signed, book=RuleBook(), now_ns=0, stored=False)
    prepare(case)
    if case.provable:
        check([case])
    for rule in RULES[: [rule.name for rule in RULES].index("signature-valid") + 1]:
        if rule.needs <= case.reach:
            rule.check(case)
    if case.found:
        return case.found[0].reason
    assert case.key is not None and case.proven
    return case.key.text


def published() -> list[Data]:
    return [vector for file in ("near_intents", "sep53", "erc191") for vector in load(file)["messages"]]


def test_p09_published_messages_are_signed_by_the_published_key() -> None:
    for vector in published():
        key = signer_of(vector["data"])
        assert vector.get("key", key) == key and not isinstance(key, Reason), vector["name"]
        curves = TABLE[vector["data"]["standard"]].curves
        account = implicit_account(read_key(key, curves))
        assert vector.get("account", account) == account, vector["name"]
    assert {vector["data"]["standard"] for vector in published()} == set(STANDARDS)


def test_p09_published_assertions_hold_where_the_contract_takes_them() -> None:
    count = 0
    for file in ("near_intents", "webauthn"):
        for one in load(file)["assertions"]:
            assertion = WebauthnAssertion(
                authenticator_data=bytes.fromhex(one["authenticator_data"]),
                client_data_json=one["client_data_json"],
            )
            challenge = bytes.fromhex(one["challenge"])
            assert webauthn.fault_of(assertion, challenge) is None, one["name"]
            fault = webauthn.fault_of(assertion, challenge[:-1] + bytes([challenge[-1] ^ 1]))
            assert fault is not None and fault[0] == webauthn.CLIENT_DATA
            curves = TABLE["webauthn"].curves
            key, signature = (
                read_key(one["public_key"], curves),
                read_signature(one["signature"], curves),
            )
            proven = TABLE["webauthn"].prove(webauthn.assertion_bytes(assertion), key, signature)
            assert (proven == key) is not one.get("high_s", False), one["name"]
            count += 1
    assert count == 13


def flipped(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]


def _text(text: str, draw: random.Random) -> str:
    while True:
        try:
            return flipped(text.encode(), draw).decode()
        except UnicodeDecodeError:
            continue


def _typed(text: str, draw: random.Random) -> str:
    curve, _, body = text.partition(":")
    return f"{curve}:{b58encode(flipped(b58decode(body), draw))}"


def _account(text: str, draw: random.Random) -> str:
    workchain, _, account = text.partition(":")
    return f"{workchain}:{flipped(bytes.fromhex(account), draw).hex()}"


FLIP: Final[dict[str, Callable[[Any, random.Random], Any]]] = {
    "payload": lambda value, draw: _text(value, draw) if isinstance(value, str) else _inside(value, draw),
    "message": _text, "recipient": _text, "callbackUrl": _text, "domain": _text, "client_data_json": _text,
    "text": _text, "public_key": _typed, "signature": _typed, "address": _account,
    "nonce": lambda value, draw: b64encode(flipped(b64decode_unpadded(value), draw)),
    "authenticator_data": lambda value, draw: b64url_unpadded(flipped(b64decode_unpadded(value, urlsafe=True), draw)),
    "timestamp": lambda value, draw: value ^ 1 << draw.randrange(31),
}  # fmt: skip
"""One bit of each field that is signed or signs."""


def _inside(value: Data, draw: random.Random) -> Data:
    name = draw.choice([one for one in value if one != "type"])
    return {**value, name: FLIP[name](value[name], draw)}


def bent(data: Data, draw: random.Random) -> Iterator[tuple[str, Data]]:
    """Each field with a bit flipped, missing, and of another type; then 64 bits anywhere."""
    fields = [name for name in data if name != "standard"]
    for name in fields:
        yield name, {**data, name: FLIP[name](data[name], draw)}
        yield name, {one: value for one, value in data.items() if one != name}
        yield name, {**data, name: 7 if name != "timestamp" else 7.5}
    for _ in range(FLIPS):
        name = draw.choice(fields)
        yield name, {**data, name: FLIP[name](data[name], draw)}


def test_p09_no_bit_and_no_field_of_a_published_message_can_change() -> None:
    draw = random.Random(20261127)
    for vector in published():
        data, seen = vector["data"], set()
        signer = signer_of(data)
        for name, other in bent(data, draw):
            answer = signer_of(other)
            assert answer != signer, (vector["name"], name)
            recovered = isinstance(answer, str) and not isinstance(answer, Reason)
            # any text under a recoverable signature has some signer, whom nobody knows
            assert not recovered or TABLE[data["standard"]].recovers, (vector["name"], name)
            seen.add("another key" if recovered else answer)
        wanted = {Reason.INVALID_FIELD, Reason.INVALID_SIGNATURE}
        assert seen == wanted | ({"another key"} if TABLE[data["standard"]].recovers else set()), vector[
            "name"
        ]


def on_chain(data: Data) -> str | None:
    """The key that the contract finds, by code of its own; None where it finds none."""
    try:
        return open_envelope(parse_object(json.dumps(data))).key.text
    except Panic:
        return None


@pytest.mark.parametrize("wallet", WALLETS, ids=NAMES)
async def test_p09_no_bit_of_a_valid_intent_can_change_and_the_contract_says_so_too(
    wallet: StandardWallet,
) -> None:
    draw = random.Random(wallet.standard)
    body = wallet.sign_plain(deadline=SOON)
    assert (await judge(body)).valid
    assert on_chain(body["signed_data"]) == wallet.public_key
    recovers = TABLE[wallet.standard].recovers
    for _ in range(FLIPS):
        name = draw.choice([one for one in body["signed_data"] if one != "standard"])
        data = {**body["signed_data"], name: FLIP[name](body["signed_data"][name], draw)}
        verdict = await judge({**body, "signed_data": data})
        reasons = {reason for _, reason in found(verdict)}
        assert not verdict.valid and not verdict.unavailable, name
        if recovers:
            assert reasons & {Reason.INVALID_SIGNATURE, Reason.SIGNER_MISMATCH, Reason.INVALID_MESSAGE}, name
        else:
            assert found(verdict)[0][1] == Reason.INVALID_SIGNATURE, (name, verdict)
        theirs = on_chain(data)
        if theirs is None:
            assert Reason.INVALID_SIGNATURE in reasons, name
        else:
            assert recovers and theirs != wallet.public_key and Reason.INVALID_SIGNATURE not in reasons, name


@pytest.mark.parametrize("wallet", WALLETS, ids=NAMES)
async def test_p09_the_account_is_the_one_the_key_derives_or_has_registered_it(
    wallet: StandardWallet,
) -> None:
    views = FakeViews()
    assert IMPLICIT.fullmatch(wallet.account_id)
    assert (await judge(wallet.sign_plain(deadline=SOON), views)).valid
    assert not any(isinstance(view, HasPublicKey) for call in views.calls for view in call)
    where = "signed_data.signature" if TABLE[wallet.standard].recovers else "signed_data.public_key"
    for account in ("carol.near", "0x" + "0" * 40, "0" * 64):
        other = StandardWallet(wallet.standard, "standards", curve=wallet.key.curve, account_id=account)
        body = other.sign_plain(deadline=SOON)
        only(await judge(body), "security", where, Reason.SIGNER_MISMATCH)
        views = FakeViews(keys={(account, wallet.public_key)})
        assert (await judge(body, views)).valid is (account == "carol.near")


async def test_each_standard_is_told_and_a_mixed_batch_is_judged_as_each_alone() -> None:
    told = rules_to_proto(await validator().rules()).standards
    assert tuple(told) == STANDARDS == tuple(TABLE) == SIGNED_HERE
    bodies = [wallet.sign_plain(deadline=SOON) for wallet in WALLETS for _ in range(3)]
    for body in bodies[1::3]:
        body["signed_data"]["signature"] = bodies[0]["signed_data"]["signature"]
    verdicts = await validator().validate([to_domain(body) for body in bodies])
    alone = [(await judge(body)) for body in bodies]
    assert list(verdicts) == alone
    assert [verdict.valid for verdict in alone] == [True, False, True] * len(WALLETS)


def test_p09_client_data_is_read_as_the_contract_reads_it() -> None:
    present = bytes(32) + b"\1" + bytes(4)
    for text in (*READ, deep(32), *NOT_READ):
        assertion = WebauthnAssertion(authenticator_data=present, client_data_json=text)
        fault = webauthn.fault_of(assertion, bytes(range(32)))
        assert (fault is None) is (text not in NOT_READ), (text[:80], fault)
        assert fault is None or (
            fault[0] == webauthn.CLIENT_DATA and fault[1].isascii() and len(fault[1]) < 120
        )


def test_p09_authenticator_data_needs_its_length_and_a_user_who_was_there() -> None:
    for flags in range(256):
        data = WebauthnAssertion(
            authenticator_data=bytes(32) + bytes([flags]) + bytes(4), client_data_json=client()
        )
        present, eligible, backed = flags & 0x01, flags & 0x08, flags & 0x10
        taken = bool(present and (eligible or not backed))
        assert (webauthn.fault_of(data, bytes(range(32))) is None) is taken, flags
    for length in range(60):
        data = WebauthnAssertion(authenticator_data=(b"\1" * 60)[:length], client_data_json=client())
        assert (webauthn.fault_of(data, bytes(range(32))) is None) is (length >= 37)


async def test_p10_assertions_are_refused_by_their_field() -> None:
    wallet = StandardWallet("webauthn", "fields")
    absent = wallet.sign_plain(deadline=SOON, flags=0)
    only(await judge(absent), "security", webauthn.AUTHENTICATOR_DATA, Reason.INVALID_SIGNATURE)
    text = absent["signed_data"]["payload"]
    other = wallet.sign_text(text + " ")["client_data_json"]
    body = wallet.sign_plain(deadline=SOON)
    body["signed_data"]["client_data_json"] = other
    assert found(await judge(body))[:2] == [
        (webauthn.CLIENT_DATA, Reason.INVALID_SIGNATURE),
        ("signed_data.signature", Reason.INVALID_SIGNATURE),
    ]
    place = wallet.sign_plain(deadline=SOON)
    place["signed_data"] = wallet.sign_text(place["signed_data"]["payload"])
    client_data = json.dumps(
        json.loads(place["signed_data"]["client_data_json"]) | {"origin": "é"}, ensure_ascii=False
    )
    assertion = bytes(32) + b"\1" + bytes(4)
    place["signed_data"] |= {
        "client_data_json": client_data,
        "authenticator_data": b64url_unpadded(assertion),
        "signature": f"p256:{b58encode(wallet.key.sign(assertion + hashlib.sha256(client_data.encode()).digest()))}",
    }
    only(await judge(place), "security", webauthn.CLIENT_DATA, Reason.INVALID_MESSAGE)
    long = wallet.sign_plain(deadline=SOON, origin="https://" + "a" * 20_000)
    only(await judge(long), "security", "signed_data.payload", Reason.INVALID_MESSAGE)


def spellings(standard: str, text: str) -> dict[str, bool]:
    """Ways to write a key or signature, and whether near/intents at 32a7836f reads each so."""
    curve, _, body = text.partition(":")
    one = len(TABLE[standard].curves) == 1
    return {
        text: True,
        body: curve == TABLE[standard].curves[0],
        f"{curve.upper()}:{body}": one,
        f"{curve.title()}:{body}": one,
        f":{body}": False,
        f" {text}": False,
        f"{text} ": False,
        f"{text}1": False,
        f"{curve}:1{body}": False,
        f"{curve}:{body[:-1]}": False,
        f"{curve}::{body}": False,
        f"{curve}:0OIl": False,
        f"{curve}:{'1' * 999}": False,
        f"{curve}:": False,
        f"{curve}\u212a:{body}": False,
        f"x{text}": False,
        "": False,
    }


@pytest.mark.parametrize("wallet", WALLETS, ids=NAMES)
def test_p10_keys_and_signatures_are_written_as_the_contract_reads_them(wallet: StandardWallet) -> None:
    data = wallet.sign_text("{}")
    for field in {"public_key", "signature"} & data.keys():
        for text, taken in spellings(wallet.standard, data[field]).items():
            answer = signer_of({**data, field: text})
            assert answer == (wallet.public_key if taken else Reason.INVALID_SIGNATURE), (field, text[:80])
        other = next(curve for curve in KEY_BYTES if curve not in TABLE[wallet.standard].curves)
        swapped = f"{other}:{data[field].partition(':')[2]}"
        assert signer_of({**data, field: swapped}) == Reason.INVALID_SIGNATURE


def test_p09_key_and_signature_are_of_one_curve() -> None:
    data = sign("webauthn", "{}", Key.of("p256", "x"))
    assert signer_of({**data, "public_key": Key.of("ed25519", "x").text}) == Reason.INVALID_SIGNATURE
    assert CURVES["webauthn"] == "p256"


def test_known_keys_derive_the_accounts_that_near_intents_names() -> None:
    vectors = load("near_intents")
    curves = tuple(KEY_BYTES)
    for key, account in vectors["accounts"]:
        assert implicit_account(read_key(key, curves)) == account
    for text in vectors["short_keys"]:
        with pytest.raises(ValueError):
            read_key(text, curves)


def test_p10_forms_of_another_standard_are_refused() -> None:
    """As gRPC can carry them; JSON names the field before."""
    alike = ({"erc191", "tip191"}, {"raw_ed25519", "sep53"})
    for wallet in WALLETS[:7]:
        signed = signed_from_json(wallet.sign_text("{}"))
        for other in STANDARDS:
            wrong = TABLE[other].form(replace(signed, standard=other))
            same = wallet.standard == other or {wallet.standard, other} in alike
            # a text without a key has the form of one with: that its key cannot be read is said then
            keyless = wallet.standard in alike[0] and other in alike[1]
            assert (wrong == "") is (same or keyless), (wallet.standard, other, wrong)


async def test_p09_a_timestamp_of_ton_connect_may_be_the_deadline_and_no_later() -> None:
    wallet, at = StandardWallet("ton_connect", "time"), int(SOON.timestamp())
    assert (await judge(wallet.sign_plain(deadline=SOON, timestamp=at))).valid
    late = await judge(wallet.sign_plain(deadline=SOON, timestamp=at + 1))
    only(late, "security", "signed_data.timestamp", Reason.INVALID_MESSAGE)
    assert (
        await judge(wallet.sign_plain(deadline=SOON, timestamp=0, address="-1:" + "00" * 32, domain=""))
    ).valid


@pytest.mark.parametrize("wallet", WALLETS, ids=NAMES)
async def test_what_was_signed_is_explained_in_each_standard(wallet: StandardWallet) -> None:
    submission = to_domain(wallet.sign_plain(deadline=SOON))
    (verdict,) = await validator().validate([submission], explain=True)
    assert verdict.valid and verdict.explanation is not None and verdict.explanation.signed is not None
    told = {one.rule: one for one in verdict.explanation.rules}
    passed = {name for name, one in told.items() if one.status is RuleStatus.PASSED}
    standard = TABLE[wallet.standard]
    assert ("assertion-valid" in passed) is (wallet.standard == "webauthn")
    assert ("timestamp-before-deadline" in passed) is (wallet.standard == "ton_connect")
    assert ("public-key-readable" in passed) is not standard.recovers
    assert {"signature-valid", "payload-form", "key-derives-account"} <= passed
    assert told["key-derives-account"].seen == f"{wallet.account_id}, key derives {wallet.account_id}"
    assert submission.signed_data is not None
    assert verdict.explanation.signed.data == standard.signed_bytes(submission.signed_data)
