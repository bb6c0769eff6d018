"""What a Redis URL says. No text of an error here repeats the URL: it may hold a password."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import unquote

FORMS: Final = (
    "redis://HOST:PORT/DB, redis+sentinel://HOST:PORT,…/SERVICE/DB, redis+cluster://HOST:PORT,…, "
    "rediss for redis with TLS, or unix://PATH"
)
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_SERVER_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379


class AddressError(ValueError):
    """What is wrong with a URL, in words that hold nothing of it."""


class Kind(StrEnum):
    """What stands at the address."""

    SERVER = "redis"
    SENTINEL = "redis+sentinel"
    CLUSTER = "redis+cluster"
    UNIX = "unix"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """`nodes` are the server, the Sentinels or the cluster's nodes to begin with; `path` is a socket's.
    `service` is the name that Sentinels know the master by."""

    kind: Kind
    tls: bool = False
    nodes: tuple[tuple[str, int], ...] = ()
    service: str = ""
    path: str = ""
    db: int = 0
    username: str = ""
    password: str = field(default="", repr=False)


def parse(url: str) -> Address:
    """Raises AddressError. User and password may be percent-encoded; options behind `?` but db are refused:
    they would bypass the settings that bound a call."""
    scheme, separator, rest = url.partition("://")
    base, tls = scheme.lower(), False
    if base == "rediss" or base.startswith("rediss+"):
        base, tls = "redis" + base.removeprefix("rediss"), True
    if not separator or base not in set(Kind):
        raise AddressError(f"must be {FORMS}")
    kind = Kind(base)
    rest, _, query = rest.partition("?")
    if "#" in rest + query:
        raise AddressError("'#' is written as %23")
    login, at, place = rest.rpartition("@")
    username, _, password = login.partition(":") if at else ("", "", "")
    if any(mark in login for mark in "/@"):
        raise AddressError("reserved characters in user and password are written as %XX")
    db = _option(query)
    if kind is Kind.UNIX:
        if not place.startswith("/"):
            raise AddressError("unix:// is followed by an absolute path")
        return Address(
            kind=kind, path=unquote(place), db=db, username=unquote(username), password=unquote(password)
        )
    hosts, _, below = place.partition("/")
    parts = [unquote(part) for part in below.split("/") if part]
    service = parts.pop(0) if kind is Kind.SENTINEL and parts else ""
    if kind is Kind.SENTINEL and not service:
        raise AddressError("lacks the service: redis+sentinel://HOST:PORT,HOST:PORT/SERVICE")
    nodes = _nodes(kind, hosts)
    if parts:
        db = _number(parts.pop(0))
    if parts:
        raise AddressError("has more behind the hosts than a service and a database")
    if kind is Kind.CLUSTER and db:
        raise AddressError("names a database; a cluster has only database 0")
    return Address(
        kind=kind,
        tls=tls,
        nodes=nodes,
        service=service,
        db=db,
        username=unquote(username),
        password=unquote(password),
    )


def _nodes(kind: Kind, hosts: str) -> tuple[tuple[str, int], ...]:
    found = []
    for one in hosts.split(","):
        match = _HOST.fullmatch(one)
        if match is None:
            raise AddressError("names a host or port that cannot be one; several are separated by commas")
        port = int(match[2] or (_SENTINEL_PORT if kind is Kind.SENTINEL else _SERVER_PORT))
        if not 1 <= port <= 65_535:
            raise AddressError("names a port beyond 65535")
        found.append((match[1].strip("[]"), port))
    if kind is Kind.SERVER and len(found) > 1:
        raise AddressError("names several servers; say redis+sentinel:// or redis+cluster://")
    return tuple(found)


def _option(query: str) -> int:
    if not query:
        return 0
    name, _, value = query.partition("=")
    if name != "db":
        raise AddressError("has options behind '?'; only db=N is taken, the rest are settings")
    return _number(value)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise AddressError("names a database that is not a number")
    return int(text)
