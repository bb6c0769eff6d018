"""Transactions as bytes: read back by devnet's own decoder, which shares no code with the encoder."""

import hashlib
import json
import os
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


def credentials(*, seed: bytes = SEED, **changed: object) -> dict[str, object]:
    key = SigningKey(seed)
    public = bytes(key.verify_key)
    return {
        "account_id": "relayer.near",
        "public_key": format_key(public),
        "private_key": format_key(seed + public),
        **changed,
    }


def key_file(folder: Path, content: object) -> Path:
    path = folder / "key.json"
    path.touch(mode=0o600)
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
        (credentials(private_key="secp256k1:abc"), "of another type than ed25519"),
        ("[" * 60_000, "not JSON"),
        ("\xff\x00", "not JSON"),
        (" " * 70_000, "larger than a key file is"),
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


def test_a_pool_is_read_from_files_and_variables_in_their_order(tmp_path: Path) -> None:
    texts = [json.dumps(credentials(seed=bytes([n]) * 32)) for n in (1, 2, 3)]
    first, second = tmp_path / "one.json", tmp_path / "two.json"
    for path, text in ((first, f"[{texts[0]}, {texts[1]}]"), (second, texts[2])):
        path.touch(mode=0o600)
        path.write_text(text)
    pool = KeyFileSigner.load_all([str(first), "env:KEY"], {"KEY": texts[2]})
    assert [one.public_key for one in pool] == [
        KeyFileSigner("relayer.near", bytes([n]) * 32).public_key for n in (1, 2, 3)
    ]
    assert KeyFileSigner.load_all([str(second)], {})[0].public_key == pool[2].public_key


@pytest.mark.parametrize(
    ("reference", "value", "said"),
    [
        ("env:KEY", None, "env:KEY: there is no such variable"),
        ("env:KEY", "  ", "env:KEY: there is no such variable"),
        ("env:KEY", "ed25519:hunter2", "env:KEY: not JSON"),
        ("env:KEY", "[" * 60_000, "env:KEY: not JSON"),
        ("env:KEY", '{"account_id": "a.near", "private_key": "ed25519:hunter2"}', "private_key is not"),
        ("env:KEY", " " * 70_000 + "{", "larger than a key file is"),
        ("none.json", None, "none.json: No such file"),
    ],
)
def test_a_reference_that_gives_no_key_is_named_and_its_secret_is_not(
    reference: str, value: str | None, said: str
) -> None:
    with pytest.raises(KeyFileError) as refused:
        KeyFileSigner.load_all([reference], {} if value is None else {"KEY": value})
    assert said in str(refused.value) and "hunter2" not in str(refused.value)


def test_a_key_that_is_in_the_pool_twice_is_refused(tmp_path: Path) -> None:
    text = json.dumps(credentials())
    with pytest.raises(KeyFileError, match="is there twice"):
        KeyFileSigner.load_all(["env:A", "env:B"], {"A": text, "B": text})


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601, 0o644, 0o666, 0o777])
def test_p09_a_key_file_open_to_everybody_signs_nothing(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path, credentials())
    path.chmod(mode)
    for load in (lambda: KeyFileSigner.load(path), lambda: KeyFileSigner.load_all([str(path)], {})):
        with pytest.raises(KeyFileError, match=f"open to every user .mode {mode:04o}.") as refused:
            load()
    assert str(refused.value).count("\n") == 0
    path.chmod(0o440)  # as Kubernetes mounts it for a pod's own group
    assert KeyFileSigner.load(path).account_id == "relayer.near"


def test_a_key_file_that_is_no_file_says_so_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", mode=0o600)
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(KeyFileError, match="is not a file"):
            KeyFileSigner.load(path)


def test_a_link_to_a_key_file_is_followed(tmp_path: Path) -> None:
    """Kubernetes mounts secrets as links."""
    link = tmp_path / "link.json"
    link.symlink_to(key_file(tmp_path, credentials()))
    assert KeyFileSigner.load(link).account_id == "relayer.near"


def test_a_key_file_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    loop = tmp_path / "loop.json"
    loop.symlink_to(loop)
    with pytest.raises(KeyFileError, match=r"loop\.json: Too many levels of symbolic links"):
        KeyFileSigner.load(loop)
