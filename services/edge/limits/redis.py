"""The count shared by all replicas, in Redis."""

import secrets
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.common.errors import unavailable

PREFIX: Final = "ratelimit:intent:"

# A sorted set per subject: one member per attempt, scored by the server's time in microseconds, so that
# replicas whose clocks differ count alike. Answers 0, or the microseconds until `count` would fit.
TAKE: Final = """
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
"""


class RedisRateLimiter:
    """Satisfies `limits.port.RateLimiter`. `window` in seconds. Raises DEPENDENCY_UNAVAILABLE when Redis is away."""

    def __init__(self, redis: "Redis", *, maximum: int, window: float, prefix: str = PREFIX) -> None:
        self._redis = redis
        self._script = redis.register_script(TAKE)
        self._maximum = maximum
        self._window = round(window * 1_000_000)
        self._prefix = prefix

    async def take(self, subject: str, count: int = 1) -> float | None:
        arguments: list[int | str] = [self._maximum, self._window, count, secrets.token_hex(8) + ":"]
        try:
            wait = await self._script(keys=[self._prefix + subject], args=arguments)
        except (RedisError, OSError, TimeoutError):
            raise unavailable("Redis") from None
        return float(wait) / 1_000_000 if wait else None

    async def aclose(self) -> None:
        await self._redis.aclose()


def connect(url: str, *, timeout: float) -> "Redis":
    """A client whose calls end within `timeout` seconds and are not retried: the fallback is quicker."""
    client: Redis = Redis.from_url(
        url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=None, decode_responses=True
    )
    return client
