"""JSON as untrusted parties send it: anything two readers could read differently is refused."""

import json
from typing import Any, Final, NoReturn

MAX_DEPTH: Final = 32
CONTRACT_DEPTH: Final = 127
"""What serde_json reads, and with it the contract."""


class StrictJsonError(ValueError):
    """The text is not JSON that every reader reads alike; the message says why, for people."""


class TooLong(StrictJsonError):
    """More bytes than asked for."""


class TooDeep(StrictJsonError):
    """Nested deeper than was asked for."""


class TooManyDigits(StrictJsonError):
    """An integer of more than 64 digits."""


class DuplicateKey(StrictJsonError):
    """An object has a key twice, of which readers take the first, the last or neither."""


def loads(data: bytes | str, *, max_bytes: int, as_contract: bool = False) -> Any:
    """Parses UTF-8 JSON. Numbers come as int, or as `Number` (their literal) if not integral.

    Raises StrictJsonError on: more than `max_bytes`, invalid UTF-8, a BOM, duplicate keys, lone surrogates,
    NaN and Infinity, integers beyond 64 digits, nesting deeper than 32. `as_contract` reads what the contract reads:
    it nests to 127, and integers beyond 64 digits come as `Number`.
    """
    if len(data) > max_bytes:
        raise TooLong(f"longer than {max_bytes} bytes")
    if isinstance(data, bytes):
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise StrictJsonError(f"not UTF-8 at byte {error.start}") from None
    else:
        text = data
        if not data.isascii() and len(data.encode("utf-8", "surrogatepass")) > max_bytes:
            raise TooLong(f"longer than {max_bytes} bytes")
    if text.startswith("\ufeff"):
        raise StrictJsonError("starts with a byte order mark")
    check_depth(text, CONTRACT_DEPTH if as_contract else MAX_DEPTH)
    try:
        value = (_CONTRACTS_DECODER if as_contract else _DECODER).decode(text)
    except json.JSONDecodeError as error:
        raise StrictJsonError(f"{error.msg} at character {error.pos}") from None
    if "\\u" in text or not text.isascii():
        _check_surrogates(value)
    return value


class Number(str):
    """The literal of a JSON number that is not an integer; never a float, so that nothing is rounded."""

    __slots__ = ()


def _integer(literal: str) -> int | Number:
    if literal == "-0":
        # as an int it would be taken where only its literal shows that it is not plain
        return Number(literal)
    if len(literal) > 64:
        raise TooManyDigits("a number has more than 64 digits")
    return int(literal)


def _any_integer(literal: str) -> int | Number:
    return Number(literal) if len(literal) > 64 else _integer(literal)


def _constant(name: str) -> NoReturn:
    raise StrictJsonError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise DuplicateKey(f"duplicate key {key[:64]!r}")
            seen.add(key)
    return found


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_float=Number, parse_int=_integer
)
"""Made once: json.loads would make one for each text, which costs as much as reading a short one."""

_CONTRACTS_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_float=Number, parse_int=_any_integer
)


def check_depth(text: str, most: int = MAX_DEPTH) -> None:
    """Raises TooDeep where the text nests deeper than `most`."""
    # The C scanner recurses; count brackets outside strings first, so that hostile nesting costs nothing.
    if text.count("[") + text.count("{") <= most:
        return
    depth = 0
    inside = False
    skip = False
    for char in text:
        if skip:
            skip = False
        elif inside:
            if char == "\\":
                skip = True
            elif char == '"':
                inside = False
        elif char == '"':
            inside = True
        elif char in "[{":
            depth += 1
            if depth > most:
                raise TooDeep(f"nested deeper than {most}")
        elif char in "]}":
            depth -= 1


def _check_surrogates(value: Any) -> None:
    if isinstance(value, str):
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise StrictJsonError("a string holds a lone surrogate")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_surrogates(key)
            _check_surrogates(item)
    elif isinstance(value, list):
        for item in value:
            _check_surrogates(item)
