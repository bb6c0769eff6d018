"""NEAR's SignedTransaction: borsh bytes -> frozen values, and the JSON views NEAR shows of them."""

import base64
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from services.devnet.node.borsh import BorshError, Reader
from services.devnet.node.keys import ED25519, b58encode, sha256

MAX_ACTIONS: Final = 100
_NAMES: Final = (
    "CreateAccount", "DeployContract", "FunctionCall", "Transfer", "Stake", "AddKey", "DeleteKey",
    "DeleteAccount", "Delegate", "DeployGlobalContract", "UseGlobalContract", "DeterministicStateInit",
)  # fmt: skip


class Unsupported(Exception):
    """A kind of transaction or action NEAR knows and this node does not run; `feature` names it."""

    def __init__(self, feature: str) -> None:
        super().__init__(feature)
        self.feature = feature


class UnsupportedVersion(Exception):
    """A transaction version other than 0."""


@dataclass(frozen=True, slots=True)
class FunctionCall:
    method_name: str
    args: bytes
    gas: int
    deposit: int

    def view(self) -> object:
        args = base64.b64encode(self.args).decode()
        body = {"method_name": self.method_name, "args": args, "gas": self.gas, "deposit": str(self.deposit)}
        return {"FunctionCall": body}


@dataclass(frozen=True, slots=True)
class Transfer:
    deposit: int

    def view(self) -> object:
        return {"Transfer": {"deposit": str(self.deposit)}}


@dataclass(frozen=True, slots=True)
class CreateAccount:
    def view(self) -> object:
        return "CreateAccount"


@dataclass(frozen=True, slots=True)
class CallPermission:
    """What a function-call access key may do; `allowance` in yoctoNEAR, None is without limit."""

    allowance: int | None
    receiver_id: str
    method_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AddKey:
    public_key: str
    permission: CallPermission | None  # None: full access

    def view(self) -> object:
        access_key = {"nonce": 0, "permission": permission_view(self.permission)}
        return {"AddKey": {"public_key": self.public_key, "access_key": access_key}}


@dataclass(frozen=True, slots=True)
class DeleteKey:
    public_key: str

    def view(self) -> object:
        return {"DeleteKey": {"public_key": self.public_key}}


Action = FunctionCall | Transfer | CreateAccount | AddKey | DeleteKey


def permission_view(permission: CallPermission | None) -> object:
    """NEAR's JSON of an access key's permission."""
    if permission is None:
        return "FullAccess"
    allowance = None if permission.allowance is None else str(permission.allowance)
    body = {
        "allowance": allowance,
        "receiver_id": permission.receiver_id,
        "method_names": list(permission.method_names),
    }
    return {"FunctionCall": body}


@lru_cache(4_096)
def _key_text(public_key: bytes) -> str:
    return ED25519 + b58encode(public_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedTransaction:
    """`digest` is sha256 of the borsh transaction, what is signed; `hash` its base58, the transaction's id."""

    signer_id: str
    public_key: bytes
    nonce: int
    receiver_id: str
    block_hash: bytes
    actions: tuple[Action, ...]
    signature: bytes
    digest: bytes
    hash: str

    @property
    def key_text(self) -> str:
        return _key_text(self.public_key)

    def view(self) -> dict[str, Any]:
        """NEAR's SignedTransactionView."""
        return {
            "signer_id": self.signer_id,
            "public_key": self.key_text,
            "nonce": self.nonce,
            "receiver_id": self.receiver_id,
            "actions": [action.view() for action in self.actions],
            "priority_fee": 0,
            "signature": ED25519 + b58encode(self.signature),
            "hash": self.hash,
        }


def _ed25519(reader: Reader, size: int, what: str) -> bytes:
    if reader.u8() != 0:
        raise Unsupported(f"{what} other than ed25519")
    return reader.take(size)


def _key(reader: Reader) -> str:
    return ED25519 + b58encode(_ed25519(reader, 32, "public keys"))


def _permission(reader: Reader) -> CallPermission | None:
    match reader.u8():
        case 0:
            allowance = reader.u128() if reader.option() else None
            receiver, count = reader.string(), reader.u32()
            if count > 10_000:
                raise BorshError("too many method names")
            return CallPermission(allowance, receiver, tuple(reader.string() for _ in range(count)))
        case 1:
            return None
        case tag:
            raise BorshError(f"unknown access key permission {tag}")


def _action(reader: Reader) -> Action:
    tag = reader.u8()
    match tag:
        case 0:
            return CreateAccount()
        case 2:
            return FunctionCall(reader.string(), reader.blob(), reader.u64(), reader.u128())
        case 3:
            return Transfer(reader.u128())
        case 5:
            public_key = _key(reader)
            reader.u64()  # the key's own nonce: nearcore replaces it by the height's, so does this node
            return AddKey(public_key, _permission(reader))
        case 6:
            return DeleteKey(_key(reader))
    if tag < len(_NAMES):
        raise Unsupported(_NAMES[tag])
    raise BorshError(f"unknown action {tag}")


def decode(data: bytes) -> SignedTransaction:
    """Borsh bytes of a SignedTransaction. Raises BorshError, Unsupported or UnsupportedVersion."""
    head = data[:2]
    # An account id is shorter than 256, so a second byte of 0 means version 0, which carries no tag.
    if len(head) == 2 and head[1] != 0:
        if head[0] == 1:
            raise UnsupportedVersion
        raise BorshError("neither a version 0 nor a version 1 transaction")
    reader = Reader(data)
    signer_id = reader.string()
    public_key = _ed25519(reader, 32, "public keys")
    nonce = reader.u64()
    receiver_id = reader.string()
    block_hash = reader.take(32)
    count = reader.u32()
    if count > MAX_ACTIONS:
        raise BorshError(f"more than {MAX_ACTIONS} actions")
    actions = tuple(_action(reader) for _ in range(count))
    signature = _ed25519(reader, 64, "signatures")
    reader.end()
    digest = sha256(data[:-65])
    return SignedTransaction(
        signer_id=signer_id, public_key=public_key, nonce=nonce, receiver_id=receiver_id,
        block_hash=block_hash, actions=actions, signature=signature, digest=digest, hash=b58encode(digest),
    )  # fmt: skip
