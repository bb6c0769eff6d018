"""Base64 as the authority's serde_with reads it: its padding may be left out, stray bits may not be there."""

import base64
import binascii
from typing import Final

_URL: Final = str.maketrans("-_", "+/")


class Base64Refused(ValueError):
    """It is none."""


def base64_bytes(value: object, *, urlsafe: bool = False) -> bytes:
    """Of the standard or the URL's alphabet. Raises Base64Refused."""
    if type(value) is not str or not value.isascii():
        raise Base64Refused("not base64")
    bare = value.rstrip("=")
    missing = -len(bare) % 4
    if len(value) - len(bare) > missing or missing == 3:
        raise Base64Refused("not base64")
    if urlsafe:
        if "+" in bare or "/" in bare:
            raise Base64Refused("not base64url")
        bare = bare.translate(_URL)
    try:
        raw = base64.b64decode(bare + "=" * missing, validate=True)
    except binascii.Error:
        raise Base64Refused("not base64") from None
    if base64.b64encode(raw).decode().rstrip("=") != bare:
        raise Base64Refused("not base64: stray bits")
    return raw
