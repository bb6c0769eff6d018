"""What the validator may be given besides chain views."""

from dataclasses import dataclass
from typing import Final, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a whole token (not its smallest unit) is worth: `units` x 10^`exponent` of whatever all prices are in.

    `at_ns` is when it held, Unix nanoseconds.
    """

    units: int
    exponent: int
    at_ns: int


class Prices(Protocol):
    """Prices at hand: asked for every intent, so an adapter fetches them by itself, beside the callers."""

    def of(self, token: str) -> Price | None:
        """The newest price known of a token, by its bare name (`ids.bare`); None if none is. May be any age."""
        ...


class NoPrices:
    """Satisfies `Prices` where none are given."""

    def of(self, token: str) -> Price | None:
        return None


NO_PRICES: Final = NoPrices()
