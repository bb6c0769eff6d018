"""Final blocks, followed: of which intents the Verifier's state changed in each (docs/adr/0018-observer.md).

A block's changes of the contract's storage name the receipts that made them; each receipt's outcome has its logs; the
NEP-297 events in them name the intents. One question a block where nothing happened, one more for each receipt that
changed something; where these would be many, the block's chunks say whose they are first.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from services.common.chain.near.errors import NearError
from services.common.chain.near.questions import Questions, name_of, no_answer, of
from services.common.chain.near.senders import Senders
from services.common.chain.port import Change, Followed
from services.common.domain.places import Place
from services.common.errors import unavailable

AT_ONCE: Final = 16
"""Blocks, and receipts of a block, asked for at the same time."""
MAX_CHANGES: Final = 100_000
"""Changes of a contract's storage in one block."""
STANDARD: Final = "intents"
"""Of the events that name an intent, as `intent_id` in their data."""
EVENT: Final = "EVENT_JSON:"
_NOT_YET: Final = frozenset({"NOT_CONFIRMED", "CHUNK_NOT_CERTIFIED"})
"""The outcome's block is final and no later one says so yet: a moment's matter."""

_CANNOT_SAY: Final = frozenset({"UNKNOWN_TRANSACTION_OR_RECEIPT", "METHOD_NOT_FOUND"})
"""Nodes that keep no outcomes, or do not have the method: what changed is then found by looking."""
MAX_ID: Final = 128
"""Characters of an intent's id."""


class _NotYet(Exception):
    """What happened in a block cannot be told yet."""


@dataclass(frozen=True, slots=True)
class _Changed:
    """A block's hash, the receipts that changed the contract's storage in it, and whether something else did."""

    hash: str
    receipts: tuple[str, ...]
    otherwise: bool


