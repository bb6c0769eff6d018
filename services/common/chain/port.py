"""The chain as the suite sees it. NEAR first (`near/`); nothing above this knows JSON-RPC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from services.common.domain.intent import SignedTransaction
from services.common.domain.places import Place
from services.common.domain.views import ChainView, ViewAnswer
from services.common.errors import IntentError


class BroadcastResult(StrEnum):
    """What a node said to signed bytes. Only evidence at a final block ends anything (P4)."""

    ACCEPTED = "accepted"  # taken, or known already
    UNKNOWN = "unknown"  # time-out, lost connection, node trouble: the same bytes go out again
    NONCE_TAKEN = "nonce_taken"  # the access key's nonce is past this one: look it up by hash
    EXPIRED = "expired"  # its block hash aged out: look it up by hash
    REFUSED = "refused"  # cannot be included now (key missing, never valid): nothing of it is on chain yet
    LOW_BALANCE = "low_balance"  # the signer cannot pay for it now: nothing of it is on chain yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast:
    """`detail` is the node's own words, for logs and evidence."""

    result: BroadcastResult
    detail: str = ""


class TxState(StrEnum):
    """Where a transaction is, by the node's answer to its hash."""

    UNKNOWN = "unknown"  # the node does not know it (which proves nothing by itself)
    PENDING = "pending"  # known, not every receipt final
    SUCCEEDED = "succeeded"  # every receipt outcome final, the return value a success
    FAILED = "failed"  # every receipt outcome final, and it failed


class Failure(StrEnum):
    """Of what a failed transaction's last receipt speaks. Only the contract's own word is about the intent."""

    CONTRACT = "contract"  # the contract ran and refused
    OUT_OF_GAS = "out_of_gas"
    LOW_BALANCE = "low_balance"  # an account that pays cannot
    NO_CONTRACT = "no_contract"  # not there, cannot be run, or has no such method
    OTHER = "other"  # anything else, and what no table holds


@dataclass(frozen=True, slots=True, kw_only=True)
class TxOutcome:
    """What became of a transaction. `gas_used` and `total_cost` (yoctoNEAR) are sums over all receipts.

    `value` is the decoded return value (JSON) of a success; `failure` the chain's own words of a failure and
    `failure_kind` of what they speak; `logs` are all log lines of all receipts in order. `block_height` is the highest
    block seen; for UNKNOWN the final block up to which the node that does not know it has everything, 0 where it did
    not say.
    """

    state: TxState
    gas_used: int = 0
    total_cost: int = 0
    value: Any = None
    failure: str = ""
    failure_kind: Failure | None = None
    logs: tuple[str, ...] = ()
    block_height: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainIntent:
    """The contract's view of an intent at a final block: `status` None if it does not know it.

    `kept` is the intent JSON as the contract keeps it (amounts as strings, numbers as `domain.strictjson`
    reads them), None if unknown.
    """

    status: str | None
    kept: Mapping[str, Any] | None
    block_height: int
    block_timestamp_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """`hash` as the chain writes it."""

    hash: str
    height: int
    timestamp_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What an account holds at a final block, in the smallest unit of the chain's own token; `spendable` is what is
    left beside what it must keep."""

    total: int
    spendable: int
    block_height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """The signer's key at a final block. `sure` False: enough to sign with, and no proof that a nonce is used, because
    somebody who was to be asked did not answer."""

    nonce: int
    block_hash: str
    block_height: int
    sure: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCall:
    """A call to sign. `gas` in gas units, `deposit` in yoctoNEAR."""

    receiver_id: str
    method: str
    args: Mapping[str, Any]
    gas: int = 100 * 10**12
    deposit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A final block in which the Verifier's state of an intent changed, and by which event. `intent_id` None: its
    state changed and the node cannot say of what: it may be any intent."""

    intent_id: str | None
    event: str
    block_height: int
    receipt_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """`changes` in the order of the blocks, up to `upto`, None where no further block can be told of yet. `final` is
    the final block. `missing`: the node does not have all blocks asked for; what happened in them is not known."""

    upto: Place | None
    final: Block
    changes: tuple[Change, ...] = ()
    missing: bool = False


class Signer(Protocol):
    """Signs with one access key; the secret never leaves it."""

    @property
    def account_id(self) -> str: ...

    @property
    def public_key(self) -> str: ...

    def sign(self, data: bytes) -> bytes:
        """64-byte ed25519 signature over `data`."""
        ...


class Chain(Protocol):
    """Calls raise IntentError DEPENDENCY_UNAVAILABLE or DEADLINE_EXCEEDED when no node answers.

    An error whose metadata has `again` = "no" is the chain's own answer, not a node's trouble: another node would
    say the same.
    """

    async def network(self) -> str:
        """chain_id, such as "localnet"."""
        ...

    async def block(self, at: int | str | None = None) -> Block | None:
        """The final block, or the one of a height or hash; None where the node does not have that one."""
        ...

    async def views(self, asked: Sequence[ChainView]) -> Sequence[ViewAnswer | IntentError]:
        """Verifier views at one final block for all, in the order asked."""
        ...

    async def intents(self, intent_ids: Sequence[str]) -> Sequence[ChainIntent | IntentError]:
        """get_intent_status and get_intent of the Verifier at one final block for all, in the order asked."""
        ...

    async def changes(self, after: int, limit: int, *, but_of: frozenset[str] = frozenset()) -> Followed:
        """Changes of the Verifier's state in final blocks alone, in order: of those above the block at height `after`,
        `limit` heights at most, which is to be more than the chain ever skips in a row. What transactions signed by
        the accounts `but_of` changed may be left out."""
        ...

    async def access_key(self, account_id: str, public_key: str) -> AccessKey:
        """The key at the final block. Raises IntentError PERMISSION_DENIED if the account has no such
        key; metadata `block_height` tells of which block that is said, if the node told."""
        ...

    async def balance(self, account_id: str) -> Balance:
        """What the account holds at the final block. Raises IntentError PERMISSION_DENIED if there is none."""
        ...

    async def gas_price(self) -> int:
        """Price of a unit of gas now, in the smallest unit of the chain's own token."""
        ...

    def prepare(
        self,
        call: FunctionCall,
        signer: Signer,
        *,
        nonce: int,
        anchor: AccessKey,
        purpose: str,
        solver_id: str = "",
    ) -> SignedTransaction:
        """Signed bytes and hash, computed here; nothing is sent. `anchor` gives the block hash."""
        ...

    async def broadcast(self, signed_bytes: bytes) -> Broadcast:
        """Sends the bytes; never raises for what a node answers."""
        ...

    async def outcome(self, tx_hash: str, sender_id: str, *, wait_final: bool = False) -> TxOutcome:
        """Looks every receipt up. `wait_final` lets the node hold the answer until final, or its time-out
        (then PENDING or UNKNOWN)."""
        ...
