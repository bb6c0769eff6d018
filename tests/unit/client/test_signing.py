"""Keys, and what is signed with them: the same bytes the server checks."""

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import VerifyKey

from intents_client import Account, BodyError, KeyFileError, Keypair, SigningInfo, sign_plain
from intents_client.encoding import b58decode, b58encode
from intents_client.plain import PLAIN_FIELDS, slippage_bps, submission_from_body
from intents_client.signing import nep413_digest, sign_body
from intents_client.values import deadline_ns
from services.common import encoding
from services.common.convert.intents import submission_from_proto
from services.common.domain import plainjson, strictjson
from services.common.domain.intent import Nep413Payload
from services.common.domain.signing import intent_digest
from services.common.domain.signing import nep413_digest as servers_digest
from services.common.domain.submissionjson import submission_from_json

INFO = SigningInfo(network="localnet", verifying_contract="verifier.near")
FIELDS: dict[str, Any] = {
    "id": "a", "action": "swap", "input_token": "USDC", "input_amount": "1", "output_token": "NEAR",
    "min_output_amount": "0", "max_slippage": 0.25, "deadline": "2030-01-01T00:00:00Z",
}  # fmt: skip


@given(st.binary(max_size=80))
def test_base58_is_the_servers(data: bytes) -> None:
    assert b58encode(data) == encoding.b58encode(data)
    if len(b58encode(data)) <= 128:
        assert b58decode(b58encode(data)) == data


@given(
    st.text(max_size=40),
    st.binary(min_size=32, max_size=32),
    st.text(max_size=9),
    st.none() | st.text(max_size=9),
)
def test_the_digest_is_the_servers(message: str, nonce: bytes, recipient: str, callback: str | None) -> None:
    payload = Nep413Payload(message=message, nonce=nonce, recipient=recipient, callback_url=callback)
    assert nep413_digest(message, nonce, recipient, callback) == servers_digest(payload)


@given(st.integers(min_value=0, max_value=2**31))
def test_slippage_and_deadlines_read_as_the_server_reads_them(number: int) -> None:
    text = f"{number // 100}.{number % 100:02d}"
    assert slippage_bps(number / 100) == plainjson.slippage_bps(strictjson.loads(text, max_bytes=99))
    moment = plainjson.rfc3339(number * 10**9 + number % 10**9)
    assert deadline_ns(moment) == plainjson.deadline_ns(moment)


@pytest.mark.parametrize("standard", ["nep413", "raw_ed25519"])
def test_every_field_is_signed(standard: str) -> None:
    account = Account.generate()
    body = sign_body(FIELDS, INFO, account, standard=standard)
    signed = body["signed_data"]
    text = signed["payload"]["message"] if standard == "nep413" else signed["payload"]
    message = json.loads(text)
    assert {name: message["intents"][0][name] for name in PLAIN_FIELDS} == {
        **FIELDS,
        "user_account": account.account_id,
    }
    assert (message["network"], message["signer_id"], message["deadline"]) == (
        "localnet",
        account.account_id,
        FIELDS["deadline"],
    )
    submission = submission_from_proto(submission_from_body(body))
    assert submission == submission_from_json(strictjson.loads(json.dumps(body), max_bytes=9999))
    assert submission.signed_data is not None
    digest = intent_digest(submission.signed_data) if standard == "nep413" else text.encode()
    VerifyKey(account.keypair.public_bytes).verify(digest, b58decode(signed["signature"].split(":")[1]))


def test_each_signature_has_a_nonce_of_its_own() -> None:
    account = Account.generate()
    nonces = {sign_plain(FIELDS, INFO, account).signed_data.nep413.nonce for _ in range(5)}
    assert len(nonces) == 5
    assert {len(nonce) for nonce in nonces} == {32}
    assert sign_plain(FIELDS, INFO, account, request_id="r").request_id == "r"


def test_a_standard_of_another_wallet_is_not_signed() -> None:
    with pytest.raises(ValueError, match="erc191"):
        sign_body(FIELDS, INFO, Account.generate(), standard="erc191")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": "1"}, "amount"),
        ({"input_amount": 1}, "input_amount"),
        ({"max_slippage": "1"}, "max_slippage"),
        ({"max_slippage": 0.125}, "max_slippage"),
        ({"max_slippage": -1}, "max_slippage"),
        ({"max_slippage": True}, "max_slippage"),
        ({"deadline": "noon"}, "deadline"),
        ({"deadline": "2030-02-30T00:00:00Z"}, "deadline"),
        ({"deadline": -1}, "deadline"),
        ({"signed_data": "x"}, "signed_data"),
        ({"signed_data": {"standard": "nep413"}}, "signed_data.payload"),
        ({"signed_data": {"payload": {"nonce": "!"}}}, "signed_data.payload.nonce"),
    ],
)
def test_a_body_that_cannot_be_sent_names_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(BodyError) as caught:
        submission_from_body({**FIELDS, **change})
    assert caught.value.field == field


def test_a_key_file_is_the_owners_alone_and_never_overwritten(tmp_path: Path) -> None:
    account, path = Account.generate(), tmp_path / "key.json"
    account.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Account.from_file(path) == account
    kept = json.loads(path.read_text())
    assert kept.keys() == {"account_id", "public_key", "private_key"}
    assert kept["account_id"] == account.keypair.public_bytes.hex()
    with pytest.raises(FileExistsError):
        Account.generate().save(path)
    assert json.loads(path.read_text()) == kept


def test_a_key_file_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    Account.generate().save(path)
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        Account.from_file(path)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"account_id": "a.near"}', '{"account_id": "a.near", "private_key": "ed25519:abc"}'],
)
def test_a_file_that_is_no_key_is_said_to_be_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "key.json"
    path.touch(0o600)
    path.write_text(content)
    with pytest.raises(KeyFileError) as caught:
        Account.from_file(path)
    assert str(path) in str(caught.value)


def test_halves_of_different_keys_are_refused(tmp_path: Path) -> None:
    one, other = Keypair.generate(), Keypair.generate()
    mixed = "ed25519:" + b58encode(one.seed + other.public_bytes)
    with pytest.raises(ValueError, match="public half"):
        Keypair.from_private_key(mixed)
    path = tmp_path / "key.json"
    path.touch(0o600)
    content = {"account_id": "a.near", "public_key": other.public_key, "private_key": one.private_key}
    path.write_text(json.dumps(content))
    with pytest.raises(KeyFileError, match="public_key"):
        Account.from_file(path)


def test_secrets_show_in_no_repr() -> None:
    account = Account.generate()
    seed = account.keypair.seed
    for text in (repr(account), repr(account.keypair), str(account)):
        assert seed.hex() not in text
        assert b58encode(seed) not in text
        assert base64.b64encode(seed).decode() not in text
        assert repr(seed) not in text
