"""Borsh of transactions, against bytes written by hand."""

import base64
import hashlib

import pytest

from services.devnet.node.borsh import BorshError
from services.devnet.node.keys import b58decode, b58encode, verify
from services.devnet.node.transaction import Transfer, Unsupported, UnsupportedVersion, decode
from tests.harness.near import Sender, borsh_bytes, call_action, public, transfer_action, u32, u64, u128

HASH = b58encode(bytes(range(32)))
# The transfer of near-api-js's published serialisation test: 1 yoctoNEAR from test.near to whatever.near,
# and the signature that test expects.
KNOWN = bytes.fromhex(
    "09000000746573742e6e65617200917b3d268d4b58f7fec1b150bd68d69be3ee5d4cc39855e341538465bb77860d"
    "01000000000000000d00000077686174657665722e6e6561720fa473fd26901df296be6adc4cc4df34d040efa243"
    "5224b6986910e630c2fef6010000000301000000000000000000000000000000"
)
KNOWN_SIGNATURE = base64.b64decode(
    "lpqDMyGG7pdV5IOTJVJYBuGJo9LSu0tHYOlEQ+l+HE8i3u7wBZqOlxMQDtpuGRRNp+ig735TmyBwi6HY0CG9AQ=="
)


def test_the_published_vector_reads_and_its_signature_holds() -> None:
    tx = decode(KNOWN + b"\0" + KNOWN_SIGNATURE)
    assert verify(tx.public_key, tx.signature, tx.digest)
    assert (tx.signer_id, tx.receiver_id, tx.nonce) == ("test.near", "whatever.near", 1)
    assert tx.key_text == "ed25519:Anu7LYDfpLtkP7E16LT9imXF694BdQaa9ufVkQiwTQxC"
    assert tx.block_hash == b58decode("244ZQ9cgj3CQ6bWBdytfrJMuMQ1jdXLFGnr4HhvtCTnM")
    assert tx.actions == (Transfer(1),)
    assert tx.digest == hashlib.sha256(KNOWN).digest()


def test_every_action_run_here_reads() -> None:
    sender = Sender.of("alice.near")
    key = public(sender.pair.public_key)
    permission = b"\0" + b"\1" + u128(5) + borsh_bytes("verifier.near") + u32(1) + borsh_bytes("pause")
    actions = [
        b"\0",
        call_action("pause", {}, gas=7, deposit=9),
        transfer_action(3),
        b"\x05" + key + u64(0) + permission,
        b"\x05" + key + u64(0) + b"\1",
        b"\x06" + key,
    ]
    tx = decode(sender.sign("verifier.near", actions, HASH))
    views = tx.view()["actions"]
    assert views[0] == "CreateAccount"
    assert views[1]["FunctionCall"] == {"method_name": "pause", "args": "e30=", "gas": 7, "deposit": "9"}
    assert views[3]["AddKey"]["access_key"]["permission"]["FunctionCall"] == {
        "allowance": "5",
        "receiver_id": "verifier.near",
        "method_names": ["pause"],
    }
    assert views[4]["AddKey"]["access_key"]["permission"] == "FullAccess"
    assert list(views[5]) == ["DeleteKey"]


@pytest.mark.parametrize(
    ("tag", "feature"), [(1, "DeployContract"), (4, "Stake"), (7, "DeleteAccount"), (8, "Delegate")]
)
def test_an_action_not_run_here_is_named(tag: int, feature: str) -> None:
    signed = Sender.of("alice.near").sign("bob.near", [bytes([tag])], HASH)
    with pytest.raises(Unsupported, match=feature):
        decode(signed)


def test_version_1_is_refused() -> None:
    with pytest.raises(UnsupportedVersion):
        decode(b"\1" + KNOWN)


@pytest.mark.parametrize("cut", [0, 1, 3, 20, 60, 100, 150, 169])
def test_cut_bytes_are_a_borsh_error(cut: int) -> None:
    signed = Sender.of("alice.near").sign("bob.near", [transfer_action(1)], HASH)
    with pytest.raises(BorshError):
        decode(signed[:cut])


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff" * 40,
        b"\x05\0\0\0\xff\xfe\xfd\xfc\xfb" + bytes(100),
        KNOWN + b"\0" + bytes(64) + b"x",
        KNOWN[:-17] + b"\x63" + bytes(16) + b"\0" + bytes(64),
    ],
    ids=["lengths", "not utf-8", "left over", "unknown action"],
)
def test_wrong_bytes_are_a_borsh_error(data: bytes) -> None:
    with pytest.raises(BorshError):
        decode(data)


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\0\1", bytes(32), bytes(range(64)), b"\xff" * 64])
def test_base58_goes_there_and_back(data: bytes) -> None:
    assert b58decode(b58encode(data)) == data
