"""Redis: key `intent:<id>:status`, a JSON value, 30 seconds; a newer version wins by a script on the server."""

from collections.abc import Callable, Sequence
from typing import Any, Final, Self

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from services.cache.model import Entry, from_json, to_json
from services.cache.ports import SharedUnavailable

CONNECTIONS: Final = 16

PUT_IF_NEWER: Final = """
local held = redis.pcall('GET', KEYS[1])
if type(held) == 'string' then
  local ok, seen = pcall(cjson.decode, held)
  if ok and type(seen) == 'table' and type(seen.version) == 'number' and seen.version % 1 == 0
     and seen.version >= 0 and seen.version < 4294967296 then
    local version = tonumber(ARGV[2])
    if seen.version > version then return 0 end
    if seen.version == version and (tonumber(seen.readAt) or 0) > tonumber(ARGV[3]) then return 0 end
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[4])
return 1
"""
"""KEYS: the key. ARGV: value, version, readAt in ms, seconds to live. 1 if written, 0 if what stands is newer."""


def key(intent_id: str) -> str:
    """The seed's key."""
    return f"intent:{intent_id}:status"


class RedisLevel:
    """Satisfies `ports.SharedLevel`. `corrupt` is called once for each value that cannot be read."""

    def __init__(self, client: "Redis", *, expire_seconds: int, corrupt: Callable[[], None]) -> None:
        self._client = client
        self._expire = expire_seconds
        self._corrupt = corrupt
        self._sha = ""

    @classmethod
    def connect(cls, url: str, *, timeout: float, expire_seconds: int, corrupt: Callable[[], None]) -> Self:
        """`url` may be redis://, rediss:// or unix://, with user and password. Nothing is sent yet."""
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=timeout,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            # one more try at once: a pooled connection may have died with the server that it was opened to
            retry=Retry(NoBackoff(), 1),
        )
        return cls(Redis(connection_pool=pool), expire_seconds=expire_seconds, corrupt=corrupt)

    async def get(self, intent_ids: Sequence[str]) -> Sequence[Entry | None]:
        try:
            values = await self._client.mget([key(intent_id) for intent_id in intent_ids])
        except (RedisError, OSError) as error:
            raise SharedUnavailable(type(error).__name__) from None
        return [
            None if value is None else self._read(intent_id, value)
            for intent_id, value in zip(intent_ids, values, strict=True)
        ]

    async def put(self, entries: Sequence[Entry]) -> None:
        try:
            if not self._sha:
                self._sha = str(await self._client.script_load(PUT_IF_NEWER))
            results = await self._run(entries)
            if any(isinstance(result, NoScriptError) for result in results):
                # a server that was restarted or took over has no scripts yet
                self._sha = str(await self._client.script_load(PUT_IF_NEWER))
                results = await self._run(entries)
        except (RedisError, OSError) as error:
            raise SharedUnavailable(type(error).__name__) from None
        for result in results:
            if isinstance(result, Exception):
                raise SharedUnavailable(type(result).__name__)

    async def forget(self, intent_ids: Sequence[str]) -> None:
        try:
            await self._client.delete(*[key(intent_id) for intent_id in intent_ids])
        except (RedisError, OSError) as error:
            raise SharedUnavailable(type(error).__name__) from None

    async def close(self) -> None:
        try:
            await self._client.aclose()
            await self._client.connection_pool.disconnect()
        except (RedisError, OSError):
            return

    async def _run(self, entries: Sequence[Entry]) -> list[Any]:
        # one script per key in one round trip: a script over many keys could not run on a Redis Cluster
        pipeline = self._client.pipeline(transaction=False)
        for entry in entries:
            pipeline.evalsha(
                self._sha,
                1,
                key(entry.status.intent_id),
                to_json(entry),
                str(entry.version),
                str(entry.read_at_ms),
                str(self._expire),
            )
        return await pipeline.execute(raise_on_error=False)

    def _read(self, intent_id: str, value: bytes | str) -> Entry | None:
        entry = from_json(intent_id, value)
        if entry is None:
            self._corrupt()
        return entry
