"""Who may ask the processor: whoever has the operator's token; without one set, callers on loopback alone.

An interceptor stands before every method of the service, one that comes later too: what is not admitted is denied. With
a token set loopback is not enough: a proxy beside the process would make everybody a caller from there.
"""

import hmac
import ipaddress
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast
from urllib.parse import unquote

import grpc

from services.common.config import SettingError
from services.common.errors import IntentError, Reason
from services.common.observe import Observe, logs, metrics

logger: Final = logging.getLogger(__name__)

MIN_TOKEN: Final = 16
MAX_TOKEN: Final = 4_096
Context = grpc.aio.ServicerContext[Any, Any]


def check_token(token: str | None) -> str | None:
    """`token` if it is one that cannot be guessed. Raises SettingError."""
    if token is not None and not MIN_TOKEN <= len(token) <= MAX_TOKEN:
        raise SettingError(f"ADMIN_TOKEN: {MIN_TOKEN} to {MAX_TOKEN} characters are expected")
    return token


class Admission(grpc.aio.ServerInterceptor):
    """`token` None admits loopback alone."""

    def __init__(self, token: str | None, observe: Observe) -> None:
        self._token = None if token is None else token.encode()
        self._denied = metrics.counter(
            observe.registry, "processor_admin_denied_total", "Operators' calls that were not admitted"
        )()

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """The handler behind a check of each of its calls."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        if handler.request_streaming or handler.response_streaming:
            raise IntentError(Reason.PERMISSION_DENIED, "No stream is admitted here.")
        inner = handler.unary_unary

        async def unary(request: Any, context: Context) -> Any:
            self.admit(context)
            return await inner(request, context)

        return grpc.unary_unary_rpc_method_handler(
            unary, handler.request_deserializer, handler.response_serializer
        )

    def admit(self, context: Context) -> None:
        """Raises UNAUTHENTICATED, or PERMISSION_DENIED where no token is set."""
        peer = context.peer()
        if self._token is None:
            if not on_loopback(peer):
                raise self._deny(
                    peer,
                    Reason.PERMISSION_DENIED,
                    "Without ADMIN_TOKEN only callers on this machine's loopback are admitted.",
                )
            return
        given = _bearer(context)
        if not hmac.compare_digest(given, self._token):
            raise self._deny(
                peer, Reason.UNAUTHENTICATED, "The operator's token is needed: authorization: Bearer <token>."
            )

    def _deny(self, peer: str, reason: Reason, message: str) -> IntentError:
        self._denied.inc()
        logs.event(logger, logging.WARNING, "admin.denied", peer=peer, reason=str(reason))
        return IntentError(reason, message)


def on_loopback(peer: str) -> bool:
    """Of a gRPC peer, such as ipv4:127.0.0.1:5 or ipv6:%5B::1%5D:5; what cannot be read is not."""
    kind, _, rest = unquote(peer).partition(":")
    if kind == "unix":
        return True
    if kind not in ("ipv4", "ipv6"):
        return False
    host = rest.rpartition(":")[0].removeprefix("[").removesuffix("]").partition("%")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _bearer(context: Context) -> bytes:
    for key, value in cast("tuple[tuple[str, str | bytes], ...]", context.invocation_metadata() or ()):
        if key == "authorization" and isinstance(value, str):
            scheme, _, token = value.strip().partition(" ")
            if scheme.lower() == "bearer":
                return token.strip().encode("utf-8", "surrogateescape")[: MAX_TOKEN + 1]
    return b""
