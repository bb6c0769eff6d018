"""What others published is hashed, read and named here as there: digests, intent hashes, account ids."""

import json
from typing import Any

from services.common.domain import strictjson
from services.common.domain.intent import Nep413Payload, SignedData
from services.common.domain.signedjson import signed_from_json
from services.common.domain.signing import intent_digest, keccak256, nep413_digest
from services.common.encoding import b58encode, b64decode
from services.validator.ids import is_account
from tests.unit.validator.vectors import load


def read(data: dict[str, Any]) -> SignedData:
    return signed_from_json(strictjson.loads(json.dumps(data), max_bytes=1 << 20))


def test_published_messages_have_the_published_digest() -> None:
    stated = 0
    for file in ("near_intents", "sep53", "erc191"):
        for vector in load(file)["messages"]:
            digest = intent_digest(read(vector["data"]))
            assert vector.get("digest", digest.hex()) == digest.hex(), vector["name"]
            assert vector.get("hash", b58encode(digest)) == b58encode(digest), vector["name"]
            stated += "digest" in vector or "hash" in vector
    assert stated == 4


def test_the_digests_of_eip191_and_nep413_are_the_documents() -> None:
    for text, digest in load("erc191")["digests"]:
        signed = SignedData(standard="erc191", payload=text, public_key="", signature="")
        assert intent_digest(signed).hex() == digest
        tron = SignedData(standard="tip191", payload=text, public_key="", signature="")
        assert intent_digest(tron) == keccak256(f"\x19TRON Signed Message:\n{len(text)}{text}".encode())
    document = load("nep413")
    payload = document["payload"]
    envelope = Nep413Payload(
        message=payload["message"],
        nonce=b64decode(payload["nonce"]),
        recipient=payload["recipient"],
        callback_url=payload["callbackUrl"],
    )
    assert nep413_digest(envelope).hex() == document["digest"]


def test_account_ids_are_those_of_near_account_id() -> None:
    lists = load("account_ids")
    assert [name for name in lists["valid"] if not is_account(name)] == []
    assert [name for name in lists["invalid"] if is_account(name)] == []
    assert len(lists["valid"]) == len(lists["invalid"]) == 24
