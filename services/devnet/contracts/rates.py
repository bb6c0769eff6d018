"""What the Solver pays: nominal prices of the tokens it knows, or rates set at genesis.

Prices are in nominal dollars and never move: NEAR 1, USDC and USDT 1, ETH 2500. So 100 USDC
(100_000_000 units) buy 100 NEAR less 30 basis points: 99_700_000_000_000_000_000_000_000 units.
"""

from collections.abc import Mapping
from typing import Final

DECIMALS: Final[dict[str, int]] = {
    "NEAR": 24, "wNEAR": 24, "wrap.near": 24,
    "USDC": 6, "USDT": 6, "usdc.near": 6, "usdc.testnet": 6,
    "ETH": 18,
}  # fmt: skip
PRICES: Final[dict[str, int]] = dict.fromkeys(DECIMALS, 1) | {"ETH": 2500}


def _name(token: str) -> str:
    return token.removeprefix("nep141:")


def gross(given: Mapping[str, str], source: str, target: str, amount: int) -> int:
    """Units of `target` for `amount` units of `source`, before the fee, rounded down.

    `given` maps `SOURCE->TARGET` to units of target per unit of source, a whole number or `a/b`. A pair
    neither given nor known goes one to one in smallest units.
    """
    source, target = _name(source), _name(target)
    rate = given.get(f"{source}->{target}")
    if rate is not None:
        above, _, below = rate.partition("/")
        return amount * int(above) // int(below or "1")
    if source == target or source not in DECIMALS or target not in DECIMALS:
        return amount
    worth: int = PRICES[source] * 10 ** DECIMALS[target]
    price: int = PRICES[target] * 10 ** DECIMALS[source]
    return amount * worth // price


def check(rates: Mapping[str, str]) -> None:
    """Raises ValueError naming a rate that cannot be read."""
    for pair, rate in rates.items():
        above, slash, below = rate.partition("/")
        sides = pair.split("->")
        if len(sides) != 2 or not all(sides):
            raise ValueError(f"rate {pair!r}: not SOURCE->TARGET")
        if not above.isdecimal() or (slash and (not below.isdecimal() or int(below) == 0)):
            raise ValueError(f"rate {pair!r}: neither a whole number nor a/b")
