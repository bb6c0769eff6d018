"""Which tokens and accounts are let in: the registry, and its file."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from services.common.domain import strictjson
from services.common.domain.outcomes import TokenInfo
from services.validator.ids import MAX_OWN_ID, bare, is_account, standard_of

MAX_FILE_BYTES: Final = 1 << 20
MAX_TOKENS: Final = 10_000
MAX_LISTED: Final = 10_000
"""Names on one list."""
MAX_PAIRS: Final = 1_000
"""Tokens that one token may be swapped for, where it says which."""
MAX_DECIMALS: Final = 38
MAX_AMOUNT: Final = 2**128 - 1
"""Largest u128, in a token's smallest unit."""

DEFAULT_TOKENS: Final = (
    TokenInfo(id="NEAR", symbol="NEAR", decimals=24),
    TokenInfo(id="wNEAR", symbol="wNEAR", decimals=24),
    TokenInfo(id="USDC", symbol="USDC", decimals=6),
    TokenInfo(id="USDT", symbol="USDT", decimals=6),
    TokenInfo(id="ETH", symbol="ETH", decimals=18),
    TokenInfo(id="wrap.near", symbol="wNEAR", decimals=24),
    TokenInfo(id="usdc.near", symbol="USDC", decimals=6),
    TokenInfo(id="usdc.testnet", symbol="USDC", decimals=6),
)
"""The workshop's symbols and accounts."""

_ID: Final = re.compile(rf"[!-~]{{1,{len('nep171:') + 64 + 1 + MAX_OWN_ID}}}", re.ASCII)
_SYMBOL: Final = re.compile(r"[!-~]{1,32}", re.ASCII)
_AMOUNT: Final = re.compile(r"[1-9][0-9]{0,38}", re.ASCII)
_TOKEN_KEYS: Final = frozenset(("id", "symbol", "decimals", "min_amount", "max_amount", "pairs", "paused"))
_LISTS: Final = ("allowed_tokens", "denied_tokens", "allowed_accounts", "denied_accounts")
_KEYS: Final = frozenset(("tokens", *_LISTS))


class RegistryError(ValueError):
    """The registry cannot be used; the message names the place and says why, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """What is in force. Lists hold bare names (`ids.bare`); an empty list of what is allowed allows everything.

    `unknown` are the standards of which any well-formed token id is taken though no entry names it; `digest` is that
    of the file (12 hex digits), "" without one; `by_name` finds an entry by its bare name, `swaps` what it may be
    swapped for where that is bounded. Raises RegistryError for two entries of one name.
    """

    tokens: tuple[TokenInfo, ...] = DEFAULT_TOKENS
    unknown: frozenset[str] = frozenset(("nep141",))
    allowed_tokens: frozenset[str] = frozenset()
    denied_tokens: frozenset[str] = frozenset()
    allowed_accounts: frozenset[str] = frozenset()
    denied_accounts: frozenset[str] = frozenset()
    digest: str = ""
    by_name: Mapping[str, TokenInfo] = field(init=False)
    swaps: Mapping[str, frozenset[str]] = field(init=False)

    def __post_init__(self) -> None:
        found: dict[str, TokenInfo] = {}
        for token in self.tokens:
            if found.setdefault(bare(token.id), token) is not token:
                raise RegistryError(f"{token.id} is there twice")
        swaps = {name: frozenset(map(bare, token.pairs)) for name, token in found.items() if token.pairs}
        object.__setattr__(self, "by_name", found)
        object.__setattr__(self, "swaps", swaps)

    def find(self, token: str) -> TokenInfo | None:
        """The entry of a token, by either of its names."""
        entry = self.by_name.get(token)
        return entry if entry is not None or ":" not in token else self.by_name.get(bare(token))

    def knows(self, token: str) -> bool:
        """Whether it has an entry, or is well formed of a standard that needs none."""
        return self.find(token) is not None or standard_of(token) in self.unknown

    def lets_token(self, token: str) -> bool:
        """Whether the lists of tokens let it through."""
        if not self.denied_tokens and not self.allowed_tokens:
            return True
        name = bare(token)
        return name not in self.denied_tokens and (not self.allowed_tokens or name in self.allowed_tokens)

    def lets_account(self, account: str) -> bool:
        """Whether the lists of accounts let it through."""
        return account not in self.denied_accounts and (
            not self.allowed_accounts or account in self.allowed_accounts
        )

    def lets_pair(self, given: str, wanted: str) -> bool:
        """Whether the one may be swapped for the other, as far as the entry of the one given says."""
        if not self.swaps:
            return True
        allowed = self.swaps.get(bare(given))
        return allowed is None or bare(wanted) in allowed

    @property
    def usable(self) -> tuple[TokenInfo, ...]:
        """The entries that the lists let through."""
        return tuple(token for token in self.tokens if self.lets_token(token.id))


WORKSHOP: Final = Registry()
"""What is in force without any setting."""


def read_registry(data: bytes) -> Registry:
    """The registry in a file's bytes: JSON as docs/operations.md shows it. Raises RegistryError."""
    try:
        value = strictjson.loads(data, max_bytes=MAX_FILE_BYTES)
    except strictjson.StrictJsonError as error:
        raise RegistryError(f"is not strict JSON: {error}") from None
    if not isinstance(value, dict):
        raise RegistryError('must be an object: {"tokens": [...]}')
    _only(value, _KEYS, "")
    entries = value.get("tokens")
    if not isinstance(entries, list) or not entries:
        raise RegistryError("tokens: must be a list of at least one token")
    if len(entries) > MAX_TOKENS:
        raise RegistryError(f"tokens: at most {MAX_TOKENS}, not {len(entries)}")
    return Registry(
        tokens=tuple(_token(entry, f"tokens[{index}]") for index, entry in enumerate(entries)),
        digest=hashlib.sha256(data).hexdigest()[:12],
        **{name: _listed(value.get(name), name) for name in _LISTS},
    )


