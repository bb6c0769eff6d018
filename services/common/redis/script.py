"""A Lua script by its digest, sent whole to a server that does not know it yet."""

import hashlib
from collections.abc import Sequence
from typing import Any

from redis.exceptions import NoScriptError

Argument = str | int | bytes


class Script:
    """Under a cluster all keys of one run must lie in one slot: one key, say."""

    def __init__(self, source: str) -> None:
        self.source = source
        # the name Redis gives it, no protection of anything
        self.sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    async def run(self, client: Any, keys: Sequence[str], arguments: Sequence[Argument] = ()) -> Any:
        """What it returns; a server that was restarted or took over learns it. Raises what the driver raises."""
        try:
            return await client.evalsha(self.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return await client.eval(self.source, len(keys), *keys, *arguments)
