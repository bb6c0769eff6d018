"""Base58 as NEAR writes keys and hashes."""

from typing import Final

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUE: Final = {character: value for value, character in enumerate(_ALPHABET)}


def b58encode(data: bytes) -> str:
    """Base58; a leading zero byte becomes a leading '1'."""
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = _ALPHABET[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def b58decode(text: str) -> bytes:
    """The bytes of `text`. Raises ValueError if it is not base58 or longer than 128 characters."""
    if len(text) > 128:
        raise ValueError("longer than a key or a signature")
    number = 0
    for character in text:
        if character not in _VALUE:
            raise ValueError("not base58")
        number = number * 58 + _VALUE[character]
    return b"\0" * (len(text) - len(text.lstrip("1"))) + number.to_bytes(
        (number.bit_length() + 7) // 8, "big"
    )
