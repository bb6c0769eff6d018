"""Following signed bytes to their end: final, or provably dead. Nothing else ends them (P4)."""

from dataclasses import dataclass, replace
from typing import Final

from services.common.chain.port import AccessKey, BroadcastResult, Chain, ChainIntent, TxOutcome, TxState
from services.common.clock import Clock
from services.common.domain.intent import SignedTransaction
from services.common.errors import IntentError, Reason
from services.processor.lane import Lane
from services.processor.model import DEAD, VERIFY, evidence, settled
from services.processor.observe import Vocabulary
from services.processor.pace import Pace

DEAD_MARGIN: Final = 2
"""Blocks between seeing the nonce passed and believing that no node knows the transaction."""
DOUBTFUL: Final = frozenset({BroadcastResult.NONCE_TAKEN, BroadcastResult.EXPIRED})
"""Answers to a broadcast after which the proof of death is looked for."""


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
        passed_at: int | None = None
        while True:
            try:
                outcome = await self.chain.outcome(tx.hash, tx.signer_id, wait_final=True)
                if outcome.state in (TxState.SUCCEEDED, TxState.FAILED):
                    return self._ended(settled(tx, outcome))
                if outcome.state is TxState.UNKNOWN:
                    self.observe.resent(tx)
                    answer = await self.lane.send(tx)
                    doubts = doubts + 1 if answer.result is not BroadcastResult.ACCEPTED else 0
                    if answer.result in DOUBTFUL or doubts > 2:
                        key = await self._key(tx)
                        if key.nonce >= tx.nonce or key.block_height > tx.block_height + self.validity:
                            passed_at = key.block_height if passed_at is None else passed_at
                            dead = await self._dead(intent_id, tx, key, passed_at)
                            if dead is not None:
                                return self._ended(dead)
                else:
                    # the node has it: what keeps is the time blocks take
                    pace, doubts, passed_at = Pace(), 0, None
            except IntentError as error:
                self.observe.waits("following", error, pace.peek)
            await self.clock.sleep(pace.next())

    async def _dead(
        self, intent_id: str, tx: SignedTransaction, key: AccessKey, passed_at: int
    ) -> SignedTransaction | None:
        """`tx` marked dead if it can never be included and never was.

        The key's nonce is past it (or its block hash too old) at a final block; blocks later a node that has
        that block still does not know its hash; and the contract shows nothing that it could have done.
        """
        (seen,) = await self.chain.intents([intent_id])
        if isinstance(seen, IntentError):
            raise seen
        if seen.block_height < passed_at + DEAD_MARGIN:
            return None
        again: TxOutcome = await self.chain.outcome(tx.hash, tx.signer_id)
        if again.state is not TxState.UNKNOWN or not _no_effect(tx, seen):
            return None
        proof = evidence(
            key_nonce=key.nonce, nonce=tx.nonce, passed_at=passed_at, block_height=seen.block_height,
            signed_at=tx.block_height, contract_status=seen.status or "unknown",
        )  # fmt: skip
        return replace(tx, status=DEAD, evidence=proof)

    async def _key(self, tx: SignedTransaction) -> AccessKey:
        try:
            return await self.chain.access_key(tx.signer_id, tx.public_key)
        except IntentError as error:
            if error.reason is not Reason.PERMISSION_DENIED:
                raise
            # a key that is gone takes nothing any more; one added again starts far above old nonces. The
            # height is that of another final block.
            (seen,) = await self.chain.intents([tx.hash])
            if isinstance(seen, IntentError):
                raise seen from None
            return AccessKey(nonce=tx.nonce, block_hash="", block_height=seen.block_height)

    def _ended(self, tx: SignedTransaction) -> SignedTransaction:
        self.observe.ended(tx)
        return tx


def _no_effect(tx: SignedTransaction, seen: ChainIntent) -> bool:
    """Whether the contract's status leaves nothing that `tx` may have done. A status beyond needs no second
    transaction either: then `tx` is given up, and the contract's view decides what comes next."""
    if tx.purpose == VERIFY:
        return True
    return seen.status != "executing"
