"""Logs, traces, metrics and the admin port, as others read them."""

import asyncio
import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.common.observe import Observe, logs, metrics, trace
from services.common.observe.admin import serve_admin

logger = logging.getLogger("tests.observe")


@pytest.fixture
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    trace.configure("test", "test-1", exporter=exporter)
    yield exporter
    trace.shutdown()


def written(format: str, level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    logs.configure(format, level, "edge", "edge-1", stream=stream)
    return stream


@pytest.mark.usefixtures("restored")
def test_a_json_line_has_its_ids_and_fields() -> None:
    stream = written("json")
    with trace.span("work"):
        context = trace.current()
        token = logs.intent_id.set("abc")
        logs.event(logger, logging.INFO, "intent.stored", version=2, level="mine", parts=(1, 2))
        logs.intent_id.reset(token)
    line = json.loads(stream.getvalue())
    assert context is not None
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "info", "service": "edge", "instance": "edge-1", "logger": "tests.observe",
        "event": "intent.stored", "trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}",
        "intent_id": "abc", "version": 2, "field_level": "mine", "parts": [1, 2],
    }  # fmt: skip


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("format", ["json", "console"])
def test_no_secret_reaches_a_line(format: str) -> None:
    stream = written(format)
    secret = "hunter2hunter2"
    keys = ("token", "secret", "private_key", "privateKey", "authorization", "Authorization", "password",
            "client_secret", "api_key", "access_token", "x-api-key")  # fmt: skip
    for key in keys:
        logs.event(logger, logging.INFO, "e", **{key: secret, "nested": {"list": [{key: secret}]}})
    logger.info("Authorization: Bearer %s", secret)
    logger.info("mongodb://user:%s@host/db", secret)
    try:
        raise RuntimeError(f"password={secret}")
    except RuntimeError as error:
        logs.event(logger, logging.ERROR, "failed", exc_info=error)
    text = stream.getvalue()
    assert "hunter2" not in text
    assert text.count(logs.REDACTED) >= 2 * len(keys) + 3


@pytest.mark.usefixtures("restored")
def test_tokens_of_the_domain_are_no_secrets() -> None:
    stream = written("json")
    logs.event(
        logger,
        logging.INFO,
        "e",
        input_token="NEAR",
        output_token="USDC",
        token_id="nep141:a",
        page_token="p",
    )
    assert json.loads(stream.getvalue())["input_token"] == "NEAR" and logs.REDACTED not in stream.getvalue()


@pytest.mark.usefixtures("restored")
def test_a_console_line_is_one_line_for_people() -> None:
    stream = written("console", "debug")
    logs.event(logger, logging.DEBUG, "listening", grpc="127.0.0.1:1", note="two words")
    logs.event(logger, logging.DEBUG, "multi", note="two\nlines")
    assert stream.getvalue().count("\n") == 2
    assert (
        stream.getvalue().splitlines()[0][13:] == "debug   edge listening grpc=127.0.0.1:1 note='two words'"
    )


@pytest.mark.usefixtures("restored")
def test_levels_warnings_and_what_is_no_json() -> None:
    stream = written("json", "warning")
    logs.event(logger, logging.INFO, "quiet")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("careful", stacklevel=1)
    logs.event(logger, logging.WARNING, "odd", value=object(), big=2**200, key={1: b"\xff"})
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [event["logger"] for event in events] == ["py.warnings", "tests.observe"]


def test_a_traceparent_is_read_and_written() -> None:
    given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    context = trace.context_from(given)
    assert context is not None and context.is_remote and trace.traceparent_of(context) == given


TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "x" * 60,
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-x",
        f"00-{TRACE[:-1]}-6{SPAN}-01",
        "00-" + "4" * 10_000,
    ],
)
def test_what_is_no_traceparent(text: str | None) -> None:
    assert trace.context_from(text) is None


def test_ids_exist_without_an_exporter_and_nothing_is_recorded() -> None:
    assert trace.current_traceparent() == ""
    with trace.span("outer") as outer:
        first = trace.current_traceparent()
        with trace.span("inner"):
            second = trace.current_traceparent()
        assert trace.current_traceparent() == first
    assert trace.current_traceparent() == "" and not outer.is_recording()
    assert first[:35] == second[:35] and first != second and first.endswith("-00")


