"""Views of the Verifier and of token contracts, as asked through the cache, and their answers."""

from dataclasses import dataclass

from services.common.domain.intent import PlainIntent, SignedData


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


@dataclass(frozen=True, slots=True)
class BalanceOf:
    """What the Verifier holds of `token` for `account_id`. Answered by an int, in the token's smallest unit."""

    account_id: str
    token: str


@dataclass(frozen=True, slots=True)
class IsRegistered:
    """May `account_id` be sent tokens of the fungible token `contract_id` (NEP-145)? Answered by a bool; False also
    where no such contract is."""

    contract_id: str
    account_id: str


@dataclass(frozen=True, slots=True)
class Simulation:
    """What would the Verifier do with this message now? Answered by a str: "" if it would carry it out, else its
    words."""

    signed: SignedData


@dataclass(frozen=True, slots=True)
class IsKept:
    """Does the Verifier keep this very intent, whatever has become of it? A deadline left out agrees with any. Answered
    by a bool."""

    intent: PlainIntent


ChainView = (
    HasPublicKey | IsNonceUsed | CurrentSalt | IsValidSalt | BalanceOf | IsRegistered | Simulation | IsKept
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewAnswer:
    """`value` as the view says; `block_height` is where it holds, 0 where the node did not say. `final`: that block can
    no longer be undone."""

    value: bool | bytes | int | str
    block_height: int
    final: bool = True
