"""The processor's RPCs and settings, and its whole process on real servers: store, validator and devnet."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from intents.processor.v1 import processor_service_pb2 as pb
from intents.processor.v1.processor_service_pb2_grpc import ProcessorServiceStub
from services.common.clock import SystemClock
from services.common.config import SettingError, load
from services.common.domain.intent import IntentRecord, NewIntent
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import Accepted
from services.common.errors import IntentError, Reason
from services.common.observe import trace
from services.common.rpc.call import call
from services.common.rpc.channel import open_channel
from services.common.rpc.clients.store import GrpcStore
from services.common.rpc.runtime import App
from services.devnet.app import Devnet
from services.devnet.app import build as build_devnet
from services.devnet.config import Settings as DevnetSettings
from services.devnet.genesis import credential, relayer_keys, write_secret
from services.processor.app import build
from services.processor.config import ProcessorSettings
from services.store.app import build as build_store
from services.store.config import StoreSettings
from services.validator.app import build as build_validator
from services.validator.config import ValidatorSettings
from tests.harness.signing import Wallet, to_domain
from tests.harness.wait import eventually

PARENT = f"00-{'a' * 32}-{'b' * 16}-01"


@dataclass
class Suite:
    """Store, validator and devnet as servers; `settings` for a processor on them."""

    store: Any
    node: Devnet
    settings: ProcessorSettings
    wallet: Wallet

    async def accept(self, count: int) -> list[str]:
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=10)
        new = [
            NewIntent(
                principal="anonymous",
                submission=to_domain(self.wallet.sign_plain(deadline=until)),
                expires_at=until,
                traceparent=PARENT,
            )
            for _ in range(count)
        ]
        answers = await self.store.create(new)
        return [answer.receipt.intent_id for answer in answers if isinstance(answer, Accepted)]

    async def effects(self, ids: list[str]) -> set[tuple[int, int]]:
        """How often each was verified and solved on chain, as devnet counts."""
        counted = (await self.node.rpc.handle("devnet_counts", {}))["intents"]
        return {(counted[one]["verify_signed_intent"], counted[one]["solve_intent"]) for one in ids}

    async def ended(self, ids: list[str]) -> list[IntentRecord]:
        async def probe() -> list[IntentRecord] | None:
            found = [record for record in await self.store.get(ids) if record is not None and record.terminal]
            return found if len(found) == len(ids) else None

        found = await eventually(probe, 30)
        assert found is not None
        return found


@pytest.fixture
async def suite(tmp_path: Path) -> AsyncIterator[Suite]:

    clock = SystemClock()
    anywhere: dict[str, Any] = {"port": 0, "admin_port": 0}
    devnet_settings = DevnetSettings(state_file=None, block_time_ms=10, **anywhere)
    key_file = tmp_path / "key.json"
    keys = [credential(devnet_settings.relayer_account, pair) for pair in relayer_keys(devnet_settings)]
    write_secret(key_file, json.dumps(keys))
    store_settings = StoreSettings(database_url=f"sqlite:///{tmp_path / 'store.db'}", **anywhere)
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(build_devnet(devnet_settings, clock))
        await node.serve_http("127.0.0.1", 0)
        store = await stack.enter_async_context(build_store(store_settings, clock))
        # no cache listens: an implicit account's signature needs no view of the chain
        validator = await stack.enter_async_context(
            build_validator(ValidatorSettings(cache_target="127.0.0.1:1", **anywhere), clock)
        )
        for app in (store, validator):
            await app.ready()
        settings = ProcessorSettings(
            store_target=store.rpc.address,
            validator_target=validator.rpc.address,
            chain_url=(f"http://{node.http}",),
            signer_key_file=key_file,
            signer_key_index=2,
            processor_owner="p-0",
            **anywhere,
        )
        channel = await stack.enter_async_context(open_channel(store.rpc.address, settings=settings))
        yield Suite(GrpcStore(channel), node, settings, Wallet("processor rpc"))


@asynccontextmanager
async def processor(suite: Suite, **changes: Any) -> AsyncIterator[App]:
    async with build(replace(suite.settings, **changes), SystemClock()) as app:
        await app.ready()
        yield app


async def test_a_processor_of_its_own_takes_intents_to_their_end(suite: Suite) -> None:
    ids = await suite.accept(30)
    async with processor(suite):
        records = await suite.ended(ids)
    assert {record.status for record in records} == {Status.COMPLETED}
    assert await suite.effects(ids) == {(1, 1)}
    for record in records:
        details = record.execution_details
        assert details is not None and details.solver_id == "solver.near"
        assert [tx.status for tx in details.transactions] == ["success", "success"]
        assert details.gas_used == sum(tx.gas_used for tx in record.transactions) > 10**12
        # refunds burn gas too, at a price of 0
        assert 10**20 < details.total_cost < details.gas_used * 100_000_000


async def test_p02_a_node_that_drops_and_stalls_costs_no_second_effect(suite: Suite) -> None:
    ids = await suite.accept(20)
    suite.node.faults.set({"stall": 1})
    async with processor(suite):
        await eventually(lambda: suite.node.chain.pooled == 20)
        faults = {"timeout_send_next": 6, "drop_next": 6, "refuse_next": 6, "solver_fail_next": 2}
        suite.node.faults.set(faults | {"stall": 0})
        records = await suite.ended(ids)
    assert {record.status for record in records} == {Status.COMPLETED}
    assert await suite.effects(ids) == {(1, 1)}


async def test_p02_a_processor_stopped_and_started_goes_on_where_it_was(suite: Suite) -> None:
    ids = await suite.accept(60)
    for _ in range(4):
        async with processor(suite) as app:
            before = suite.node.chain.head.height
            await eventually(lambda before=before: suite.node.chain.head.height > before + 4)
            await app.drain()
    async with processor(suite):
        records = await suite.ended(ids)
    assert {record.status for record in records} == {Status.COMPLETED}
    assert await suite.effects(ids) == {(1, 1)}


async def at_work(app: App) -> tuple[bool, str]:
    """Whether it stands by, and the name it goes by."""
    assert app.rpc is not None
    async with grpc.aio.insecure_channel(app.rpc.address) as channel:
        work = await call(ProcessorServiceStub(channel).GetWork, pb.GetWorkRequest())
        assert work.standing_by == (work.public_key == "") == (work.key_fence == 0)
        return work.standing_by, work.owner


async def test_one_key_for_two_processors_is_used_by_one_and_then_by_the_other(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert suite.settings.signer_key_file is not None
    (one, *_) = json.loads(suite.settings.signer_key_file.read_text())
    monkeypatch.setenv("RELAYER_KEY", json.dumps(one))
    pool = {"signer_key_file": None, "signer_keys": ("env:RELAYER_KEY",), "signer_key_index": None}
    async with processor(suite, processor_owner="p-1", poll_ms=20, **pool) as first:
        await eventually(lambda: _is(first, (False, "p-1")))
        async with processor(suite, processor_owner=None, poll_ms=20, **pool) as second:
            records = await suite.ended(await suite.accept(5))
            standing_by, name = await at_work(second)
            assert standing_by and ":" in name, "host name and port, if nothing else is set"
            await first.drain()
            records += await suite.ended(await suite.accept(5))
            assert not (await at_work(second))[0]
    assert {tx.public_key for record in records for tx in record.transactions} == {one["public_key"]}
    assert await suite.effects([record.intent_id for record in records]) == {(1, 1)}


async def _is(app: App, expected: tuple[bool, str]) -> bool:
    return await at_work(app) == expected


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"signer_keys": ("env:NOT_SET",)}, "SIGNER_KEY_FILE: env:NOT_SET: there is no such variable"),
        ({"signer_key_index": 8}, "SIGNER_KEY_INDEX: 8 was asked for, there are 8 key"),
        ({"signer_key_file": None, "signer_keys": ("none.json",)}, "SIGNER_KEYS: none.json: No such file"),
    ],
)
async def test_a_pool_that_cannot_be_used_is_named_at_the_start(
    suite: Suite, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(SettingError, match=re.escape(said)):
        async with build(replace(suite.settings, **changes), SystemClock()):
            pass


async def test_spans_of_the_work_hang_on_the_submissions_trace(suite: Suite) -> None:
    exporter = InMemorySpanExporter()
    trace.configure("processor", "test", exporter=exporter)
    try:
        ids = await suite.accept(1)
        async with processor(suite):
            (record,) = await suite.ended(ids)
            await eventually(lambda: _named(exporter, "processor.process"))
    finally:
        trace.shutdown()
    root = _named(exporter, "processor.process")
    assert f"{root.context.trace_id:032x}" == "a" * 32 and f"{root.parent.span_id:016x}" == "b" * 16
    turns = {
        span.name for span in exporter.get_finished_spans() if span.context.trace_id == root.context.trace_id
    }
    assert {"processor.pending", "processor.verified", "processor.executing"} & turns
    assert all(event.traceparent[3:35] == "a" * 32 for event in record.history)


def _named(exporter: InMemorySpanExporter, name: str) -> Any:
    return next((span for span in exporter.get_finished_spans() if span.name == name), None)


async def test_get_work_tells_who_signs_and_never_the_secret(suite: Suite) -> None:
    async with processor(suite) as app:
        assert app.rpc is not None
        async with grpc.aio.insecure_channel(app.rpc.address) as channel:
            stub = ProcessorServiceStub(channel)

            async def at_work() -> Any:
                work = await call(stub.GetWork, pb.GetWorkRequest())
                return None if work.standing_by else work

            work = await eventually(at_work)
            stuck = await call(stub.ListStuckIntents, pb.ListStuckIntentsRequest(page_size=1))
            assert (list(stuck.intents), stuck.next_page_token) == ([], "")
    key = json.loads(suite.settings.signer_key_file.read_text())[2]
    assert (work.signer_id, work.public_key, work.owner) == ("relayer.near", key["public_key"], "p-0")
    assert work.key_fence == 1
    assert key["private_key"] not in str(work)


async def test_p13_operators_look_resolve_and_fail_over_grpc(suite: Suite) -> None:
    """No block is made: signed bytes stay open until their end is known."""
    (intent_id,) = await suite.accept(1)
    await suite.node.rpc.handle("devnet_faults", {"stall": 1})
    words: dict[str, Any] = {"by": "ada", "reason": "a test"}
    async with processor(suite) as app, grpc.aio.insecure_channel(app.rpc.address) as channel:
        stub = ProcessorServiceStub(channel)
        await eventually(lambda: suite.node.chain.pooled)
        asked = [intent_id, "none"]
        looked = await call(stub.DiagnoseIntents, pb.DiagnoseIntentsRequest(intent_ids=asked))
        known, unknown = looked.answers
        assert (known.stuck.intent.intent_id, unknown.HasField("stuck")) == (intent_id, False)
        assert "Signed bytes of it may still get on chain" in known.may_not_fail
        refused = await call(stub.FailIntents, pb.FailIntentsRequest(intent_ids=asked, **words))
        assert [(one.done, one.reason) for one in refused.acted] == [
            (False, "NOT_CANCELLABLE"), (False, "INTENT_NOT_FOUND"),
        ]  # fmt: skip
        with pytest.raises(IntentError) as wrong:
            await call(stub.ResolveIntents, pb.ResolveIntentsRequest(intent_ids=asked, by="ada"))
        assert wrong.value.reason is Reason.INVALID_FIELD
        retried = await call(stub.RetryIntents, pb.RetryIntentsRequest(intent_ids=[intent_id], **words))
        assert list(retried.scheduled) == [True]
        assert [(one.by, one.act, one.reason) for one in retried.acted[0].now.audit] == [
            ("operator:ada", "wake", "a test")
        ]
        await suite.node.rpc.handle("devnet_faults", {"stall": 0})
        await suite.ended([intent_id])
        resolved = await call(stub.ResolveIntents, pb.ResolveIntentsRequest(intent_ids=[intent_id], **words))
        assert resolved.acted[0].done and "completed" in resolved.acted[0].now.stuck.why
    assert await suite.effects([intent_id]) == {(1, 1)}


async def test_p09_a_processor_with_a_token_asks_for_it(suite: Suite) -> None:
    suite.settings = replace(suite.settings, admin_token="operator-token-0123456789")
    async with processor(suite) as app:
        assert app.rpc is not None
        async with grpc.aio.insecure_channel(app.rpc.address) as channel:
            with pytest.raises(IntentError) as refused:
                await call(ProcessorServiceStub(channel).GetWork, pb.GetWorkRequest())
    assert refused.value.reason is Reason.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({}, "SIGNER_KEY_FILE: is required"),
        ({"SIGNER_KEY_FILE": "k", "LEASE_MS": "5"}, "LEASE_MS"),
        ({"SIGNER_KEY_FILE": "k", "SOLVERS": ""}, "SOLVERS"),
        ({"SIGNER_KEY_FILE": "k", "CHAIN_URL": ""}, "CHAIN_URL: at least one"),
        ({"SIGNER_KEY_FILE": "k", "CHAIN_URL": "http://a,ftp://user:secret@b"}, "CHAIN_URL: number 2 is not"),
        ({"SIGNER_KEY_FILE": "k", "CHAIN_URL": "http://a,http://a"}, "CHAIN_URL: names an endpoint twice"),
        ({"SIGNER_KEY_FILE": "k", "CLAIM_LIMIT": "0"}, "CLAIM_LIMIT"),
    ],
)
def test_a_bad_setting_ends_with_one_line(
    env: dict[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        load(ProcessorSettings, prog="processor", env=env, argv=[])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


async def test_a_key_file_that_cannot_be_read_is_said_before_anything_starts(tmp_path: Path) -> None:
    settings = ProcessorSettings(signer_key_file=tmp_path / "none.json", port=0, admin_port=0)
    with pytest.raises(ValueError, match=r"none\.json: No such file"):
        async with build(settings, SystemClock()):
            raise AssertionError("unreachable")
