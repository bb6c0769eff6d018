"""JSON-RPC to a NEAR node: over HTTP, or to a node in this process."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import aiohttp
import orjson

from services.common.chain.near.errors import NearError, near_error
from services.common.errors import IntentError, Reason, unavailable

DEFAULT_TIMEOUT: Final = 5.0
CONNECT_TIMEOUT: Final = 3.0
PROMPT: Final = 256
"""Connections for what a node answers at once."""
HELD: Final = 1_000
"""Connections for answers that a node holds back, where nobody says how many."""
MAX_ANSWER: Final = 8 << 20
"""Bytes of one answer; a node gone wrong must not fill this process."""


class Transport(Protocol):
    """One JSON-RPC call."""

    async def call(self, method: str, params: object, *, timeout: float = DEFAULT_TIMEOUT) -> Any:
        """The `result`. Raises NearError for the node's own error, IntentError DEPENDENCY_UNAVAILABLE or
        DEADLINE_EXCEEDED when there is no answer within `timeout` seconds."""
        ...


class HttpTransport:
    """POSTs to one URL over pooled connections: `held` for calls that may take longer than DEFAULT_TIMEOUT, `prompt`
    for all others. Use `open_http`."""

    def __init__(self, url: str, *, prompt: aiohttp.ClientSession, held: aiohttp.ClientSession) -> None:
        self._url = url
        self._prompt = prompt
        self._held = held
        self._ids = itertools.count(1)

    async def call(self, method: str, params: object, *, timeout: float = DEFAULT_TIMEOUT) -> Any:
        request_id = next(self._ids)
        body = orjson.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
        bounds = aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT_TIMEOUT)
        try:
            # nobody is followed elsewhere: the URL is the operator's choice, a redirect the node's
            session = self._held if timeout > DEFAULT_TIMEOUT else self._prompt
            async with session.post(self._url, data=body, timeout=bounds, allow_redirects=False) as response:
                raw = await _bounded(response)
        except TimeoutError:
            raise IntentError(
                Reason.DEADLINE_EXCEEDED,
                "The chain node did not answer in time.",
                metadata={"dependency": "chain"},
            ) from None
        except (aiohttp.ClientError, OSError, ValueError):
            # their own words may hold the URL, and with it a key
            raise unavailable("chain node") from None
        # nearcore gives its errors HTTP status codes too: the body is read whatever the code
        try:
            answer = orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise unavailable("chain node") from None
        if not isinstance(answer, Mapping) or answer.get("id") not in (request_id, str(request_id)):
            raise unavailable("chain node")  # the answer to another question
        return unpack(answer)


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    chunks, size = [], 0
    if (response.content_length or 0) > MAX_ANSWER:
        raise unavailable("chain node")
    async for chunk in response.content.iter_chunked(1 << 16):
        size += len(chunk)
        if size > MAX_ANSWER:
            raise unavailable("chain node")
        chunks.append(chunk)
    return b"".join(chunks)


def unpack(answer: object) -> Any:
    """The result of a JSON-RPC answer. Raises NearError, also for a view's error in its old place."""
    if not isinstance(answer, Mapping) or ("result" not in answer and not answer.get("error")):
        raise unavailable("chain node")
    if answer.get("error"):
        raise near_error(answer["error"])
    result = answer["result"]
    if isinstance(result, Mapping) and isinstance(result.get("error"), str) and "result" not in result:
        # nearcore's `query` answered a failing view this way for years, and some nodes still do
        raise NearError("HANDLER_ERROR", "CONTRACT_EXECUTION_ERROR", message=result["error"])
    return result


@asynccontextmanager
async def open_http(url: str, *, held: int = HELD) -> AsyncIterator[HttpTransport]:
    """Connections to the node at `url` are kept and closed at the end. Answers that are held until final have `held`
    connections of their own: while the chain stands still they fill them all, and a broadcast must not wait for it."""
    async with _session(PROMPT) as prompt, _session(held) as patient:
        yield HttpTransport(url, prompt=prompt, held=patient)


def _session(connections: int) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=30)
    # nothing is unpacked here: a small answer that grows huge is not for us
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    return aiohttp.ClientSession(
        connector=connector, headers=headers, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    )


def endpoint_name(url: str) -> str:
    """Host and port of a node's URL: what logs may say of it. User, path and query may hold a key.

    Raises ValueError for what is no http:// or https:// URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http:// or https:// URL")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{host}:{parts.port}" if parts.port else host


class LocalTransport:
    """A node in this process: `handle(method, params)` returns the result or raises `refusal`, whose `error_of`
    is the NEAR error object; an OSError is a node that is away."""

    def __init__(
        self,
        handle: Callable[[str, Any], Awaitable[Any]],
        refusal: type[Exception],
        error_of: Callable[[Any], object],
    ) -> None:
        self._handle = handle
        self._refusal = refusal
        self._error_of = error_of

    async def call(self, method: str, params: object, *, timeout: float = DEFAULT_TIMEOUT) -> Any:
        try:
            async with asyncio.timeout(timeout):
                return unpack({"result": await self._handle(method, params)})
        except TimeoutError:
            raise IntentError(
                Reason.DEADLINE_EXCEEDED,
                "The chain node did not answer in time.",
                metadata={"dependency": "chain"},
            ) from None
        except OSError:
            raise unavailable("chain node") from None
        except self._refusal as error:
            raise near_error(self._error_of(error)) from None
