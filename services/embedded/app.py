"""The composition root: every service, called directly, behind the edge's ports."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.cache.app import open_cache
from services.cache.config import CacheSettings
from services.common.chain.near.chain import NearChain
from services.common.chain.near.signer import KeyFileSigner
from services.common.chain.near.transport import LocalTransport
from services.common.clock import Clock
from services.common.encoding import parse_key
from services.common.observe import Observe
from services.common.observe.admin import Admin
from services.common.rpc.runtime import App
from services.common.rpc.server import RunningServer
from services.devnet.app import Devnet
from services.devnet.app import build as open_devnet
from services.devnet.config import Settings as DevnetSettings
from services.devnet.genesis import relayer_keys
from services.devnet.rpc.errors import RpcError
from services.edge.app import open_edge
from services.edge.ports import Ports
from services.embedded.config import EmbeddedSettings
from services.notifier.app import open_notifier
from services.notifier.config import NotifierSettings
from services.processor.app import assemble
from services.processor.app import running as processing
from services.processor.config import WorkSettings
from services.processor.webhook import open_webhook
from services.store.app import open_store
from services.store.config import StoreSettings
from services.store.service import Store
from services.validator.app import open_validator
from services.validator.config import ValidatorSettings


@dataclass(slots=True)
class Embedded:
    """What runs: the edge's servers, and behind them the parts that tests look into."""

    edge: App
    store: Store
    devnet: Devnet

    @property
    def rpc(self) -> RunningServer | None:
        return self.edge.rpc

    @property
    def admin(self) -> Admin | None:
        return self.edge.admin

    @property
    def http(self) -> str | None:
        return self.edge.http

    async def ready(self) -> None:
        await self.edge.ready()

    async def drain(self) -> None:
        await self.edge.drain()


@asynccontextmanager
async def build(settings: EmbeddedSettings, clock: Clock) -> AsyncIterator[Embedded]:
    """Everything, listening on the edge's ports and on devnet's. State is kept under `settings.data_dir`."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    observe = Observe(service="embedded")
    rules = settings.of(ValidatorSettings)
    work = settings.of(WorkSettings)
    devnet_settings = settings.of(
        DevnetSettings,
        state_file=settings.data_dir / "devnet.db",
        chain_id=rules.network,
        verifier_account=rules.verifier_id,
        host=settings.devnet_host,
        port=settings.devnet_port,
    )
    database = f"sqlite:///{settings.data_dir / 'store.db'}"
    async with (
        open_devnet(devnet_settings, clock, observe=_named(observe, "devnet")) as devnet,
        open_store(
            settings.of(StoreSettings, database_url=database, actions=rules.actions),
            clock,
            _named(observe, "store"),
        ) as store,
    ):
        await devnet.serve_http(devnet_settings.host, devnet_settings.port)
        transport = LocalTransport(devnet.rpc.handle, RpcError, lambda error: error.body())
        chain = NearChain(transport, rules.verifier_id)
        async with (
            open_cache(
                settings.of(CacheSettings),
                store=store,
                chain=chain,
                clock=clock,
                observe=_named(observe, "cache"),
            ) as cache,
            open_notifier(
                settings.of(NotifierSettings), store, clock, _named(observe, "notifier")
            ) as notifier,
            open_validator(rules, cache, clock, _named(observe, "validator")) as validator,
            open_webhook(work) as webhook,
        ):
            made = assemble(
                work,
                store=store,
                validator=validator,
                chain=chain,
                signers=[_signer(devnet_settings)],
                holder="embedded",
                clock=clock,
                observe=_named(observe, "processor"),
                webhook=webhook,
            )
            ports = Ports(validator=validator, store=store, cache=cache, notifier=notifier)
            async with (
                processing(made),
                open_edge(settings, clock, ports=ports, observe=_named(observe, "edge")) as edge,
            ):
                yield Embedded(edge, store, devnet)


def _named(observe: Observe, service: str) -> Observe:
    """One registry and one set of notes for the process, each service's own name on its spans and metrics."""
    return Observe(service=service, registry=observe.registry, notes=observe.notes)


def _signer(settings: DevnetSettings) -> KeyFileSigner:
    pair = relayer_keys(settings)[0]
    return KeyFileSigner(settings.relayer_account, parse_key(pair.secret(), length=64)[:32])
