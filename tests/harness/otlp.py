"""A real OTLP receiver over gRPC that keeps the spans it is sent."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A span as it arrived; ids in hex, `parent` empty for a root. `links` are span ids of any trace."""

    service: str
    name: str
    trace: str
    span: str
    parent: str
    links: tuple[str, ...]


class Receiver(trace_service_pb2_grpc.TraceServiceServicer):
    """`spans` in the order they came."""

    def __init__(self) -> None:
        self.spans: list[Kept] = []

    def Export(self, request: Any, context: Any) -> Any:
        for group in request.resource_spans:
            named = {one.key: one.value.string_value for one in group.resource.attributes}
            for scope in group.scope_spans:
                self.spans += [
                    Kept(
                        service=named["service.name"],
                        name=span.name,
                        trace=span.trace_id.hex(),
                        span=span.span_id.hex(),
                        parent=span.parent_span_id.hex(),
                        links=tuple(link.span_id.hex() for link in span.links),
                    )
                    for span in scope.spans
                ]
        return trace_service_pb2.ExportTraceServiceResponse()

    def of(self, trace: str) -> list[Kept]:
        """All of one trace."""
        return [span for span in self.spans if span.trace == trace]


@contextmanager
def receiving(port: int) -> Iterator[Receiver]:
    """Listens on loopback until left."""
    kept = Receiver()
    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(kept, server)
    if server.add_insecure_port(f"127.0.0.1:{port}") == 0:
        raise OSError(f"port {port} is taken")
    server.start()
    try:
        yield kept
    finally:
        server.stop(None).wait()
