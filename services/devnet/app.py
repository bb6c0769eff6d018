"""Wiring of the node, for its own process and for the embedded shape."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from services.common.clock import Clock
from services.common.observe import Observe, logs
from services.common.observe.admin import serve_admin
from services.common.rpc.runtime import App
from services.devnet import genesis as first
from services.devnet.actors import Actors
from services.devnet.config import Settings
from services.devnet.contracts.admin import SECOND
from services.devnet.contracts.native import NativeEngine
from services.devnet.contracts.port import Engines
from services.devnet.contracts.solver import Solver
from services.devnet.contracts.verifier import METHODS
from services.devnet.faults import Faults, load_scenario
from services.devnet.node.chain import Chain, ChainRules
from services.devnet.node.keys import b58encode, sha256
from services.devnet.node.records import Block
from services.devnet.node.runtime import Runtime
from services.devnet.node.state import Delta, State
from services.devnet.node.storage import Storage
from services.devnet.observe import PRODUCER_FAILED, STARTED, DevnetMetrics
from services.devnet.rpc import http
from services.devnet.rpc.handler import Rpc
from services.devnet.rpc.troubles import FaultyChain

logger = logging.getLogger(__name__)


class Devnet:
    """A running node. `rpc.handle(method, params)` is the JSON-RPC without the HTTP around it."""

    def __init__(
        self, settings: Settings, clock: Clock, chain: Chain, faults: Faults, metrics: DevnetMetrics,
        stack: AsyncExitStack,
    ) -> None:  # fmt: skip
        self.settings = settings
        self.chain = chain
        self.faults = faults
        self.actors = Actors(
            chain, settings.seed, owner=settings.owner_account, verifier=settings.verifier_account
        )
        self.rpc = Rpc(
            chain, faults, self.actors, clock, timeout=settings.rpc_timeout_ms / 1000, control=settings.devnet_control,
            seen=lambda method, result: metrics.requests(method, result).inc(),
        )  # fmt: skip
        self.http: str | None = None
        self._clock = clock
        self._metrics = metrics
        self._stack = stack
        self._producer: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        """Whether blocks are being made, or are made by hand."""
        return self._producer is None or not self._producer.done()

    async def serve_http(self, host: str, port: int) -> int:
        """Answer JSON-RPC over HTTP from now on; the port as bound. Ends with the node."""
        bound = await self._stack.enter_async_context(
            http.serve(
                self.rpc,
                host,
                port,
                max_body=self.settings.max_body_bytes,
                grace=self.settings.drain_grace_ms / 1000,
            )
        )
        self.http = f"[{host}]:{bound}" if ":" in host else f"{host}:{bound}"
        return bound

    def start(self) -> None:
        """Begin to make blocks at the set pace, if there is one."""
        if self.settings.block_time_ms:
            self._producer = asyncio.create_task(self._produce(), name="devnet-producer")

    async def stop(self) -> None:
        """Finish the block in the making and make no more."""
        if self._producer is not None:
            self._producer.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._producer
        await self.chain.close()

    async def _produce(self) -> None:
        pace = self.settings.block_time_ms / 1000
        try:
            while True:
                began = self._clock.monotonic()
                if self.faults.strikes("stall") is None:
                    block = await self.chain.produce()
                    self._metrics.height().set(block.height)
                    self._metrics.pool().set(self.chain.pooled)
                    self._metrics.transactions().inc(block.transactions)
                await self._clock.sleep(max(began + pace - self._clock.monotonic(), 0.001))
        except Exception as error:
            logs.event(logger, logging.ERROR, PRODUCER_FAILED, exc_info=error)
            raise


@asynccontextmanager
async def open_chain(settings: Settings, clock: Clock, faults: Faults) -> AsyncIterator[Chain]:
    """The chain of the state file, or a new one. Raises GenesisError or StateFileError."""
    genesis = first.make(settings)
    troubles = FaultyChain(faults)
    native = {"verifier": METHODS, "verifier@2": METHODS | SECOND, "solver": Solver(troubles).methods}
    engine = Engines(NativeEngine(native))
    rules = ChainRules(
        chain_id=settings.chain_id, finality_lag=settings.finality_lag,
        validity_blocks=settings.tx_validity_blocks, gas_price=settings.gas_price,
    )  # fmt: skip
    runtime = Runtime(engine, settings.gas_price, troubles)
    storage = (
        None if settings.state_file is None else Storage(settings.state_file, settings.tx_validity_blocks)
    )
    try:
        loaded = None if storage is None else await storage.open(genesis.fingerprint())
        if loaded is None:
            timestamp = clock.now_ns()
            state = State({}, {})
            entries = first.state(genesis, engine, timestamp)
            name = sha256(f"{genesis.fingerprint()} {timestamp}".encode())
            block = Block(height=0, hash=b58encode(name), prev_hash="1" * 32, timestamp=timestamp)
            delta: Delta = dict(entries)
            undo = state.undo_of(delta)
            if storage is not None:
                await storage.commit([(block, delta, undo)], [])
            state.publish(0, delta, undo)
            blocks, txs = [block], []
        else:
            state, blocks, txs = State(loaded.entries, loaded.undo), loaded.blocks, loaded.txs
        yield Chain(
            rules, clock, runtime, storage, state=state, blocks=blocks, txs=txs, troubles=troubles
        )  # fmt: skip
    finally:
        if storage is not None:
            await storage.close()


@asynccontextmanager
async def build(settings: Settings, clock: Clock, *, observe: Observe | None = None) -> AsyncIterator[Devnet]:
    """A node making blocks. Nothing listens until `serve_http`; `rpc` answers at once. Raises GenesisError,
    StateFileError or ScenarioError.

    Leaving ends HTTP first, with blocks going on, so that open requests still get their answers.
    """
    faults = Faults()
    observe = Observe(service="devnet") if observe is None else observe
    async with open_chain(settings, clock, faults) as chain, AsyncExitStack() as stack:
        faults.height = lambda: chain.head.height
        if settings.scenario_file is not None:
            load_scenario(settings.scenario_file, faults)
        devnet = Devnet(settings, clock, chain, faults, DevnetMetrics(observe), stack)
        stack.push_async_callback(devnet.stop)
        logs.event(logger, logging.INFO, STARTED, height=chain.head.height, chain_id=settings.chain_id)
        devnet.start()
        yield devnet


@asynccontextmanager
async def build_app(settings: Settings, clock: Clock) -> AsyncIterator[App]:
    """The node as a process of its own: JSON-RPC and admin port."""
    observe = Observe(service="devnet")
    async with (
        build(settings, clock, observe=observe) as devnet,
        serve_admin(
            settings.admin_host, settings.admin_port, observe.registry, lambda: devnet.healthy
        ) as admin,
    ):
        await devnet.serve_http(settings.host, settings.port)
        yield App(rpc=None, admin=admin, http=devnet.http)
