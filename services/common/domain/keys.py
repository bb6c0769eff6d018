"""Access keys of a pool: who holds one, and which of its nonces are whose."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

MAX_POOL: Final = 256
"""Keys in one pool."""
MAX_NONCES: Final = 10_000
"""Nonces reserved in one call for one key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolKey:
    """One access key on one chain; never its secret. `public_key`: "ed25519:<base58>"."""

    chain_id: str
    account_id: str
    public_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyState:
    """How a key stands. `holder` "" and `expires_at` None where nobody holds it; `fence` grows with every holder;
    `nonce` is the highest that was ever reserved."""

    key: PoolKey
    fence: int = 0
    holder: str = ""
    expires_at: datetime | None = None
    nonce: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAnswer:
    """`lease` None where every key is held; `states` of all keys asked for, in their order, as they stood before."""

    lease: KeyState | None
    states: tuple[KeyState, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRef:
    """A key under the fence its holder was given."""

    key: PoolKey
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NonceRequest:
    """`count` nonces above `above`, the last nonce the chain has seen."""

    key: PoolKey
    fence: int
    count: int
    above: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Nonces:
    """`first` to `last`, both included: nobody else was or will be given one of them."""

    first: int
    last: int
