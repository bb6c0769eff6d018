"""One submission through seven processes is one trace at a real OTLP receiver."""

import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from opentelemetry import trace

from intents_client import Client, connect
from tests.harness import otlp, shapes
from tests.harness.otlp import Kept
from tests.harness.shapes import Shape
from tests.harness.signing import Wallet, to_proto
from tests.harness.wait import eventually

pytestmark = pytest.mark.xdist_group("cluster")

SERVICES = {"edge", "validator", "cache", "store", "processor", "notifier"}
SPAN = 0x5EED5EED5EED5EED
"""Of the client, in every trace; no process sends it."""


@pytest_asyncio.fixture
async def shape(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shape]:
    async with shapes.processes(shapes.shared_cluster(request.config, tmp_path_factory)) as opened:
        yield opened


def orphans(spans: list[Kept]) -> list[Kept]:
    """Spans whose parent is neither among them nor the client's own."""
    known = {span.span for span in spans} | {f"{SPAN:016x}"}
    return [span for span in spans if span.parent not in known]


async def submit(client: Client, trace_id: int) -> None:
    ours = trace.SpanContext(trace_id, SPAN, is_remote=False, trace_flags=trace.TraceFlags(1))
    body = Wallet().sign_plain()
    with trace.use_span(trace.NonRecordingSpan(ours)):
        await client.submit(to_proto(body))
    await client.wait(body["id"], timeout=30)


async def test_one_submission_is_one_connected_trace_over_all_services(shape: Shape) -> None:
    with otlp.receiving(shape.otlp_port) as receiver:

        def whole(trace_id: int) -> bool:
            spans = receiver.of(f"{trace_id:032x}")
            # what is still on its way leaves children without their parents
            assert {span.service for span in spans} >= SERVICES, sorted({span.service for span in spans})
            assert orphans(spans) == []
            return any(span.name == "processor.process" for span in spans)

        first, second = (random.getrandbits(127) + 1 for _ in range(2))
        async with connect(shape.target, deadline=15) as client:
            for trace_id in (first, second):
                await submit(client, trace_id)
                await eventually(lambda trace_id=trace_id: whole(trace_id), 15)
        # by now nothing of the first is on its way any more
        assert whole(first)
        spans = receiver.of(f"{first:032x}")
        assert len({span.span for span in spans}) == len(spans)
        assert [span.name for span in spans if span.parent == f"{SPAN:016x}"] == [
            "intents.v1.IntentService/SubmitIntent"
        ]
        steps = {span.name for span in spans if span.service == "processor"}
        assert {"processor.process", "processor.pending", "processor.verified"} <= steps