def test_a_sampled_parent_is_passed_on_as_it_is_where_nothing_is_exported() -> None:
    given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with trace.span("work", parent=given):
        assert trace.current_traceparent() == given


def test_spans_are_exported_with_parent_links_and_failure(spans: InMemorySpanExporter) -> None:
    with trace.span("outer", attributes={"service": "edge"}), pytest.raises(KeyError):
        outer = trace.current_traceparent()
        with trace.span("inner", kind=trace.CLIENT, links=[outer, "nonsense"]):
            raise KeyError("hunter2")
    inner, root = spans.get_finished_spans()
    assert root.name == "outer" and root.parent is None and root.attributes == {"service": "edge"}
    assert inner.parent is not None and inner.parent.span_id == root.context.span_id
    assert len(inner.links) == 1 and inner.status.description == "KeyError"
    assert "hunter2" not in inner.to_json() and inner.resource.attributes["service.name"] == "test"


def test_an_unsampled_parent_is_not_recorded(spans: InMemorySpanExporter) -> None:
    with trace.span("work", parent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"):
        assert trace.current_traceparent().startswith("00-4bf92f3577b34da6a3ce929d0e0e4736-")
    assert spans.get_finished_spans() == ()


def test_the_ratio_samples_new_traces_only() -> None:
    exporter = InMemorySpanExporter()
    trace.configure("test", "test-1", ratio=0.0, exporter=exporter)
    try:
        with trace.span("root"):
            root = trace.current()
        with trace.span("child", parent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"):
            pass
    finally:
        trace.shutdown()
    assert root is not None and not root.trace_flags & 1
    assert [span.name for span in exporter.get_finished_spans()] == ["child"]


def test_families_are_made_once_a_registry() -> None:
    one, other = Observe(service="a"), Observe(service="b")
    for observe in (one, one, other):
        metrics.counter(observe.registry, "x_total", "X", ("k",))("v").inc()
        metrics.gauge(observe.registry, "y", "Y")().set(2)
        metrics.histogram(observe.registry, "z_seconds", "Z", ("k",), buckets=(1, 2))("v").observe(1.5)
    assert one.registry.get_sample_value("x_total", {"k": "v"}) == 2
    assert other.registry.get_sample_value("x_total", {"k": "v"}) == 1
    assert one.registry.get_sample_value("z_seconds_bucket", {"k": "v", "le": "2.0"}) == 2
    family = metrics.counter(one.registry, "x_total", "X", ("k",))
    assert family("v") is family("v")
    with pytest.raises(TypeError, match="already a Counter"):
        metrics.gauge(one.registry, "x_total", "X")


async def test_the_admin_port() -> None:
    ready = False
    observe = Observe(service="edge")
    metrics.counter(observe.registry, "x_total", "X")().inc()

    async def get(session: aiohttp.ClientSession, url: str, **kwargs: Any) -> tuple[int, str, str]:
        async with session.get(url, **kwargs) as answer:
            return answer.status, answer.headers["Content-Type"], await answer.text()

    async with (
        serve_admin("127.0.0.1", 0, observe.registry, lambda: ready) as admin,
        aiohttp.ClientSession() as http,
    ):
        base = f"http://{admin.address}"
        not_yet = await get(http, f"{base}/readyz")
        ready = True
        now = await get(http, f"{base}/readyz")
        healthy = await get(http, f"{base}/healthz")
        shown = await get(http, f"{base}/metrics")
        open_metrics = await get(http, f"{base}/metrics", headers={"Accept": "application/openmetrics-text"})
        unknown = await get(http, f"{base}/nope")
        with pytest.raises(OSError, match="address"):
            async with serve_admin("127.0.0.1", admin.port, observe.registry, lambda: True):
                pass
    assert (not_yet[0], now[0], healthy[0], unknown[0]) == (503, 200, 200, 404)
    assert "x_total 1.0" in shown[2] and "process_cpu_seconds_total" in shown[2]
    assert shown[1].startswith("text/plain") and open_metrics[1].startswith("application/openmetrics-text")
    assert asyncio.get_running_loop().is_running()
