"""JSON that has one reading only: no duplicate keys, NaN, BOM, lone surrogates or text outside ASCII."""

import json
import re
from typing import Final

DEEPEST: Final = 127
"""What serde_json reads before it gives up, which NEAR's contracts are built on."""
_MARKS: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]', re.DOTALL)
"""Strings, passed over whole, and brackets."""


class Number(str):
    """A number as it was spelled."""

    __slots__ = ()


class JsonRefused(ValueError):
    """The text is not such JSON; the message says what is wrong."""


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise JsonRefused("duplicate key")
    return found


def _refuse_depth(text: str) -> None:
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    depth = 0
    for mark in _MARKS.finditer(text):
        if mark[0] in "[{":
            depth += 1
            if depth > DEEPEST:
                raise JsonRefused("nested too deeply")
        elif mark[0] in "]}":
            depth -= 1


def _constant(name: str) -> object:
    raise JsonRefused(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=Number, parse_int=Number, parse_constant=_constant
)


def _ascii(value: object) -> None:
    match value:
        case str():
            if not value.isascii():
                raise JsonRefused("a string is not ASCII")
        case dict():
            for key, item in value.items():
                _ascii(key)
                _ascii(item)
        case list():
            for item in value:
                _ascii(item)


def parse(data: str | bytes) -> object:
    """Objects, lists, `str`, `Number`, `bool`, None. Raises JsonRefused."""
    try:
        text = data.decode() if isinstance(data, bytes) else data
        _refuse_depth(text)
        value: object = _DECODER.decode(text)
        _ascii(value)
    except JsonRefused:
        raise
    except UnicodeDecodeError:
        raise JsonRefused("not UTF-8") from None
    except ValueError as error:
        raise JsonRefused(f"not JSON: {error}") from None
    return value


def parse_object(data: str | bytes) -> dict[str, object]:
    """As `parse`, and an object."""
    value = parse(data)
    if not isinstance(value, dict):
        raise JsonRefused("not a JSON object")
    return value
