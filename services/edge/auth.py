"""Who calls: bearer tokens, kept as hashes."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from services.common.errors import IntentError, Reason
from services.edge.model import ANONYMOUS, Caller

MIN_TOKEN: Final = 16
MAX_TOKEN: Final = 4_096
_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")
_PRINCIPAL: Final = re.compile(r"[A-Za-z0-9._@\-]{1,64}")


class TokensFileError(ValueError):
    """The tokens file cannot be used; the message says where and why, and holds no token."""


def hash_token(token: str) -> str:
    """`sha256:<hex>`. Tokens are long and random, so one round is enough."""
    return "sha256:" + hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def token_line(principal: str, token: str) -> str:
    """A line of the tokens file. Raises ValueError for a principal or a token that cannot be used."""
    if _PRINCIPAL.fullmatch(principal) is None or principal == ANONYMOUS:
        raise ValueError("the principal must be 1 to 64 characters of A-Za-z0-9._@-, and not 'anonymous'")
    if (
        not MIN_TOKEN <= len(token) <= MAX_TOKEN
        or not token.isascii()
        or not token.isprintable()
        or " " in token
    ):
        raise ValueError(f"the token must be {MIN_TOKEN} to {MAX_TOKEN} visible ASCII characters")
    return json.dumps({principal: hash_token(token)})


def read_tokens(path: Path) -> dict[str, str]:
    """hash -> principal. JSON objects {principal: "sha256:<hex>" or a list of them}, one or one per line.

    Raises TokensFileError.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise TokensFileError(f"{path}: {why}") from None
    found: dict[str, str] = {}
    for where, entries in _objects(path, text):
        for principal, hashes in entries.items():
            if _PRINCIPAL.fullmatch(principal) is None or principal == ANONYMOUS:
                raise TokensFileError(
                    f"{path}{where}: a principal must be 1 to 64 of A-Za-z0-9._@-, not 'anonymous'"
                )
            for hashed in hashes if isinstance(hashes, list) else [hashes]:
                if not isinstance(hashed, str) or _HASH.fullmatch(hashed) is None:
                    raise TokensFileError(
                        f"{path}{where}: {principal} needs sha256:<64 hex digits> (hash-token)"
                    )
                if found.setdefault(hashed, principal) != principal:
                    raise TokensFileError(f"{path}{where}: {principal} has the token of another principal")
    if not found:
        raise TokensFileError(f"{path}: holds no tokens")
    return found


def _objects(path: Path, text: str) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        whole = json.loads(text)
        return [("", _mapping(path, "", whole))]
    except ValueError as error:
        if isinstance(error, TokensFileError):
            raise
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        where = f" line {number}"
        try:
            found.append((where, _mapping(path, where, json.loads(line))))
        except TokensFileError:
            raise
        except ValueError:
            raise TokensFileError(f"{path}{where}: not JSON") from None
    return found


def _mapping(path: Path, where: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TokensFileError(f"{path}{where}: a JSON object is expected")
    return value


class Authenticator:
    """`tokens` maps hash to principal; empty lets everyone in as `anonymous`."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self._tokens = dict(tokens)

    @property
    def required(self) -> bool:
        """True if a token is needed."""
        return bool(self._tokens)

    def caller(self, authorization: str | None, address: str) -> Caller:
        """From the value of an `authorization` header. Raises UNAUTHENTICATED."""
        if not self._tokens:
            return Caller(address=address)
        scheme, _, token = (authorization or "").strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN:
            raise IntentError(Reason.UNAUTHENTICATED, "A token is needed: authorization: Bearer <token>.")
        hashed = hash_token(token)
        principal = ""
        # all are compared, each in constant time: how long it takes tells nothing
        for known, name in self._tokens.items():
            if hmac.compare_digest(known, hashed):
                principal = name
        if not principal:
            raise IntentError(Reason.UNAUTHENTICATED, "The token is not known here.")
        return Caller(principal=principal, address=address, token=True)
