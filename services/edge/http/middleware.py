"""What surrounds every HTTP handler, outermost first: request id and trace, metrics, CORS, shedding, deadline,
and errors made into problem+json. An unexpected exception becomes INTERNAL with a fixed text."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from typing import Final, cast

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from services.common.domain.intent import ID_PATTERN
from services.common.errors import IntentError, Reason
from services.common.observe import logs, trace
from services.common.rpc import deadline
from services.edge.http.context import HEADERS, REQUEST_ID, Shared, refuse

logger = logging.getLogger(__name__)

SOCKET_IO: Final = "/socket.io/"
_ALLOWED_HEADERS: Final = "Authorization, Content-Type, Last-Event-ID, X-Request-Id, traceparent"


class Surround:
    """The one middleware of a server."""

    def __init__(self, shared: Shared, crowded: Callable[[], bool]) -> None:
        """`crowded`: no further socket.io connection can be taken."""
        self._shared = shared
        self._crowded = crowded
        self._in_flight = 0

    def middleware(self) -> Middleware:
        """As aiohttp wants it."""

        @web.middleware
        async def surround(request: web.Request, handler: Handler) -> web.StreamResponse:
            route = _route(request)
            if route == SOCKET_IO:
                if "sid" not in request.query and self._crowded():
                    return refuse(
                        IntentError(
                            Reason.OVERLOADED, "All connections of this replica are taken.", retry_after=1
                        )
                    )
                return await handler(request)
            return await self._served(request, handler, route)

        return cast(Middleware, surround)

    async def _served(self, request: web.Request, handler: Handler, route: str) -> web.StreamResponse:
        seen, started = self._shared.seen, time.perf_counter()
        seen.http_in_flight().inc()
        status = "cancelled"
        try:
            with trace.span(
                f"HTTP {request.method} {route}",
                kind=trace.SERVER,
                parent=request.headers.get("traceparent"),
                attributes={"service": "edge"},
            ):
                response = await self._answered(request, handler, route)
            status = str(response.status)
            return response
        finally:
            seen.http_in_flight().dec()
            seen.http_requests(route, _method(request), status).inc()
            seen.http_duration(route).observe(time.perf_counter() - started)

    async def _answered(self, request: web.Request, handler: Handler, route: str) -> web.StreamResponse:
        given = request.headers.get(REQUEST_ID, "")
        request_id = given if ID_PATTERN.fullmatch(given) else secrets.token_hex(8)
        headers = {
            REQUEST_ID: request_id,
            "Server": "intents",
            "X-Content-Type-Options": "nosniff",
            **self._cors(request),
        }
        # an event stream sends its headers before it returns
        request[HEADERS] = headers
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            response: web.StreamResponse = web.Response(status=204)
        else:
            response = await self._caught(request, handler, route)
        if not response.prepared:
            response.headers.update(headers)
            if not self._shared.ready():
                # a client that keeps its connection would find it closed the next time
                response.force_close()
            if route.startswith("/api/"):
                response.headers.setdefault("Cache-Control", "no-store")
        return response

    async def _caught(self, request: web.Request, handler: Handler, route: str) -> web.StreamResponse:
        streaming = route.endswith("/events")
        counted = route.startswith("/api/") and not streaming
        if counted and self._in_flight >= self._shared.max_requests:
            return refuse(
                IntentError(
                    Reason.OVERLOADED, "The service has no room for this call right now.", retry_after=0.5
                )
            )
        self._in_flight += counted
        try:
            if streaming:
                return await handler(request)
            seconds = self._shared.deadline
            with deadline.deadline_scope(seconds):
                async with asyncio.timeout(seconds):
                    return await handler(request)
        except IntentError as error:
            return refuse(error)
        except web.HTTPException as error:
            return refuse(_typed(error))
        except TimeoutError:
            return refuse(
                IntentError(
                    Reason.DEADLINE_EXCEEDED, f"The call took longer than {self._shared.deadline:g} s."
                )
            )
        except ConnectionError:
            raise
        except Exception as error:
            return refuse(unexpected(error, route))
        finally:
            self._in_flight -= counted

    def _cors(self, request: web.Request) -> dict[str, str]:
        origin, allowed = request.headers.get("Origin"), self._shared.origins
        if origin is None or not allowed:
            return {}
        if "*" not in allowed and origin not in allowed:
            return {"Vary": "Origin"}
        return {
            "Access-Control-Allow-Origin": "*" if "*" in allowed else origin,
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": _ALLOWED_HEADERS,
            "Access-Control-Expose-Headers": f"Location, Retry-After, {REQUEST_ID}",
            "Vary": "Origin",
        }


def unexpected(error: BaseException, where: str) -> IntentError:
    """INTERNAL with an id that the log has, and nothing else of the cause."""
    error_id = secrets.token_hex(6)
    logs.event(logger, logging.ERROR, "http.failed", route=where, error_id=error_id, exc_info=error)
    return IntentError(
        Reason.INTERNAL,
        f"The service failed on this call; its log has the cause under id {error_id}.",
        metadata={"error_id": error_id},
    )


def _typed(error: web.HTTPException) -> IntentError:
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return IntentError(
            Reason.METHOD_NOT_ALLOWED, f"This route takes {allowed}.", metadata={"allow": allowed}
        )
    if isinstance(error, web.HTTPNotFound):
        return IntentError(Reason.NOT_FOUND_ROUTE, "There is no such route; /openapi.json lists all.")
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return IntentError(Reason.PAYLOAD_TOO_LARGE, "The body is too large.")
    return IntentError(Reason.MALFORMED_REQUEST, "The request cannot be read.")


def _route(request: web.Request) -> str:
    """The route's pattern: bounded, whatever is asked for."""
    resource = request.match_info.route.resource
    return "unknown" if resource is None else resource.canonical


def _method(request: web.Request) -> str:
    return request.method if request.method in ("GET", "POST", "HEAD", "OPTIONS") else "other"
