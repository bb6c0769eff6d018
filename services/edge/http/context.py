"""What the handlers of one HTTP server share."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
from aiohttp import web

from services.common.domain import strictjson
from services.common.errors import IntentError, Reason
from services.common.observe import trace
from services.common.rpc.errors import problem
from services.edge.auth import Authenticator
from services.edge.limits.address import Network, client_address
from services.edge.model import Caller, invalid
from services.edge.observe import Vocabulary
from services.edge.service import Edge

REQUEST_ID: Final = "X-Request-Id"
CODINGS: Final = ("identity", "gzip", "deflate")
"""Of a body."""
HEADERS: Final = web.RequestKey("headers", dict[str, str])
"""Headers that go with every answer to a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """`deadline` in seconds; `max_requests` at once before OVERLOADED is answered; `ready` is False while draining."""

    edge: Edge
    authenticator: Authenticator
    seen: Vocabulary
    trusted: Sequence[Network]
    deadline: float
    max_requests: int
    max_body_bytes: int
    origins: Sequence[str]
    ready: Callable[[], bool]


def caller(shared: Shared, request: web.Request) -> Caller:
    """Raises UNAUTHENTICATED."""
    return shared.authenticator.caller(
        request.headers.get("Authorization"),
        client_address(request.remote or "", request.headers.getall("X-Forwarded-For", ()), shared.trusted),
    )


def answer(
    body: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """JSON."""
    return web.Response(
        body=orjson.dumps(body), status=status, content_type="application/json", headers=dict(headers or {})
    )


def refuse(error: IntentError) -> web.Response:
    """problem+json, with the headers that go with the reason."""
    context = trace.current()
    body = problem(error, None if context is None else f"{context.trace_id:032x}")
    headers = {}
    if "retryAfter" in body:
        headers["Retry-After"] = str(body["retryAfter"])
    if error.reason is Reason.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    if "allow" in error.metadata:
        headers["Allow"] = error.metadata["allow"]
    response = web.Response(
        body=orjson.dumps(body),
        status=body["status"],
        content_type="application/problem+json",
        headers=headers,
    )
    if error.reason is Reason.PAYLOAD_TOO_LARGE:
        # what is still on its way is not waited for
        response.force_close()
    return response


async def body_of(shared: Shared, request: web.Request, *, optional: bool = False) -> Any:
    """The JSON body, strictly read. Raises PAYLOAD_TOO_LARGE before reading it, UNSUPPORTED_MEDIA_TYPE,
    MALFORMED_REQUEST. `optional`: an absent one is an empty object."""
    limit = shared.max_body_bytes
    if request.content_length is not None and request.content_length > limit:
        raise _too_large(limit)
    if optional and not request.can_read_body:
        return {}
    if request.content_type != "application/json":
        raise IntentError(Reason.UNSUPPORTED_MEDIA_TYPE, "The body must be application/json.")
    if request.headers.get("Content-Encoding", "identity").lower() not in CODINGS:
        raise IntentError(
            Reason.UNSUPPORTED_MEDIA_TYPE, f"The body may be encoded as one of {', '.join(CODINGS)}."
        )
    try:
        raw = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _too_large(limit) from None
    try:
        return strictjson.loads(raw, max_bytes=limit)
    except strictjson.StrictJsonError as error:
        raise IntentError(Reason.MALFORMED_REQUEST, f"The body cannot be read as JSON: {error}.") from None


def query_of(request: web.Request, allowed: Sequence[str]) -> dict[str, str]:
    """Query parameters, each at most once. Raises INVALID_FIELD naming an unknown or repeated one."""
    found: dict[str, str] = {}
    for name, value in request.query.items():
        if name not in allowed:
            raise invalid(name[:64], f"is not a parameter here; known are {', '.join(allowed) or 'none'}")
        if name in found:
            raise invalid(name, "is given twice")
        found[name] = value
    return found


async def expected(request: web.Request) -> None:
    """Answers `Expect: 100-continue`; whatever else is expected is passed over, as RFC 9110 allows."""
    if request.version >= (1, 1) and request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # those bytes are no part of the answer
        request.writer.output_size = 0


@contextmanager
def named(**parameters: str) -> Iterator[None]:
    """Refusals of a field that has another name as a parameter name the parameter."""
    try:
        yield
    except IntentError as error:
        renamed = [
            replace(
                one,
                field=parameters[one.field],
                message=f"{parameters[one.field]}{one.message.removeprefix(one.field)}",
            )
            if one.field in parameters
            else one
            for one in error.violations
        ]
        if renamed:
            error.message, error.violations = renamed[0].message, renamed
        raise


def whole(query: Mapping[str, str], name: str, highest: int) -> int:
    """A parameter that is a whole number, 0 if absent. Raises INVALID_FIELD."""
    text = query.get(name, "")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and int(text) <= highest):
        raise invalid(name, f"must be a whole number from 0 to {highest}")
    return int(text)


def switch(query: Mapping[str, str], name: str) -> bool:
    """A parameter that is true or false, false if absent. Raises INVALID_FIELD."""
    text = query.get(name, "false")
    if text not in ("true", "false"):
        raise invalid(name, "must be true or false")
    return text == "true"


def _too_large(limit: int) -> IntentError:
    return IntentError(
        Reason.PAYLOAD_TOO_LARGE,
        f"The body is larger than {limit} bytes.",
        metadata={"max_bytes": str(limit)},
    )
