"""The embedded shape with one bug, to see that a soak notices it: `python -m tests.soak.planted_cache`.

Its cache takes whatever Redis has for the truth and Redis whatever comes last, as the seed's cache does: a Redis that
missed writes, or came back with old data, takes statuses back.
"""

import sys
from collections.abc import Sequence

from services.cache import levels
from services.cache.adapters import redis
from services.cache.model import Level
from services.common.redis.script import Script
from services.embedded.__main__ import main

redis.PUT_IF_NEWER = Script("""
for index, key in ipairs(KEYS) do redis.call('SET', key, ARGV[index * 3], 'EX', ARGV[1]) end
return #KEYS
""")  # type: ignore[misc]


async def _whatever_redis_has(self: levels.Levels, intent_ids: Sequence[str]) -> Sequence[levels.Found]:
    return [levels.Found(entry, Level.REDIS) for entry in await self._shared._inner.get(intent_ids)]  # type: ignore[attr-defined]


levels.Levels.from_shared = _whatever_redis_has  # type: ignore[method-assign]

if __name__ == "__main__":
    main(sys.argv[1:])
