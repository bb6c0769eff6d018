"""Questions to one NEAR node: each shared by whoever asks it at the same time, its answer read strictly."""

import asyncio
import base64
import json
from collections import OrderedDict
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Final, TypeVar

from services.common.chain.near.errors import Advice, NearError, advice, invalid_transaction_kind
from services.common.chain.near.shared import Shared
from services.common.chain.near.transport import Transport
from services.common.chain.port import Block
from services.common.domain.strictjson import StrictJsonError, loads
from services.common.errors import IntentError, Reason, unavailable

T = TypeVar("T")

MAX_VIEW: Final = 64 * 1024
TOO_LARGE: Final = "TOO_LARGE"
"""The cause in the metadata of an answer of more bytes than were asked for."""
"""Bytes of a view's answer."""
CONCURRENT_VIEWS: Final = 32
MAX_HEIGHT: Final = 2**63 - 1
_KNOWN_BLOCKS: Final = 1024
_NAME: Final = 128
"""Characters of a hash or a name at most."""


class Questions:
    """`transport` leads to one node, or to many behind one address."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._shared = Shared()
        self._gate = asyncio.Semaphore(CONCURRENT_VIEWS)
        self._heights: OrderedDict[str, int] = OrderedDict()

    async def question(self, method: str, params: object, *, timeout: float | None = None) -> Any:
        """The result. Asked once more where another try may answer. Raises NearError, or IntentError for no answer."""
        bound = {} if timeout is None else {"timeout": timeout}
        for attempt in (1, 2):
            try:
                return await self._transport.call(method, params, **bound)
            except NearError as error:
                if attempt == 2 or advice(error) is not Advice.RETRY_NOW:
                    raise
        raise AssertionError("unreachable")

    async def ask(self, method: str, params: object) -> Any:
        """A question whose only good answer is a result."""
        try:
            return await self.question(method, params)
        except NearError as error:
            raise no_answer(error) from None

    async def final_block(self) -> Block:
        """The final block, as of a moment after this call."""
        return await self._shared.fresh("final", lambda: self._block({"finality": "final"}))

    async def block(self, at: int | str) -> Block | None:
        """The block of a height or a hash, None where the node does not have it."""
        try:
            return self._read_block(await self.question("block", {"block_id": at}), at)
        except NearError as error:
            if error.cause == "UNKNOWN_BLOCK":
                return None
            raise no_answer(error) from None

    async def height(self, block_hash: str) -> int:
        """Of a block the node has. Raises IntentError if it does not."""
        known = self._heights.get(block_hash)
        if known is None:
            found = await self._shared.fixed(("block", block_hash), lambda: self.block(block_hash))
            if found is None:
                raise unavailable("chain node")
            known = found.height
        return known

    async def view(
        self,
        contract_id: str,
        method: str,
        args: Mapping[str, Any],
        at: Block | None,
        *,
        most: int = MAX_VIEW,
    ) -> tuple[bytes, int]:
        """What a view returned, `most` bytes, and the height it holds at: at block `at`, else at the final one.

        Raises NearError, or IntentError for no answer."""
        where = {"finality": "final"} if at is None else {"block_id": at.hash}
        arguments = arguments_of(args)
        params = {
            "request_type": "call_function", **where, "account_id": contract_id, "method_name": method,
            "args_base64": base64.b64encode(arguments).decode(),
        }  # fmt: skip

        async def call() -> tuple[bytes, int]:
            async with self._gate:
                answer = await self.question("query", params)
            height = number_of(answer, "block_height", MAX_HEIGHT)
            if at is not None and height != at.height:
                raise unavailable("chain node")  # an answer as of another block than asked
            return _returned(answer, most), height

        key = (contract_id, method, arguments, "" if at is None else at.hash)
        # what holds at a block holds for ever; what is final now is another matter in a moment
        return await (self._shared.fresh(key, call) if at is None else self._shared.fixed(key, call))

    async def json_view(
        self, contract_id: str, method: str, args: Mapping[str, Any], at: Block | None
    ) -> tuple[Any, int]:
        """The same as JSON, None for nothing returned. Raises IntentError alone."""
        try:
            raw, height = await self.view(contract_id, method, args, at)
        except NearError as error:
            raise no_answer(error) from None
        return self.read(raw), height

    def read(self, raw: bytes, *, most: int = MAX_VIEW) -> Any:
        """A view's answer as JSON, None for nothing returned. Raises IntentError."""
        try:
            return loads(raw, max_bytes=most) if raw else None
        except StrictJsonError:
            raise unavailable("chain node") from None

    async def _block(self, params: Mapping[str, object]) -> Block:
        return self._read_block(await self.ask("block", params), None)

    def _read_block(self, answer: object, asked: int | str | None) -> Block:
        header = of(answer, "header")
        stamp = (
            header.get("timestamp_nanosec", header.get("timestamp")) if isinstance(header, Mapping) else None
        )
        block = Block(
            hash=name_of(header, "hash"),
            height=number_of(header, "height", MAX_HEIGHT),
            timestamp_ns=whole(stamp, MAX_HEIGHT),
        )
        if asked not in (None, block.hash, block.height):
            raise unavailable("chain node")  # another block than asked for
        self._heights[block.hash] = block.height
        while len(self._heights) > _KNOWN_BLOCKS:
            self._heights.popitem(last=False)
        return block


