"""The count shared by all replicas, in Redis."""

import asyncio
import secrets
from typing import Final

from services.common.errors import unavailable
from services.common.redis.link import Link
from services.common.redis.script import Script

PREFIX: Final = "ratelimit:intent:"

# A sorted set per subject: one member per attempt, scored by the server's time in microseconds, so that
# replicas whose clocks differ count alike. Answers 0, or the microseconds until `count` would fit.
TAKE: Final = Script("""
local key, maximum, window, count, nonce = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
local have = redis.call('ZCARD', key)
local excess = have + count - maximum
if excess > 0 then
  if excess > have then return window end
  local last = redis.call('ZRANGE', key, excess - 1, excess - 1, 'WITHSCORES')
  return math.max(1, tonumber(last[2]) + window - now)
end
for index = 1, count do
  redis.call('ZADD', key, now, nonce .. index)
end
redis.call('PEXPIRE', key, math.ceil(window / 1000))
return 0
""")


class RedisRateLimiter:
    """Satisfies `limits.port.RateLimiter`. `window` and `timeout` in seconds. Raises DEPENDENCY_UNAVAILABLE when Redis
    is away, or has not answered after `timeout`, connecting included."""

    def __init__(
        self, link: Link, *, maximum: int, window: float, timeout: float, prefix: str = PREFIX
    ) -> None:
        self._link = link
        self._timeout = timeout
        self._maximum = maximum
        self._window = round(window * 1_000_000)
        self._prefix = prefix

    async def take(self, subject: str, count: int = 1) -> float | None:
        arguments: list[int | str] = [self._maximum, self._window, count, secrets.token_hex(8) + ":"]
        try:
            async with asyncio.timeout(self._timeout):
                wait = int(await TAKE.run(self._link.client, [self._prefix + subject], arguments))
        except Exception:
            # a server that does not speak the protocol makes the driver raise anything at all
            raise unavailable("Redis") from None
        return wait / 1_000_000 if wait else None

    async def aclose(self) -> None:
        await self._link.aclose()
