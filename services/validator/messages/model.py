"""What a signed message holds, in the authority's names. Amounts are ints of a token's smallest unit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.common.errors import Reason

MAINNET_KINDS: Final = (
    "add_public_key",
    "remove_public_key",
    "transfer",
    "ft_withdraw",
    "nft_withdraw",
    "mt_withdraw",
    "native_withdraw",
    "storage_deposit",
    "token_diff",
    "set_auth_by_predecessor_id",
    "auth_call",
)
"""Kinds that every build of the contract has, in its order."""

ALL_KINDS: Final = (*MAINNET_KINDS, "imt_mint", "imt_burn")
"""With those of builds with the feature `imt`."""

TGAS: Final = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much of a message is read, and which kinds of intents the contract has. `max_gas` in gas."""

    max_bytes: int = 16_384
    max_intents: int = 64
    max_tokens: int = 128
    max_gas: int = 1_000 * TGAS
    kinds: frozenset[str] = frozenset(MAINNET_KINDS)
    fee_pips: int = 0


DEFAULT_BOUNDS: Final = Bounds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a message, or a part of it, cannot be read: the rule that says so, the field, and words for people."""

    rule: str
    field: str
    reason: Reason
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """Call of the receiver's mt_on_transfer after a transfer; `min_gas` in gas."""

    msg: str
    state_init: bool
    min_gas: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Within the contract, from the signer."""

    receiver_id: str
    tokens: Mapping[str, int]
    memo: str | None = None
    notification: Notification | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDiff:
    """What the signer gives (negative) and gets, by token id."""

    diff: Mapping[str, int]
    memo: str | None = None
    referral: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """What the three ways out to a token's contract share. `storage_deposit` in yoctoNEAR, `min_gas` in gas."""

    token: str
    receiver_id: str
    memo: str | None = None
    msg: str | None = None
    storage_deposit: int | None = None
    min_gas: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FtWithdraw(Withdraw):
    """NEP-141."""

    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NftWithdraw(Withdraw):
    """NEP-171."""

    token_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MtWithdraw(Withdraw):
    """NEP-245; the two lists go together place by place."""

    token_ids: tuple[str, ...]
    amounts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeWithdraw:
    """yoctoNEAR out of the signer's wNEAR."""

    receiver_id: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageDeposit:
    """yoctoNEAR of the signer's wNEAR, for an account at a token's contract."""

    contract_id: str
    deposit_for_account_id: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AddPublicKey:
    """`public_key` with its curve, in canonical base58."""

    public_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovePublicKey:
    """As AddPublicKey."""

    public_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAuthByPredecessorId:
    """Whether the account's own transactions count as its word."""

    enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthCall:
    """Call of on_auth. `attached_deposit` in yoctoNEAR of the signer's wNEAR."""

    contract_id: str
    msg: str
    state_init: bool = False
    attached_deposit: int = 0
    min_gas: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImtMint:
    """`tokens` by their own ids: the signer is their minter."""

    receiver_id: str
    tokens: Mapping[str, int]
    memo: str | None = None
    notification: Notification | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImtBurn:
    """`tokens` by their own ids."""

    minter_id: str
    tokens: Mapping[str, int]
    memo: str | None = None


Intent = (
    Transfer | TokenDiff | FtWithdraw | NftWithdraw | MtWithdraw | NativeWithdraw | StorageDeposit
    | AddPublicKey | RemovePublicKey | SetAuthByPredecessorId | AuthCall | ImtMint | ImtBurn
)  # fmt: skip


WNEAR: Final = ""
"""Stands for the token that the contract pays NEAR out of: which one it is only its state says."""


@dataclass(frozen=True, slots=True)
class Move:
    """What an intent moves: `delta` of `token` at `account`, named in `field`.

    `matched` is what the contract matches against other accounts of the same call, the rest comes and goes.
    """

    field: str
    account: str
    token: str
    delta: int
    matched: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """A DefusePayload. `deadline_ns` in Unix nanoseconds, `deadline` as it stands; `kinds` go with `intents`, and
    `moves` is what all of them move, in order."""

    signer_id: str
    verifying_contract: str
    deadline: str
    deadline_ns: int
    nonce: bytes
    intents: tuple[Intent, ...]
    kinds: tuple[str, ...]
    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A message of so many `bytes`, as far as it could be read: `payload` if nothing was at fault."""

    payload: Payload | None = None
    faults: tuple[Fault, ...] = ()
    bytes: int = 0
