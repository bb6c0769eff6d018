"""Views of the Verifier contract, as asked through the cache, and their answers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HasPublicKey:
    """Is `public_key` registered for `account_id`? Answered by a bool."""

    account_id: str
    public_key: str


@dataclass(frozen=True, slots=True)
class IsNonceUsed:
    """Was the 32-byte `nonce` used by `account_id`? Answered by a bool."""

    account_id: str
    nonce: bytes


@dataclass(frozen=True, slots=True)
class CurrentSalt:
    """The salt versioned nonces must carry. Answered by 4 bytes."""


@dataclass(frozen=True, slots=True)
class IsValidSalt:
    """Is the 4-byte `salt` valid still? Answered by a bool."""

    salt: bytes


ChainView = HasPublicKey | IsNonceUsed | CurrentSalt | IsValidSalt


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewAnswer:
    """`value` as the view says; `block_height` is where it holds."""

    value: bool | bytes
    block_height: int
