"""Prices out of a file that somebody else keeps current."""

import re
from collections.abc import Mapping
from typing import Any, Final

from services.common.domain import strictjson
from services.common.domain.plainjson import deadline_ns
from services.validator.ids import bare
from services.validator.ports import Price

MAX_FILE_BYTES: Final = 1 << 20
MAX_PRICES: Final = 10_000

_DECIMAL: Final = re.compile(r"(0|[1-9][0-9]{0,29})(?:\.([0-9]{1,30}))?", re.ASCII)
_KEYS: Final = {"price", "at"}


class FilePrices:
    """Satisfies `services.validator.ports.Prices`; `found` by bare name, put in the last one's place as a whole."""

    def __init__(self, found: Mapping[str, Price]) -> None:
        self.found = found

    def of(self, token: str) -> Price | None:
        return self.found.get(token)


def read_prices(data: bytes) -> dict[str, Price]:
    """`{"prices": {"USDC": {"price": "0.9998", "at": "2026-11-23T12:00:00Z"}}}`: worth of a whole token, and when.
    Raises ValueError saying where and why."""
    try:
        value = strictjson.loads(data, max_bytes=MAX_FILE_BYTES)
    except strictjson.StrictJsonError as error:
        raise ValueError(f"is not strict JSON: {error}") from None
    if not isinstance(value, dict) or value.keys() != {"prices"} or not isinstance(value["prices"], dict):
        raise ValueError('must be {"prices": {"<token>": {"price": "<decimal>", "at": "<RFC 3339>"}}}')
    entries: Mapping[str, Any] = value["prices"]
    if len(entries) > MAX_PRICES:
        raise ValueError(f"prices: at most {MAX_PRICES}, not {len(entries)}")
    found: dict[str, Price] = {}
    for token, entry in entries.items():
        where = f"prices[{token[:60]!a}]"
        if found.setdefault(bare(token), price := _price(entry, where)) is not price:
            raise ValueError(f"{where}: is there twice")
    return found


def _price(entry: object, where: str) -> Price:
    if not isinstance(entry, dict) or entry.keys() != _KEYS:
        raise ValueError(f"{where}: must be an object of price and at")
    text = entry["price"]
    match = _DECIMAL.fullmatch(text) if type(text) is str else None
    if match is None:
        raise ValueError(f"{where}.price: must be a string of plain decimal digits, at most 30 on each side")
    fraction = match[2] or ""
    units = int(match[1] + fraction)
    if not units:
        raise ValueError(f"{where}.price: must be more than 0")
    try:
        return Price(units=units, exponent=-len(fraction), at_ns=deadline_ns(entry["at"]))
    except ValueError as error:
        raise ValueError(f"{where}.at: {error}") from None