def token_names(found: Sequence[str], where: str) -> frozenset[str]:
    """A list of tokens as the registry keeps it: bare. Raises RegistryError."""
    for name in found:
        if _ID.fullmatch(name) is None:
            raise RegistryError(f"{where}: {_shown(name)} is not a token")
    return frozenset(map(bare, found))


def account_names(found: Sequence[str], where: str) -> frozenset[str]:
    """A list of accounts as the registry keeps it. Raises RegistryError."""
    for name in found:
        if not is_account(name):
            raise RegistryError(f"{where}: {_shown(name)} is not a NEAR account id")
    return frozenset(found)


def _listed(value: object, name: str) -> frozenset[str]:
    if value is None:
        return frozenset()
    found = _texts(value, name, MAX_LISTED)
    if not found and name.startswith("allowed_"):
        raise RegistryError(f"{name}: an empty list would let nothing in; leave it out to let everything in")
    return token_names(found, name) if name.endswith("_tokens") else account_names(found, name)


def _token(value: object, where: str) -> TokenInfo:
    if not isinstance(value, dict):
        raise RegistryError(f"{where}: must be an object")
    _only(value, _TOKEN_KEYS, f"{where}.")
    decimals = value.get("decimals")
    if type(decimals) is not int or not 0 <= decimals <= MAX_DECIMALS:
        raise RegistryError(f"{where}.decimals: must be a whole number, 0 to {MAX_DECIMALS}")
    paused = value.get("paused", False)
    if type(paused) is not bool:
        raise RegistryError(f"{where}.paused: must be true or false")
    least = _amount(value.get("min_amount"), f"{where}.min_amount")
    most = _amount(value.get("max_amount"), f"{where}.max_amount")
    if least is not None and most is not None and least > most:
        raise RegistryError(f"{where}.max_amount: is less than min_amount")
    return TokenInfo(
        id=_text(value.get("id"), _ID, f"{where}.id"),
        symbol=_text(value.get("symbol"), _SYMBOL, f"{where}.symbol"),
        decimals=decimals,
        min_amount=least,
        max_amount=most,
        pairs=_pairs(value.get("pairs"), f"{where}.pairs"),
        paused=paused,
    )


def _pairs(value: object, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    found = _texts(value, where, MAX_PAIRS)
    if not found:
        raise RegistryError(
            f"{where}: an empty list would allow no swap; pause the token, or leave pairs out"
        )
    return tuple(sorted(token_names(found, where)))


def _amount(value: object, where: str) -> int | None:
    if value is None:
        return None
    amount = int(value) if isinstance(value, str) and _AMOUNT.fullmatch(value) else 0
    if not 0 < amount <= MAX_AMOUNT:
        raise RegistryError(
            f"{where}: must be a string of decimal digits, 1 to 2^128-1, in the smallest unit"
        )
    return amount


def _text(value: object, form: re.Pattern[str], where: str) -> str:
    if type(value) is not str or form.fullmatch(value) is None:
        raise RegistryError(f"{where}: must be a string of visible ASCII characters, not {_shown(value)}")
    return value


def _texts(value: object, where: str, most: int) -> list[str]:
    if not isinstance(value, list) or not all(type(item) is str for item in value):
        raise RegistryError(f"{where}: must be a list of strings")
    if len(value) > most:
        raise RegistryError(f"{where}: at most {most}, not {len(value)}")
    return value


def _only(value: Mapping[str, Any], allowed: frozenset[str], where: str) -> None:
    for key in value:
        if key not in allowed:
            raise RegistryError(
                f"{where}{_shown(key)[1:-1]}: no such key; there are {', '.join(sorted(allowed))}"
            )


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:56]}...{text[0]}"
