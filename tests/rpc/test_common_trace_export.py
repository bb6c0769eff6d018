"""Spans at a real OTLP receiver, and a receiver that is away."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from services.common.observe import trace
from tests.harness.wait import wait_until


class Receiver(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.services: set[str] = set()

    def Export(self, request: Any, context: Any) -> Any:
        for group in request.resource_spans:
            named = {attribute.key: attribute.value.string_value for attribute in group.resource.attributes}
            self.services.add(named["service.name"])
            self.spans += [span for scope in group.scope_spans for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, int]]:
    kept = Receiver()
    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(kept, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield kept, port
    server.stop(None).wait()


def test_spans_arrive_at_once_and_on_shutdown(receiver: tuple[Receiver, int]) -> None:
    kept, port = receiver
    trace.configure("edge", "edge-1", endpoint=f"http://127.0.0.1:{port}")
    with trace.span("first"):
        pass
    assert wait_until(lambda: [span.name for span in kept.spans] == ["first"])
    with trace.span("outer"), trace.span("inner", kind=trace.SERVER):
        pass
    trace.shutdown()
    by_name = {span.name: span for span in kept.spans}
    assert by_name["inner"].parent_span_id == by_name["outer"].span_id
    assert kept.services == {"edge"} and not trace.exporting()


def test_a_receiver_that_is_away_does_not_hold_up_the_end() -> None:
    trace.configure("edge", "edge-1", endpoint="http://127.0.0.1:1")
    with trace.span("lost"):
        pass
    ending = threading.Thread(target=trace.shutdown, daemon=True)
    ending.start()
    ending.join(30)
    assert not ending.is_alive()