def no_answer(error: NearError) -> IntentError:
    """A node's refusal to answer a question, as the port tells it: the chain could not be asked."""
    reason = Reason.DEADLINE_EXCEEDED if error.cause == "TIMEOUT_ERROR" else Reason.DEPENDENCY_UNAVAILABLE
    kind = error.cause or error.name or invalid_transaction_kind(error)
    metadata = {"dependency": "chain", "cause": kind[:100]}
    if advice(error) is Advice.FINAL:
        metadata["again"] = "no"
    return IntentError(reason, "The chain node could not answer.", metadata=metadata, retry_after=1.0)


async def answered(asked: Sequence[Awaitable[T]]) -> list[T | IntentError]:
    """All answers in order; an IntentError stands in its item's place, anything else is raised."""
    answers: list[T | IntentError] = []
    for answer in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(answer, BaseException) and not isinstance(answer, IntentError):
            raise answer
        answers.append(answer)
    return answers


def arguments_of(args: Mapping[str, Any]) -> bytes:
    """A call's arguments as the contract reads them."""
    return json.dumps(args, separators=(",", ":"), ensure_ascii=False).encode()


def of(answer: object, key: str) -> Any:
    """A member of an answer. Raises IntentError where there is none."""
    if not isinstance(answer, Mapping) or key not in answer:
        raise unavailable("chain node")
    return answer[key]


def number_of(answer: object, key: str, most: int) -> int:
    """A member that is a whole number, or its decimal text, from 0 to `most`. Raises IntentError."""
    return whole(of(answer, key), most)


def whole(value: object, most: int) -> int:
    """A whole number, or its decimal text, from 0 to `most`. Raises IntentError."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 39:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise unavailable("chain node")
    return value


def name_of(answer: object, key: str) -> str:
    """A member that is a short text. Raises IntentError."""
    value = of(answer, key)
    if not isinstance(value, str) or not 0 < len(value) <= _NAME:
        raise unavailable("chain node")
    return value


def _returned(answer: object, most: int) -> bytes:
    returned = of(answer, "result")
    if not isinstance(returned, list):
        raise unavailable("chain node")
    if len(returned) > most:
        metadata = {"dependency": "chain", "cause": TOO_LARGE}
        raise IntentError(
            Reason.DEPENDENCY_UNAVAILABLE, "The chain node's answer is too large.", metadata=metadata
        )
    try:
        return bytes(returned)
    except (TypeError, ValueError):
        raise unavailable("chain node") from None
