"""What the Verifier keeps of intents: many to a question where it has the view for that, else one by one."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from services.common.chain.near.errors import NearError
from services.common.chain.near.questions import TOO_LARGE, Questions, answered, no_answer
from services.common.chain.port import Block, ChainIntent
from services.common.errors import IntentError, unavailable

TOGETHER: Final = 50
"""Ids in one question; `get_intents` takes as many."""
MAX_ANSWER: Final = 512 * 1024
STATUSES: Final = frozenset({"verified", "executing", "completed", "failed"})


class Kept:
    """`get_intents` is a view of our own Verifier. One that lacks it is asked `get_intent_status` and `get_intent`."""

    def __init__(self, node: Questions, verifier_id: str) -> None:
        self._node = node
        self._verifier_id = verifier_id
        self._alone = False

    async def at(self, intent_ids: Sequence[str], block: Block) -> list[ChainIntent | IntentError]:
        """Each as block `block` has it, in the order asked; an error stands in its item's place."""
        parts = [intent_ids[start : start + TOGETHER] for start in range(0, len(intent_ids), TOGETHER)]
        found = await asyncio.gather(*(self._part(part, block) for part in parts))
        return [one for part in found for one in part]

    async def _part(self, intent_ids: Sequence[str], at: Block) -> list[ChainIntent | IntentError]:
        if len(intent_ids) > 1 and not self._alone:
            try:
                return await self._together(intent_ids, at)
            except NearError as error:
                if "MethodNotFound" not in error.message:
                    return [no_answer(error)] * len(intent_ids)
                self._alone = True
            except IntentError as error:
                if error.metadata.get("cause") != TOO_LARGE:
                    return [error] * len(intent_ids)
        return await answered([self._one(intent_id, at) for intent_id in intent_ids])

    async def _together(self, intent_ids: Sequence[str], at: Block) -> list[ChainIntent | IntentError]:
        """Raises NearError where the contract refuses the question."""
        raw, _ = await self._node.view(
            self._verifier_id, "get_intents", {"intent_ids": list(intent_ids)}, at, most=MAX_ANSWER
        )
        answers = self._node.read(raw, most=MAX_ANSWER)
        if not isinstance(answers, list) or len(answers) != len(intent_ids):
            raise unavailable("chain node")
        return [_seen(asked, kept, at) for asked, kept in zip(intent_ids, answers, strict=True)]

    async def _one(self, intent_id: str, at: Block) -> ChainIntent:
        args = {"intent_id": intent_id}
        status, _ = await self._node.json_view(self._verifier_id, "get_intent_status", args, at)
        if status is None:
            return _told(None, None, at)
        kept, _ = await self._node.json_view(self._verifier_id, "get_intent", args, at)
        return _told(status, kept, at)


def _seen(asked: str, kept: Any, at: Block) -> ChainIntent | IntentError:
    if kept is None:
        return _told(None, None, at)
    try:
        if not isinstance(kept, dict) or kept.get("id") != asked:
            raise unavailable("chain node")  # another intent than asked for
        return _told(kept.get("status"), kept, at)
    except IntentError as error:
        return error


def _told(status: Any, kept: Any, at: Block) -> ChainIntent:
    """Raises IntentError for what is not an answer of a Verifier."""
    known = status in STATUSES and isinstance(kept, dict)
    if not known and (status is not None or kept is not None):
        raise unavailable("chain node")
    return ChainIntent(status=status, kept=kept, block_height=at.height, block_timestamp_ns=at.timestamp_ns)
