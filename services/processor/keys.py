"""The access key this replica signs with: leased from the pool, kept, given back. Without one it stands by.

The lease says who uses a key; what makes a mistake about it harmless are the nonces, which the store gives out under
the lease's fence and never twice (services/store/keys.py). So a replica that was stopped for an hour and goes on as if
nothing had happened has nonces of its own at most, and soon none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.common.chain.port import Chain, Signer
from services.common.clock import Clock
from services.common.domain.keys import KeyAnswer, KeyRef, NonceRequest, Nonces, PoolKey
from services.common.errors import IntentError, Reason
from services.common.ports import KeyPool
from services.processor.observe import Vocabulary
from services.processor.pace import Pace

UNUSABLE: Final = frozenset({Reason.PERMISSION_DENIED, Reason.INVALID_FIELD})
"""The account has no such key; no nonce is left."""


class KeyLost(Exception):
    """Nothing more may be signed with the key: another holds it, or its account does not have it."""


@dataclass(slots=True, kw_only=True)
class HeldKey:
    """`good_until`: by this process's monotonic clock, counted from before the store was asked."""

    signer: Signer
    ref: KeyRef
    good_until: float


class Keys:
    """One key of `signers` at a time. `holder` names this replica, the same after a restart; `session` one run of
    it."""

    def __init__(
        self,
        store: KeyPool,
        chain: Chain,
        signers: Sequence[Signer],
        *,
        holder: str,
        session: str,
        lease_ms: int,
        poll_ms: int,
        clock: Clock,
        observe: Vocabulary,
    ) -> None:
        self._store = store
        self._chain = chain
        self._signers = {(one.account_id, one.public_key): one for one in signers}
        self.holder = holder
        self._session = session
        self._lease_ms = lease_ms
        self._poll = min(poll_ms, lease_ms / 3) / 1000
        self._clock = clock
        self._observe = observe
        self._reclaim = True
        self._aside: set[PoolKey] = set()
        self.held: HeldKey | None = None

    @property
    def signer(self) -> Signer | None:
        """None while it stands by."""
        return None if self.held is None else self.held.signer

    async def acquire(self) -> HeldKey:
        """Returns once there is a key; until then this replica stands by and says so."""
        pace = Pace()
        while True:
            asked_at = self._clock.monotonic()
            try:
                pool = await self._pool()
                wanted = [key for key in pool if key not in self._aside]
                if not wanted:
                    # none of them was any use: from the first again, and not at once
                    self._aside.clear()
                    await self._clock.sleep(self._poll)
                    continue
                answer = await self._store.lease_key(
                    wanted,
                    holder=self.holder,
                    session=self._session,
                    lease_ms=self._lease_ms,
                    reclaim=self._reclaim,
                )
            except IntentError as error:
                await self._pause("leasing a key", error, pace)
                continue
            self._reclaim = False
            if answer.lease is not None:
                return self._take(answer, asked_at)
            self._aside.clear()
            pace = Pace()
            self._observe.stands_by(answer.states)
            await self._clock.sleep(self._poll)

    async def renew(self) -> None:
        """Raises KeyLost, IntentError."""
        held = self._must_hold()
        asked_at = self._clock.monotonic()
        (ours,) = await self._store.renew_keys([held.ref], lease_ms=self._lease_ms)
        if not ours:
            raise KeyLost("another replica holds it now")
        held.good_until = asked_at + self._lease_ms / 1000

    async def release(self) -> None:
        """Raises IntentError: then it is free once its lease has run out."""
        held, self.held = self.held, None
        if held is not None:
            await self._store.release_keys([held.ref])

    def may_sign(self) -> bool:
        """Whether the lease holds by our own clock. If not, a renewal has to come through first."""
        return self.held is not None and self._clock.monotonic() < self.held.good_until

    async def nonces(self, count: int, above: int) -> Nonces:
        """Nonces nobody else was or will be given. Raises KeyLost, IntentError."""
        held = self._must_hold()
        asked = NonceRequest(key=held.ref.key, fence=held.ref.fence, count=count, above=above)
        (given,) = await self._store.reserve_nonces([asked])
        if given is None:
            raise KeyLost("another replica holds it now")
        return given

    def unusable(self, error: IntentError) -> None:
        """What is said of the held key. Raises KeyLost where it is no use and there are others to try; the only one
        of a pool is waited for."""
        held = self._must_hold()
        if error.reason in UNUSABLE and len(self._signers) > 1:
            self._aside.add(held.ref.key)
            raise KeyLost(f"it cannot be used: {error.message}")

    def _take(self, answer: KeyAnswer, asked_at: float) -> HeldKey:
        lease = answer.lease
        assert lease is not None
        self.held = HeldKey(
            signer=self._signers[lease.key.account_id, lease.key.public_key],
            ref=KeyRef(key=lease.key, fence=lease.fence),
            good_until=asked_at + self._lease_ms / 1000,
        )
        before = next(state for state in answer.states if state.key == lease.key)
        self._observe.key_leased(lease, taken_from=before.holder)
        return self.held

    async def _pool(self) -> list[PoolKey]:
        chain_id = await self._chain.network()
        return [
            PoolKey(chain_id=chain_id, account_id=account, public_key=public)
            for account, public in self._signers
        ]

    def _must_hold(self) -> HeldKey:
        if self.held is None:
            raise KeyLost("it was given back")
        return self.held

    async def _pause(self, during: str, error: IntentError, pace: Pace) -> None:
        due = pace.next()
        self._observe.waits(during, error, due)
        await self._clock.sleep(due)
