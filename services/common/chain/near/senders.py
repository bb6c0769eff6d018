"""Who signed the transaction that a receipt belongs to, as the chunks of blocks say."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from services.common.chain.near.errors import NearError
from services.common.chain.near.questions import Questions, no_answer

KEPT: Final = 20_000
"""Receipts remembered: a callback comes in with the promise it answers, and runs blocks later."""
MAX_CHUNKS: Final = 256


class Senders:
    """`cost` is how many questions the chunks of a block took last."""

    def __init__(self, node: Questions) -> None:
        self._node = node
        self._signers: OrderedDict[str, str] = OrderedDict()
        self.cost = 2

    def of(self, receipt_id: str) -> str | None:
        """The account; None where nothing was learnt of this receipt."""
        return self._signers.get(receipt_id)

    async def learn(self, block_hash: str) -> None:
        """Reads the chunks that came in with a block. What a node does not have is not learnt; raises as any question
        where none answers."""
        block = await self._ask("block", {"block_id": block_hash})
        height, chunks = _member(block.get("header"), "height"), block.get("chunks")
        names = [
            _member(one, "chunk_hash")
            for one in (chunks if isinstance(chunks, list) else [])[:MAX_CHUNKS]
            # one that was missed stands there again as it was in the block before
            if _member(one, "height_included") == height
        ]
        self.cost = 1 + len(names)
        for name in names:
            self._take((await self._ask("chunk", {"chunk_id": name})).get("receipts"))

    def _take(self, receipts: object) -> None:
        for one in receipts if isinstance(receipts, list) else []:
            action = _member(_member(one, "receipt"), "Action")  # else it is data for another receipt
            receipt_id, signer = _member(one, "receipt_id"), _member(action, "signer_id")
            if isinstance(receipt_id, str) and isinstance(signer, str):
                self._signers[receipt_id] = signer
        while len(self._signers) > KEPT:
            self._signers.popitem(last=False)

    async def _ask(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            answer = await self._node.question(method, params)
        except NearError as error:
            if error.cause in (
                "UNKNOWN_BLOCK",
                "UNKNOWN_CHUNK",
                "GARBAGE_COLLECTED_BLOCK",
                "METHOD_NOT_FOUND",
            ):
                return {}
            raise no_answer(error) from None
        return answer if isinstance(answer, Mapping) else {}


def _member(value: object, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None