class Following:
    """`account_id` is the contract whose storage is followed."""

    def __init__(self, node: Questions, account_id: str) -> None:
        self._node = node
        self._account_id = account_id
        self._senders = Senders(node)

    async def changes(self, after: int, limit: int, *, but_of: frozenset[str] = frozenset()) -> Followed:
        """As `Chain.changes`."""
        final = await self._node.final_block()
        if final.height <= after:
            return Followed(upto=None, final=final)
        heights = range(after + 1, min(after + limit, final.height) + 1)
        blocks = await _each([self._block(height) for height in heights])
        known = [(height, one) for height, one in zip(heights, blocks, strict=True) if one is not None]
        # a window without any block is wider than any gap the chain makes: the node has lost them
        if not known or not await self._unbroken(after, known):
            return Followed(upto=None, final=final, missing=True)
        changes: list[Change] = []
        upto: Place | None = None
        for height, block in known:
            try:
                found = await self._named(height, block, final.hash, but_of)
            except _NotYet:
                break
            changes += found
            upto = Place(height=height, hash=block.hash)
        return Followed(upto=upto, final=final, changes=tuple(changes))

    async def _block(self, height: int) -> "_Changed | None":
        """None where the node has no such block: skipped by the chain, or no longer kept."""
        asked = {
            "changes_type": "data_changes", "account_ids": [self._account_id], "key_prefix_base64": "",
            "block_id": height,
        }  # fmt: skip
        try:
            answer = await self._node.question("EXPERIMENTAL_changes", asked)
        except NearError as error:
            if error.cause in ("UNKNOWN_BLOCK", "GARBAGE_COLLECTED_BLOCK"):
                return None
            raise no_answer(error) from None
        listed = of(answer, "changes")
        if not isinstance(listed, list) or len(listed) > MAX_CHANGES:
            raise unavailable("chain node")
        receipts: dict[str, None] = {}
        otherwise = False
        for one in listed:
            cause = of(one, "cause")
            if of(cause, "type") == "receipt_processing":
                receipts[name_of(cause, "receipt_hash")] = None
            else:
                otherwise = True
        return _Changed(name_of(answer, "block_hash"), tuple(receipts), otherwise)

    async def _unbroken(self, after: int, known: Sequence[tuple[int, _Changed]]) -> bool:
        """Whether the heights without a block are ones that the chain skipped: then each block's parent is the one
        known before it. A node that merely lost them cannot show that."""
        before: tuple[int, str] | None = None
        for height, block in known:
            last = after if before is None else before[0]
            if height > last + 1:
                parent = await self._parent(block.hash)
                if before is None:
                    earlier = await self._node.block(after)
                    before = None if earlier is None else (after, earlier.hash)
                if before is None or parent != before[1]:
                    return False
            before = (height, block.hash)
        return True

    async def _parent(self, block_hash: str) -> str:
        try:
            answer = await self._node.question("block", {"block_id": block_hash})
        except NearError as error:
            raise no_answer(error) from None
        return name_of(of(answer, "header"), "prev_hash")

    async def _named(self, height: int, block: _Changed, head: str, but_of: frozenset[str]) -> list[Change]:
        """Raises _NotYet."""
        receipts = block.receipts
        if but_of:
            if len(receipts) > self._senders.cost:
                await self._senders.learn(block.hash)
            receipts = tuple(one for one in receipts if self._senders.of(one) not in but_of)
        found = await _each([self._events(receipt_id, head) for receipt_id in receipts])
        changes: list[Change] = []
        unnamed = block.otherwise
        for receipt_id, events in zip(receipts, found, strict=True):
            unnamed = unnamed or not events
            changes += [
                Change(intent_id=intent_id, event=event, block_height=height, receipt_id=receipt_id)
                for event, intent_id in events
                if intent_id is not None
            ]
        if unnamed:
            changes.append(Change(intent_id=None, event="", block_height=height, receipt_id=""))
        return changes

    async def _events(self, receipt_id: str, head: str) -> Sequence[tuple[str, str | None]]:
        """(event, the intent it names) of what a receipt logged; nothing where the node cannot say."""
        asked = {
            "type": "receipt", "receipt_id": receipt_id, "receiver_id": self._account_id, "light_client_head": head,
        }  # fmt: skip
        try:
            answer = await self._node.question("EXPERIMENTAL_light_client_proof", asked)
        except NearError as error:
            if error.cause in _NOT_YET:
                raise _NotYet from None
            if error.cause in _CANNOT_SAY:
                return ()
            raise no_answer(error) from None
        proof = of(answer, "outcome_proof")
        if name_of(proof, "id") != receipt_id:
            raise unavailable("chain node")  # of another receipt
        logs = of(of(proof, "outcome"), "logs")
        if not isinstance(logs, list):
            raise unavailable("chain node")
        return [event for line in logs for event in events_in(line)]


def events_in(line: object) -> list[tuple[str, str | None]]:
    """(event, the intent it names, None for none) of a log line, if it is a NEP-297 event of our standard."""
    if not isinstance(line, str) or not line.startswith(EVENT):
        return []
    try:
        said = orjson.loads(line[len(EVENT) :])
    except orjson.JSONDecodeError:
        return []
    if not isinstance(said, Mapping) or said.get("standard") != STANDARD:
        return []
    event, data = said.get("event"), said.get("data")
    if not isinstance(event, str):
        return []
    named = [_id_of(one) for one in data] if isinstance(data, list) else []
    return [(event[:64], intent_id) for intent_id in named if intent_id is not None] or [(event[:64], None)]


def _id_of(data: object) -> str | None:
    found = data.get("intent_id") if isinstance(data, Mapping) else None
    return found if isinstance(found, str) and 0 < len(found) <= MAX_ID else None


async def _each(asked: Sequence[Any]) -> list[Any]:
    """All answers in order, AT_ONCE at a time. Raises the first error."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(work: Any) -> Any:
        async with gate:
            return await work

    answers = await asyncio.gather(*(one(work) for work in asked), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers
