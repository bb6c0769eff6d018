"""Signed data in all seven standards: which forms are read, what they hash to, and that nothing is lost on the way."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from intents_client import BodyError
from services.common.convert.intents import submission_to_proto
from services.common.convert.signed import signed_from_proto, signed_to_proto
from services.common.domain import strictjson
from services.common.domain.intent import NewIntent, SignedData, TonConnectPayload, WebauthnAssertion
from services.common.domain.signedjson import signed_from_json, signed_to_json
from services.common.domain.signing import STANDARDS, intent_digest
from services.common.domain.ton import address_parts
from services.common.encoding import b58encode
from services.common.errors import IntentError, Reason
from services.edge.http.schemas import SCHEMAS
from services.store.document import new_document, record_of
from tests.harness import standards
from tests.harness.signing import to_domain, to_proto
from tests.harness.standards import StandardWallet

NOW = datetime(2026, 11, 23, tzinfo=UTC)
TON = StandardWallet("ton_connect", "forms").sign_text("{}")
WEBAUTHN = StandardWallet("webauthn", "forms").sign_text("{}")
NEP413 = StandardWallet("nep413", "forms").sign_text("{}")
ERC191 = StandardWallet("erc191", "forms").sign_text("{}")
GONE = object()


def changed(data: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (data | changes).items() if value is not GONE}


def read(data: object) -> SignedData:
    return signed_from_json(strictjson.loads(json.dumps(data), max_bytes=1 << 20))


def test_the_standards_are_the_contracts_and_the_harness_signs_in_each() -> None:
    assert STANDARDS == standards.STANDARDS
    assert all(StandardWallet(one, "x").sign_text("{}")["standard"] == one for one in STANDARDS)


@pytest.mark.parametrize("standard", STANDARDS)
def test_signed_data_is_the_same_over_every_transport_and_in_the_store(standard: str) -> None:
    wallet = StandardWallet(standard, "way")
    body = wallet.sign_plain(deadline="2030-01-01T00:00:00Z")
    submission = to_domain(body)
    signed = submission.signed_data
    assert signed is not None and submission.intent is not None
    assert to_proto(body) == submission_to_proto(submission)
    assert signed_from_proto(signed_to_proto(signed)) == signed == read(signed_to_json(signed))
    new = NewIntent(principal="p", submission=submission, expires_at=NOW)
    document = new_document(new, submission.intent, content_hash="00", nonce_key=None, now=NOW)
    assert record_of(document).signed_data == signed
    assert ("webauthn" in document["signedData"]) is (standard == "webauthn")
    other = {name: value for name, value in document["signedData"].items() if name != "webauthn"}
    assert (record_of(document | {"signedData": other}).signed_data == signed) is (standard != "webauthn")


def test_signed_data_hashes_as_the_contract_hashes_it() -> None:
    """Recorded from near/intents at 32a7836f (MIT): MultiPayload::hash() of these very texts."""
    envelope: dict[str, Any] = {
        "address": "-1:" + "cd" * 32,
        "domain": "dapp.example",
        "timestamp": 1_747_759_882,
    }
    key = standards.Key.of("ed25519", "x")
    found = {
        one: b58encode(intent_digest(read(standards.sign(one, "Grüße, NEAR!", _key(one, key), **envelope))))
        for one in STANDARDS
    }
    assert found == {
        "nep413": "4a681Q4KLAMVqZKhZ7wdV3o8hEQhVhxYt38ASLfBuaV3",
        "erc191": "DoucvtTaa5EWGebaLxfgtDpatytR5wgXF84T7KhabLEz",
        "tip191": "5D1UZGXQ75J3sZ1KVv5gbBktnjMzVhoWPVEFtqoorUbZ",
        "raw_ed25519": "C1Bv3yEJQWU99QcspMh1S5JqRUpN2huaU5vdAwo2GtSX",
        "webauthn": "C1Bv3yEJQWU99QcspMh1S5JqRUpN2huaU5vdAwo2GtSX",
        "ton_connect": "7kgZ1GdRv2fdwgAZsvxWJAfZ6NeJqGfVKfFuC6VYoYud",
        "sep53": "2NWqsVruTk6ce2AMHe5aPddjFiPPGggkLWUv3WLz4Dcd",
    }


def _key(standard: str, key: standards.Key) -> standards.Key:
    return (
        key if standards.CURVES[standard] == "ed25519" else standards.Key.of(standards.CURVES[standard], "x")
    )


READ: list[tuple[str, dict[str, Any]]] = [
    ("raw address", changed(TON, address="0:" + "AB" * 32)),
    ("workchain", changed(TON, address="-1:" + "ab" * 32)),
    ("user-friendly", changed(TON, address="EQBGXZ9ddZeWypx8EkJieHJX75ct0bpkmu0Y4YoYr3NM0Z9e")),
    ("not bouncible", changed(TON, address="UQD7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-xzR")),
    ("test network", changed(TON, address="kf_7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-wXW")),
    ("plain base64", changed(TON, address="EQD7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+0EU")),
    ("seconds", changed(TON, timestamp=0)),
    ("digits", changed(TON, timestamp="+1")),
    ("many zeros", changed(TON, timestamp="+" + "0" * 5_000 + "1")),
    ("minus zero", changed(TON, timestamp="-" + "0" * 30)),
    ("RFC 3339", changed(TON, timestamp="1970-01-01T00:00:00.5+00:00")),
    ("aliases", changed(WEBAUTHN, authenticator_data=GONE, authenticatorData="AAAA",
                        client_data_json=GONE, clientDataJSON="{}")),
    ("padded", changed(WEBAUTHN, authenticator_data="AA==")),
    ("half padded", changed(WEBAUTHN, authenticator_data="AA=")),
    ("empty", changed(WEBAUTHN, authenticator_data="")),
    ("nonce unpadded", changed(NEP413, payload=NEP413["payload"] | {"nonce": "A" * 43})),
    ("unknown standard", changed(NEP413, standard="eip712", payload="x")),
]  # fmt: skip

REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("signed_data.address", changed(TON, address=GONE)),
    ("signed_data.address", changed(TON, address=0)),
    ("signed_data.address", changed(TON, address="0:" + "ab" * 31)),
    ("signed_data.address", changed(TON, address="2147483648:" + "ab" * 32)),
    ("signed_data.address", changed(TON, address="x:" + "ab" * 32)),
    ("signed_data.address", changed(TON, address="ab" * 32)),
    ("signed_data.address", changed(TON, address="EQBGXZ9ddZeWypx8EkJieHJX75ct0bpkmu0Y4YoYr3NM0Z9f")),
    ("signed_data.address", changed(TON, address="EgD7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_Va")),
    ("signed_data.address", changed(TON, address="EQD7-/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+0EU")),
    ("signed_data.domain", changed(TON, domain=None)),
    ("signed_data.timestamp", changed(TON, timestamp=GONE)),
    ("signed_data.timestamp", changed(TON, timestamp=-1)),
    ("signed_data.timestamp", changed(TON, timestamp=1.0)),
    ("signed_data.timestamp", changed(TON, timestamp=True)),
    ("signed_data.timestamp", changed(TON, timestamp="1.0")),
    ("signed_data.timestamp", changed(TON, timestamp=" 1")),
    ("signed_data.timestamp", changed(TON, timestamp="-1")),
    ("signed_data.timestamp", changed(TON, timestamp="1" * 13)),
    ("signed_data.timestamp", changed(TON, timestamp=253402300800)),
    ("signed_data.timestamp", changed(TON, timestamp="1969-12-31T23:59:59.5Z")),
    ("signed_data.timestamp", changed(TON, timestamp="1970-01-01T24:00:00Z")),
    ("signed_data.payload", changed(TON, payload="{}")),
    ("signed_data.payload.type", changed(TON, payload={"type": "binary", "bytes": "AA=="})),
    ("signed_data.payload.type", changed(TON, payload={"type": "Text", "text": "x"})),
    ("signed_data.payload.type", changed(TON, payload={"text": "x"})),
    ("signed_data.payload.type", changed(TON, payload={"type": "", "text": "x"})),
    ("signed_data.payload.type", changed(TON, payload={"type": None, "text": "x"})),
    ("signed_data.payload.type", changed(TON, payload={"type": ["text"], "text": "x"})),
    ("signed_data.payload.text", changed(TON, payload={"type": "text"})),
    ("signed_data.payload.extra", changed(TON, payload={"type": "text", "text": "x", "extra": 1})),
    ("signed_data.client_data_json", changed(TON, client_data_json="{}")),
    ("signed_data.address", changed(WEBAUTHN, address="0:" + "ab" * 32)),
    ("signed_data.authenticator_data", changed(WEBAUTHN, authenticator_data=GONE)),
    ("signed_data.authenticator_data", changed(WEBAUTHN, authenticator_data="AB")),
    ("signed_data.authenticator_data", changed(WEBAUTHN, authenticator_data="AAA==")),
    ("signed_data.authenticator_data", changed(WEBAUTHN, authenticator_data="+/8")),
    ("signed_data.authenticator_data", changed(WEBAUTHN, authenticator_data="A A")),
    ("signed_data.authenticatorData", changed(WEBAUTHN, authenticatorData="AA")),
    ("signed_data.client_data_json", changed(WEBAUTHN, client_data_json=GONE, clientDataJSON={})),
    ("signed_data.clientDataJson", changed(WEBAUTHN, clientDataJson="{}")),
    ("signed_data.public_key", changed(ERC191, public_key="secp256k1:x")),
    ("signed_data.payload.nonce", changed(NEP413, payload=NEP413["payload"] | {"nonce": "A" * 42 + "B="})),
    ("signed_data.authenticator_data", changed(NEP413, authenticator_data="AA")),
    ("signed_data.timestamp", changed(NEP413, standard="eip712", timestamp=1)),
]


def test_the_forms_that_the_contract_reads_are_read_by_edge_and_client_alike() -> None:
    for name, data in READ:
        body = {"signed_data": data}
        assert to_proto(body) == submission_to_proto(to_domain(body)), name
    assert address_parts(READ[3][1]["address"]) == (0, b"\xfb" * 32)
    assert address_parts(READ[4][1]["address"]) == (-1, b"\xfb" * 32)
    ton = read(READ[10][1]).payload
    assert isinstance(ton, TonConnectPayload) and ton.timestamp_ns == 500_000_000
    assert read(READ[11][1]).webauthn == WebauthnAssertion(authenticator_data=bytes(3), client_data_json="{}")


def test_p10_a_form_that_the_contract_refuses_is_refused_and_its_field_named() -> None:
    for field, data in REFUSED:
        with pytest.raises(IntentError) as edge:
            read(data)
        assert (edge.value.reason, edge.value.violations[0].field) == (Reason.INVALID_FIELD, field), data
        try:
            message = to_proto({"signed_data": data}).signed_data
        except BodyError as error:
            assert (error.field, str(error)) == (field, edge.value.violations[0].message), data  # noqa: PT017
            continue
        # what a message can hold is left for the server to name
        if field in ("signed_data.address", "signed_data.timestamp"):
            with pytest.raises(IntentError) as server:
                signed_from_proto(message)
            assert server.value.violations[0].field == field, data


def test_the_http_document_describes_each_standards_signed_data() -> None:
    variants = {
        name: one for one in SCHEMAS["SignedData"]["oneOf"] for name in one["properties"]["standard"]["enum"]
    }
    assert variants.keys() == set(STANDARDS)
    for standard, variant in variants.items():
        data = StandardWallet(standard, "doc").sign_text("{}")
        assert data.keys() == set(variant["required"]) == variant["properties"].keys(), standard
        payload = variant["properties"]["payload"]
        if isinstance(data["payload"], dict):
            assert set(payload["required"]) == data["payload"].keys() <= payload["properties"].keys()
        else:
            assert payload["type"] == "string"
