"""Redis: key `intent:<id>:status`, a JSON value, 30 seconds; a newer version wins by a script on the server."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from redis.exceptions import NoScriptError, ReadOnlyError, ResponseError

from services.cache.model import Entry
from services.cache.ports import SharedUnavailable
from services.cache.stored import MAX_BYTES, Unreadable, from_json, key, to_json
from services.common.redis.link import Link
from services.common.redis.script import Argument, Script

FETCH: Final = Script("""
local found = {}
for index, key in ipairs(KEYS) do
  local size = redis.pcall('STRLEN', key)
  if type(size) == 'number' and size <= tonumber(ARGV[1]) then
    found[index] = redis.call('GET', key)
  else
    found[index] = ''
  end
end
return found
""")
"""KEYS: any. ARGV: most bytes of a value. Values, nil where absent, empty where too long or no string."""

PUT_IF_NEWER: Final = Script("""
local function newer(key, version, readAt, most)
  local size = redis.pcall('STRLEN', key)
  if type(size) ~= 'number' or size == 0 or size > most then return true end
  local ok, seen = pcall(cjson.decode, redis.call('GET', key))
  if not (ok and type(seen) == 'table' and type(seen.version) == 'number' and seen.version % 1 == 0
     and seen.version >= 0 and seen.version < 4294967296) then return true end
  if seen.version > version then return false end
  return seen.version < version or (tonumber(seen.readAt) or 0) <= readAt
end
local written = 0
for index, key in ipairs(KEYS) do
  local at = index * 3
  if newer(key, tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[2])) then
    redis.call('SET', key, ARGV[at], 'EX', ARGV[1])
    written = written + 1
  end
end
return written
""")
"""KEYS: any. ARGV: seconds to live, most bytes of a value, then per key value, version, readAt in ms.
Returns how many were written; the others stand newer. What stands but cannot be read gives way."""


class RedisLevel:
    """Satisfies `ports.SharedLevel`. `corrupt` is called once for each value that cannot be read, with why.

    One server takes one script over all keys; a cluster one per key, in one pipeline per node.
    """

    def __init__(self, link: Link, *, expire_seconds: int, corrupt: Callable[[str], None]) -> None:
        self._link = link
        self._expire = expire_seconds
        self._corrupt = corrupt

    async def get(self, intent_ids: Sequence[str]) -> Sequence[Entry | None]:
        keys = [key(intent_id) for intent_id in intent_ids]
        async with self._asking():
            if self._link.clustered:
                values = await self._each([("GETRANGE", one, 0, MAX_BYTES) for one in keys])
                # a part of the nodes being away is a miss of their keys; all of them is an outage
                _raise_if(all(map(_failed, values)), values)
                values = [_short(value) for value in values]
            else:
                values = await FETCH.run(self._link.client, keys, [MAX_BYTES])
            _check(values, len(keys))
        return [self._read(*pair) for pair in zip(intent_ids, values, strict=True)]

    async def put(self, entries: Sequence[Entry]) -> None:
        """An entry too long to be read again is left out."""
        keys: list[str] = []
        arguments: list[list[Argument]] = []
        for entry in entries:
            value = to_json(entry)
            if len(value) <= MAX_BYTES:
                keys.append(key(entry.status.intent_id))
                arguments.append([value, entry.version, entry.read_at_ms])
        if not keys:
            return
        bounds: list[Argument] = [self._expire, MAX_BYTES]
        async with self._asking():
            if self._link.clustered:
                await self._put_each(keys, [[*bounds, *one] for one in arguments])
            else:
                flat = [part for one in arguments for part in one]
                await PUT_IF_NEWER.run(self._link.client, keys, [*bounds, *flat])

    async def forget(self, intent_ids: Sequence[str]) -> None:
        keys = [key(intent_id) for intent_id in intent_ids]
        async with self._asking():
            if self._link.clustered:
                results = await self._each([("DEL", one) for one in keys])
                _raise_if(any(map(_failed, results)), results)
            else:
                await self._link.client.delete(*keys)

    async def close(self) -> None:
        await self._link.aclose()

    async def _put_each(self, keys: Sequence[str], arguments: Sequence[Sequence[Argument]]) -> None:
        def commands(name: str, script: str, chosen: Sequence[int]) -> list[tuple[Argument, ...]]:
            return [(name, script, 1, keys[index], *arguments[index]) for index in chosen]

        results = await self._each(commands("EVALSHA", PUT_IF_NEWER.sha, range(len(keys))))
        lacking = [index for index, result in enumerate(results) if isinstance(result, NoScriptError)]
        if lacking:
            results = [result for result in results if not isinstance(result, NoScriptError)]
            results += await self._each(commands("EVAL", PUT_IF_NEWER.source, lacking))
        _raise_if(any(map(_failed, results)), results)

    async def _each(self, commands: Sequence[tuple[Argument, ...]]) -> list[Any]:
        pipeline = self._link.client.pipeline()
        for command in commands:
            pipeline.execute_command(*command)
        results: list[Any] = await pipeline.execute(raise_on_error=False)
        return results

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        try:
            yield
        except SharedUnavailable:
            raise
        except Exception as error:
            if isinstance(error, ReadOnlyError):
                # a master no longer: a new connection may lead to the one that is
                with suppress(Exception):
                    await self._link.renew()
            # a server that does not speak the protocol makes the driver raise anything at all
            raise SharedUnavailable(type(error).__name__) from None

    def _read(self, intent_id: str, value: bytes | None) -> Entry | None:
        if value is None:
            return None
        try:
            return from_json(intent_id, value)
        except Unreadable as unreadable:
            self._corrupt(unreadable.why)
            return None


def _failed(result: Any) -> bool:
    return isinstance(result, Exception)


def _raise_if(failed: bool, results: Sequence[Any]) -> None:
    if failed:
        raise next(result for result in results if _failed(result))


def _short(value: Any) -> Any:
    """What FETCH would have said: GETRANGE is empty where there is nothing, and an error where no string is."""
    if isinstance(value, ResponseError) and str(value).startswith("WRONGTYPE"):
        return b""
    if isinstance(value, Exception) or value == b"":
        return None
    return value


def _check(values: Any, count: int) -> None:
    """An answer of another shape is no answer."""
    if not isinstance(values, list) or len(values) != count:
        raise SharedUnavailable("AnswerOfAnotherShape")
    if any(value is not None and not isinstance(value, bytes) for value in values):
        raise SharedUnavailable("AnswerOfAnotherShape")
