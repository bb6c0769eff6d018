"""A client of whatever REDIS_URL names. Nothing is sent before the first call."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from redis.asyncio import ConnectionPool, Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError, RedisError

from services.common.redis.address import Address, Kind
from services.common.redis.settings import RedisSettings, SecretFileError, read_secret

CONNECTIONS: Final = 128
"""Most connections to one server; who wants more at once is refused."""


class Link:
    """`client` is a Redis or a RedisCluster; where `clustered`, a command may name keys of one slot only."""

    def __init__(self, client: Any, *, clustered: bool, sentinel: Any = None) -> None:
        self.client = client
        self.clustered = clustered
        self._sentinel = sentinel
        self._renewing = False

    async def renew(self) -> None:
        """Who serves what is looked up again: after a fail-over what we know is the old order. May raise what
        the driver raises; a second call while one is under way does nothing."""
        if self._renewing:
            return
        self._renewing = True
        try:
            if self.clustered:
                await self.client.nodes_manager.initialize()
            else:
                # idle ones only: who waits for an answer may still get it
                await self.client.connection_pool.disconnect(inuse_connections=False)
        finally:
            self._renewing = False

    async def aclose(self) -> None:
        """Gives all connections back; never raises."""
        for close in [self.client.aclose, *([self._sentinel.aclose] if self._sentinel else [])]:
            try:
                await close()
            except (RedisError, OSError):
                continue
        if not self.clustered:
            try:
                await self.client.connection_pool.disconnect()
            except (RedisError, OSError):
                return


def open_redis(
    settings: RedisSettings, *, timeout: float, retries: int = 1, decode: bool = False
) -> Link | None:
    """None without REDIS_URL. Connecting and each answer end within `timeout` seconds. `retries` after a
    connection that broke are at once: a pooled one may have died with the server it was opened to.

    Raises AddressError; what else may be wrong `settings.redis_complaint` tells.
    """
    address = settings.redis_address()
    if address is None:
        return None
    common: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), retries),
        # every server and proxy speaks it, and connecting is a round trip shorter; nothing of the third is needed
        "protocol": 2,
    }
    data = {**common, **_tls(address, settings), "decode_responses": decode}
    login = _login(
        settings.redis_username or address.username,
        settings.redis_password or address.password,
        settings.redis_password_file,
    )
    if login is not None:
        data["credential_provider"] = login
    match address.kind:
        case Kind.CLUSTER:
            return Link(_cluster(address, data), clustered=True)
        case Kind.SENTINEL:
            watchers = {**common, **_tls(address, settings)}
            theirs = _login("", settings.redis_sentinel_password or "", settings.redis_sentinel_password_file)
            if theirs is not None:
                watchers["credential_provider"] = theirs
            if address.tls:
                data["ssl"] = watchers["ssl"] = True
            sentinel: Any = Sentinel(  # type: ignore[no-untyped-call]
                address.nodes, sentinel_kwargs=watchers, **data
            )
            client = sentinel.master_for(address.service, db=address.db, max_connections=CONNECTIONS)
            return Link(client, clustered=False, sentinel=sentinel)
    if address.kind is Kind.UNIX:
        data |= {"connection_class": UnixDomainSocketConnection, "path": address.path}
    else:
        host, port = address.nodes[0]
        data |= {"connection_class": SSLConnection if address.tls else Connection, "host": host, "port": port}
    return Link(
        Redis(connection_pool=ConnectionPool(max_connections=CONNECTIONS, db=address.db, **data)),
        clustered=False,
    )


def _cluster(address: Address, data: dict[str, Any]) -> Any:
    return RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in address.nodes],
        # a part of the slots without a server is a part of the keys without an answer, not an outage
        require_full_coverage=False,
        # names that were given may stand for other addresses later; those the cluster tells go with its nodes
        dynamic_startup_nodes=False,
        max_connections=CONNECTIONS,
        ssl=address.tls,
        **data,
    )


def _tls(address: Address, settings: RedisSettings) -> dict[str, Any]:
    if not address.tls:
        return {}
    checks: dict[str, Any] = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
    if settings.redis_ca_file is not None:
        checks["ssl_ca_certs"] = str(settings.redis_ca_file)
    return checks


def _login(username: str, password: str, file: Path | None) -> CredentialProvider | None:
    if file is not None:
        return _Login(username, lambda: _from_file(file))
    if password or username:
        return _Login(username, lambda: password)
    return None


def _from_file(file: Path) -> str:
    try:
        return read_secret(file)
    except SecretFileError as error:
        raise AuthenticationError(f"the password's file {error}") from None


class _Login(CredentialProvider):
    """Asked for each new connection, so that a password file that changed counts from then on."""

    def __init__(self, username: str, password: Callable[[], str]) -> None:
        self._username = username
        self._password = password

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        password = self._password()
        return (self._username, password) if self._username else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        return self.get_credentials()
