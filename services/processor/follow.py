"""Following signed bytes to their end: final, or provably dead. Nothing else ends them (P4)."""

from dataclasses import dataclass, replace
from typing import Final

from services.common.chain.port import BroadcastResult, Chain, ChainIntent, TxState
from services.common.clock import Clock
from services.common.domain.intent import SignedTransaction
from services.common.errors import IntentError, Reason
from services.processor.lane import Lane
from services.processor.model import DEAD, UNKNOWN, VERIFY, basis_of, evidence, settled
from services.processor.observe import Vocabulary
from services.processor.pace import Pace

DEAD_MARGIN: Final = 2
"""Blocks between seeing the nonce passed and believing that no node knows the transaction."""
HOLDS: Final = 1.0
"""Seconds after which an answer was held back by the node. One that says at once that it is not final yet is asked more
and more rarely, down to once in so long: many in flight would else ask it ten times a second each."""
OVER: Final = frozenset({"verified", "completed", "failed"})
"""What the contract says of an intent that no solve is at work on. Not to know it is no such word: it was verified."""
DOUBTFUL: Final = frozenset({BroadcastResult.NONCE_TAKEN, BroadcastResult.EXPIRED})
"""Answers to a broadcast after which the proof of death is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A final block after which a transaction cannot be included, and what its key said there."""

    height: int
    key: str


@dataclass(slots=True, kw_only=True)
class Follower:
    """`validity` is the number of blocks a transaction's block hash stays good for."""

    chain: Chain
    lane: Lane
    clock: Clock
    observe: Vocabulary
    validity: int

    async def follow(self, intent_id: str, tx: SignedTransaction) -> SignedTransaction:
        """`tx` as it ended: success, failure or dead, with evidence. Returns only then."""
        pace, doubts = Pace(), 0
        first: Passed | None = None
        known = False
        while True:
            asked_at = self.clock.monotonic()
            try:
                outcome = await self.chain.outcome(tx.hash, tx.signer_id, wait_final=True)
                if outcome.state in (TxState.SUCCEEDED, TxState.FAILED):
                    return self._ended(settled(tx, outcome))
                if outcome.state is TxState.UNKNOWN:
                    known = False
                    self.observe.resent(tx)
                    answer = await self.lane.send(tx)
                    doubts = doubts + 1 if answer.result is not BroadcastResult.ACCEPTED else 0
                    if answer.result in DOUBTFUL or doubts > 2:
                        passed = await self._passed(tx)
                        # what a later look contradicts is no evidence: it begins anew
                        first = passed if passed is None or first is None else first
                        if first is not None:
                            dead = await self._dead(intent_id, tx, first)
                            if dead is not None:
                                return self._ended(dead)
                else:
                    # the node has it: what keeps is the time blocks take
                    if not known or self.clock.monotonic() - asked_at >= HOLDS:
                        pace = Pace(longest=HOLDS)
                    known, doubts, first = True, 0, None
            except IntentError as error:
                self.observe.waits("following", error, pace.peek)
            await self.clock.sleep(pace.next())

    async def _passed(self, tx: SignedTransaction) -> Passed | None:
        """Set where `tx` cannot be included any more by what a final block says of its key."""
        try:
            key = await self.chain.access_key(tx.signer_id, tx.public_key)
        except IntentError as error:
            if error.reason is not Reason.PERMISSION_DENIED:
                raise
            height = int(error.metadata.get("block_height") or 0)
            # when it was signed the key was there: a node that is behind that block may never have seen it
            if height <= tx.block_height:
                return None
            # a key that is gone takes nothing any more, and one added again starts far above old nonces
            return Passed(height=height, key="gone")
        if not key.sure:
            return None
        if key.nonce >= tx.nonce:
            return Passed(height=key.block_height, key=f"nonce {key.nonce}")
        if key.block_height > tx.block_height + self.validity:
            block = await self.chain.block(tx.block_hash)
            # by the block itself, where the node has it still: the height noted at signing was one node's word
            if block is None or key.block_height > block.height + self.validity:
                return Passed(height=key.block_height, key="block hash too old")
        return None

    async def _dead(self, intent_id: str, tx: SignedTransaction, passed: Passed) -> SignedTransaction | None:
        """`tx` marked dead if it can never be included and never was.

        A final block ruled it out (`passed`); blocks later a node that has that block still does not know its hash; and
        blocks later the contract is not at work on it: a solve was never begun or is over.
        """
        seen = await self._look(intent_id)
        if seen.block_height < passed.height + DEAD_MARGIN:
            return None
        again = await self.chain.outcome(tx.hash, tx.signer_id)
        if again.state is not TxState.UNKNOWN or again.block_height < passed.height + DEAD_MARGIN:
            return None
        if tx.purpose != VERIFY and seen.status not in OVER:
            return None
        proof = evidence(
            key=passed.key, public_key=tx.public_key, nonce=tx.nonce, passed_at=passed.height,
            unknown_at=again.block_height, block_height=seen.block_height, signed_at=tx.block_height,
            contract_status=seen.status or UNKNOWN, basis=basis_of(tx),
        )  # fmt: skip
        return replace(tx, status=DEAD, evidence=proof)

    async def _look(self, intent_id: str) -> ChainIntent:
        (seen,) = await self.chain.intents([intent_id])
        if isinstance(seen, IntentError):
            raise seen
        return seen

    def _ended(self, tx: SignedTransaction) -> SignedTransaction:
        self.observe.ended(tx)
        return tx
