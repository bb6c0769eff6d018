"""A process that wants the one key, uses it for a moment, and gives it back, for ever: `key_racer.py TARGET NAME`.

Each line of its output is `fence first last`: nonces it was given.
"""

import asyncio
import secrets
import sys
from typing import Any, Final

from services.common.config import ServiceSettings
from services.common.domain.keys import KeyRef, NonceRequest, PoolKey
from services.common.rpc.channel import open_channel
from services.common.rpc.clients.store import GrpcStore

KEY: Final = PoolKey(chain_id="localnet", account_id="relayer.near", public_key="ed25519:one")
LEASE_MS: Final = 150
USES: Final = 3


async def race(target: str, name: str) -> None:
    settings: Any = ServiceSettings()
    async with open_channel(target, settings=settings) as channel:
        store, reclaim = GrpcStore(channel), True
        while True:
            answer = await store.lease_key(
                [KEY], holder=name, session=secrets.token_hex(8), lease_ms=LEASE_MS, reclaim=reclaim
            )
            reclaim = False
            if answer.lease is None:
                continue
            ref = KeyRef(key=KEY, fence=answer.lease.fence)
            for _ in range(USES):
                asked = NonceRequest(key=KEY, fence=ref.fence, count=5)
                (given,) = await store.reserve_nonces([asked])
                if given is None:
                    break
                print(ref.fence, given.first, given.last, flush=True)
            await store.release_keys([ref])


if __name__ == "__main__":
    asyncio.run(race(*sys.argv[1:]))
