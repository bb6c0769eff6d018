"""Traces at the price they are worth: real spans when recorded and exported, bare ids otherwise.

The current span lives in one ContextVar of our own. Ids always exist inside a span, so that logs can be
joined; a span is recorded only if an exporter is set up and its trace is sampled. Several services in
one process share one provider; their spans carry the attribute `service`.
"""

import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)
from opentelemetry.util.types import AttributeValue

INTERNAL: Final = SpanKind.INTERNAL
SERVER: Final = SpanKind.SERVER
CLIENT: Final = SpanKind.CLIENT
PRODUCER: Final = SpanKind.PRODUCER
CONSUMER: Final = SpanKind.CONSUMER

FLUSH_MS: Final = 2_000
"""Longest wait for the exporter at shutdown, in ms: a receiver that is away must not hold up a drain."""

_current: ContextVar[Span | None] = ContextVar("span", default=None)
_provider: TracerProvider | None = None
_tracer: Tracer | None = None


def configure(
    service: str,
    instance: str,
    *,
    endpoint: str | None = None,
    ratio: float = 1.0,
    exporter: SpanExporter | None = None,
) -> None:
    """Set up the process's provider; without `endpoint` or `exporter` nothing is recorded.

    `exporter` is for tests and exports each span at once. A provider set up before is shut down.
    """
    global _provider, _tracer
    shutdown()
    if endpoint is None and exporter is None:
        return
    resource = Resource.create({"service.name": service, "service.instance.id": instance})
    provider = TracerProvider(
        resource=resource, sampler=ParentBased(TraceIdRatioBased(ratio)), shutdown_on_exit=False
    )
    if exporter is not None:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    else:
        # imported here: a process that exports nothing need not load a second gRPC stack
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        otlp = OTLPSpanExporter(endpoint=endpoint, insecure=not str(endpoint).startswith("https"), timeout=2)
        provider.add_span_processor(BatchSpanProcessor(otlp, schedule_delay_millis=500))
    _provider = provider
    _tracer = provider.get_tracer("intents")


def shutdown() -> None:
    """Flush and forget the provider; returns within about FLUSH_MS even if the receiver is away."""
    global _provider, _tracer
    provider, _provider, _tracer = _provider, None, None
    if provider is None:
        return
    ender = threading.Thread(target=_end, args=(provider,), daemon=True, name="trace-shutdown")
    ender.start()
    ender.join(FLUSH_MS / 1000)


def _end(provider: TracerProvider) -> None:
    provider.force_flush(FLUSH_MS)
    provider.shutdown()


def exporting() -> bool:
    """Whether spans can be recorded at all in this process."""
    return _tracer is not None


def start(
    name: str,
    *,
    kind: SpanKind = INTERNAL,
    parent: SpanContext | None = None,
    links: Sequence[SpanContext] = (),
    attributes: Mapping[str, AttributeValue] | None = None,
) -> Span:
    """A span that the caller ends; child of `parent`, else of the current span, else a root."""
    if parent is None:
        parent = current()
    if _tracer is None or (parent is not None and not parent.trace_flags & 1):
        return NonRecordingSpan(_unrecorded(parent))
    return _tracer.start_span(
        name,
        context=None if parent is None else set_span_in_context(NonRecordingSpan(parent)),
        kind=kind,
        links=[Link(link) for link in links if link.trace_flags & 1],
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    )


@contextmanager
def span(
    name: str,
    *,
    kind: SpanKind = INTERNAL,
    parent: SpanContext | str | None = None,
    links: Sequence[SpanContext | str] = (),
    attributes: Mapping[str, AttributeValue] | None = None,
) -> Iterator[Span]:
    """Run the body inside a span. `parent` and `links` may be traceparent texts; invalid ones are ignored."""
    contexts = [context for context in map(_context, links) if context is not None]
    made = start(name, kind=kind, parent=_context(parent), links=contexts, attributes=attributes)
    token = _current.set(made)
    try:
        yield made
    except Exception as error:
        fail(made, type(error).__name__)
        raise
    finally:
        _current.reset(token)
        made.end()


def fail(failed: Span, why: str) -> None:
    """Mark the span as failed; `why` is a reason, not a text with values in it."""
    if failed.is_recording():
        failed.set_status(Status(StatusCode.ERROR, why))


def use(entered: Span | None) -> None:
    """Make `entered` current for the rest of this context (a task of its own); `span` restores, this doesn't."""
    _current.set(entered)


def current_span() -> Span | None:
    """The span being in, recorded or not."""
    return _current.get()


def current() -> SpanContext | None:
    """Ids of the span being in."""
    entered = _current.get()
    return None if entered is None else entered.get_span_context()


def current_traceparent() -> str:
    """W3C traceparent of the span being in, "" outside any."""
    context = current()
    return "" if context is None else traceparent_of(context)


def traceparent_of(context: SpanContext) -> str:
    """W3C traceparent text."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


_HEX: Final = frozenset("0123456789abcdef")


def context_from(traceparent: str | None) -> SpanContext | None:
    """Ids of a W3C traceparent; None for an absent or invalid one (never an error: it comes from strangers)."""
    if not traceparent or len(traceparent) < 55 or len(traceparent) > 512:
        return None
    parts = traceparent.split("-")
    if len(parts) < 4 or [len(part) for part in parts[:4]] != [2, 32, 16, 2]:
        return None
    if parts[0] == "ff" or (parts[0] == "00" and len(parts) != 4) or not _HEX.issuperset("".join(parts[:4])):
        return None
    trace_id, span_id = int(parts[1], 16), int(parts[2], 16)
    if not trace_id or not span_id:
        return None
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(int(parts[3], 16) & 3))


def _context(given: SpanContext | str | None) -> SpanContext | None:
    return context_from(given) if isinstance(given, str) else given


def _unrecorded(parent: SpanContext | None) -> SpanContext:
    # an unsampled parent's ids go on; a sampled one met where nothing is exported keeps its own span id,
    # so that what the next service records hangs on a span that exists
    if parent is None:
        return SpanContext(random.getrandbits(128) or 1, random.getrandbits(64) or 1, is_remote=False)
    if parent.trace_flags & 1:
        return parent
    return SpanContext(parent.trace_id, random.getrandbits(64) or 1, is_remote=False)
