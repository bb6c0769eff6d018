"""Transactions as bytes: read back by devnet's own decoder, which shares no code with the encoder."""

import hashlib
import json
from pathlib import Path

import pytest
from nacl.signing import SigningKey, VerifyKey

from services.common.chain.near.chain import NearChain
from services.common.chain.near.signer import KeyFileError, KeyFileSigner
from services.common.chain.port import AccessKey, FunctionCall
from services.common.encoding import b58encode, format_key
from services.devnet.node.transaction import decode
from tests.unit.chain.scripted import Scripted

SEED = bytes(range(32))
BLOCK = b58encode(hashlib.sha256(b"block").digest())
ANCHOR = AccessKey(nonce=6, block_hash=BLOCK, block_height=42)


def credentials(**changed: object) -> dict[str, object]:
    key = SigningKey(SEED)
    public = bytes(key.verify_key)
    return {
        "account_id": "relayer.near",
        "public_key": format_key(public),
        "private_key": format_key(SEED + public),
        **changed,
    }


def key_file(folder: Path, content: object) -> Path:
    path = folder / "key.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


async def prepared_chain() -> NearChain:
    chain = NearChain(Scripted({"status": {"chain_id": "localnet"}}), "verifier.near")
    await chain.network()
    return chain


async def test_a_prepared_transaction_is_what_a_node_reads(tmp_path: Path) -> None:
    signer = KeyFileSigner.load(key_file(tmp_path, credentials()))
    call = FunctionCall(
        receiver_id="verifier.near", method="verify_and_solve", args={"a": "ä", "n": 0.5}, deposit=7
    )
    made = (await prepared_chain()).prepare(
        call, signer, nonce=9, anchor=ANCHOR, purpose="solve", solver_id="s.near"
    )
    read = decode(made.signed_bytes)
    assert (read.signer_id, read.key_text, read.nonce) == ("relayer.near", signer.public_key, 9)
    assert (read.receiver_id, b58encode(read.block_hash)) == ("verifier.near", BLOCK)
    (action,) = read.actions
    assert action.view() == {
        "FunctionCall": {
            "method_name": "verify_and_solve",
            "args": "eyJhIjoiw6QiLCJuIjowLjV9",
            "gas": 100 * 10**12,
            "deposit": "7",
        }
    }
    assert made.hash == read.hash
    VerifyKey(bytes(SigningKey(SEED).verify_key)).verify(read.digest, read.signature)
    assert (made.purpose, made.solver_id, made.chain, made.block_height) == (
        "solve",
        "s.near",
        "localnet",
        42,
    )


async def test_the_same_call_signed_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    signer = KeyFileSigner.load(key_file(tmp_path, [credentials(account_id="other.near"), credentials()]), 1)
    chain = await prepared_chain()
    call = FunctionCall(
        receiver_id="verifier.near", method="verify_signed_intent", args={"intent": {"id": "a"}}
    )
    first, second = (chain.prepare(call, signer, nonce=7, anchor=ANCHOR, purpose="verify") for _ in range(2))
    assert first == second
    assert signer.account_id == "relayer.near"


async def test_the_secret_is_in_no_repr_and_no_error(tmp_path: Path) -> None:
    secret = str(credentials()["private_key"]).partition(":")[2]
    signer = KeyFileSigner.load(key_file(tmp_path, credentials()))
    assert secret not in repr(signer) and SEED.hex() not in repr(signer)
    with pytest.raises(KeyFileError) as refused:
        KeyFileSigner.load(
            key_file(tmp_path, credentials(public_key="ed25519:11111111111111111111111111111111"))
        )
    assert secret not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ([], "0 key"),
        ([3], "not a JSON object"),
        (credentials(account_id=""), "account_id"),
        (credentials(private_key=None), "private_key is missing"),
        (credentials(private_key="ed25519:abc"), "base58 of 64 bytes"),
        (credentials(private_key="secp256k1:abc"), "base58 of 64 bytes"),
        (credentials(public_key=format_key(bytes(32))), "does not belong"),
    ],
)
def test_a_bad_key_file_is_named_with_what_is_wrong(tmp_path: Path, content: object, said: str) -> None:
    with pytest.raises(KeyFileError, match=said) as refused:
        KeyFileSigner.load(key_file(tmp_path, content))
    assert "key.json" in str(refused.value)


def test_a_missing_key_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="No such file"):
        KeyFileSigner.load(tmp_path / "none.json")
