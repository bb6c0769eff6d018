"""The only wiring of the processor."""

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from intents.processor.v1.processor_service_pb2_grpc import add_ProcessorServiceServicer_to_server
from services.common.chain.near.connect import open_near
from services.common.chain.near.signer import KeyFileError, KeyFileSigner
from services.common.chain.port import Chain, Signer
from services.common.clock import Clock
from services.common.config import SettingError
from services.common.domain.intent import Submission
from services.common.domain.keys import MAX_POOL
from services.common.domain.outcomes import Verdict
from services.common.observe import Observe
from services.common.ports import Validator
from services.common.rpc.channel import open_channel
from services.common.rpc.clients.store import GrpcStore
from services.common.rpc.clients.validator import GrpcValidator
from services.common.rpc.coalesce import Coalescer
from services.common.rpc.runtime import App, serve_app
from services.processor.admission import Admission, check_token
from services.processor.alerts import Alerts, Webhook
from services.processor.config import ProcessorSettings, WorkSettings
from services.processor.failures import Failures
from services.processor.follow import Follower
from services.processor.funds import Funds
from services.processor.keys import Keys
from services.processor.lane import Lane
from services.processor.observe import Vocabulary
from services.processor.observer import Meters, Observer
from services.processor.operating import Operator
from services.processor.ports import Store
from services.processor.resolver import Patience, Resolver
from services.processor.secret_values import secret_of
from services.processor.service import Batches, IntentProcessor
from services.processor.servicer import ProcessorServicer
from services.processor.solvers import RatedSolvers, fees_of
from services.processor.webhook import open_webhook
from services.processor.worker import Limits, Worker

SERVICE: Final = "intents.processor.v1.ProcessorService"
RESTART: Final = 1.0
"""Seconds before the work is taken up again after an error nobody foresaw."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """A processor over any ports. `beside` runs beside the work, each part until cancelled."""

    worker: Worker
    batches: Batches
    failures: Failures
    alerts: Alerts
    resolver: Resolver
    solvers: RatedSolvers
    funds: Funds
    observer: Observer

    @property
    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return (self.alerts.run, self.resolver.run, self.solvers.run, self.funds.run, self.observer.run)

    @property
    def operator(self) -> Operator:
        """What operators may do."""
        return Operator(resolver=self.resolver, failures=self.failures)


def assemble(
    settings: WorkSettings,
    *,
    store: Store,
    validator: Validator,
    chain: Chain,
    signers: Sequence[Signer],
    holder: str,
    clock: Clock,
    observe: Observe,
    webhook: Webhook | None = None,
) -> Assembled:
    """A processor over any ports; the embedded shape and tests call it too. The caller closes the batches.

    `holder` names it in its key's lease unless PROCESSOR_OWNER does.
    """
    holder = settings.processor_owner or holder
    vocabulary = Vocabulary(observe, clock)
    alerts = Alerts(
        clock,
        observe,
        webhook=webhook,
        instance=holder,
        repeat=settings.alert_repeat_ms / 1000,
        per_minute=settings.alert_per_minute,
    )
    failures = Failures(vocabulary, alerts, development=settings.development)
    keys = Keys(
        store,
        chain,
        signers,
        holder=holder,
        session=secrets.token_hex(8),
        lease_ms=settings.lease_ms,
        poll_ms=settings.poll_ms,
        clock=clock,
        observe=vocabulary,
    )
    funds = Funds(
        chain,
        lambda: None if keys.signer is None else keys.signer.account_id,
        intents=settings.funds_intents,
        every=settings.funds_every_ms / 1000,
        clock=clock,
        observe=observe,
        alerts=alerts,
    )
    lane = Lane(chain, keys, store, clock, vocabulary, low_balance=funds.refused)

    async def validate(submissions: Sequence[Submission]) -> Sequence[Verdict]:
        return await validator.validate(submissions, stored=True)

    batches = Batches(
        validate=Coalescer(validate, name="processor.validate", max_batch=100),
        look=Coalescer(chain.intents, name="processor.look", max_batch=100),
        move=Coalescer(store.transition, name="processor.move", max_batch=200),
        record=Coalescer(store.record_transactions, name="processor.record", max_batch=200),
    )
    solvers = RatedSolvers(
        solvers=settings.solvers,
        fees=fees_of(settings.solver_fees),
        store=store,
        clock=clock,
        observe=observe,
        limit=settings.solver_breaker_failures,
        cool=settings.solver_breaker_ms / 1000,
        every=settings.solver_refresh_ms / 1000,
    )
    processor = IntentProcessor(
        batches=batches,
        lane=lane,
        follower=Follower(
            chain=chain, lane=lane, clock=clock, observe=vocabulary, validity=settings.tx_validity_blocks
        ),
        solvers=solvers,
        clock=clock,
        observe=vocabulary,
        failures=failures,
        funds=funds,
        verifier_id=settings.verifier_id,
        solve_attempts=settings.solve_attempts,
    )
    worker = Worker(
        keys=keys,
        store=store,
        chain=chain,
        lane=lane,
        process=processor.process,
        clock=clock,
        observe=vocabulary,
        limits=Limits(
            claim_limit=settings.claim_limit,
            max_in_flight=settings.max_in_flight,
            lease_ms=settings.lease_ms,
            poll_ms=settings.poll_ms,
        ),
    )
    resolver = Resolver(
        store=store,
        chain=chain,
        lane=lane,
        worker=worker,
        alerts=alerts,
        clock=clock,
        observe=observe,
        patience=Patience(
            every=settings.stuck_every_ms / 1000,
            after=settings.stuck_after_ms / 1000,
            person=settings.stuck_person_ms / 1000,
        ),
    )
    return Assembled(
        worker=worker,
        batches=batches,
        failures=failures,
        alerts=alerts,
        resolver=resolver,
        solvers=solvers,
        funds=funds,
        observer=Observer(
            store=store,
            chain=chain,
            worker=worker,
            clock=clock,
            observe=vocabulary,
            meters=Meters(observe),
            verifier_id=settings.verifier_id,
            relayers=frozenset(one.account_id for one in signers),
            session=secrets.token_hex(8),
            lease_ms=settings.lease_ms,
            every=settings.observe_every_ms / 1000,
            catch_up=settings.observe_catch_up_blocks,
        ),
    )


@asynccontextmanager
async def running(made: Assembled) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Works until left, or until the yielded `stop` was awaited: leases are given back then."""
    worker = made.worker

    async def forever(part: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await part()
                return
            except Exception as error:
                # work goes on: everything of it is in the store
                made.failures.unexpected("", error)
                await worker.clock.sleep(RESTART)

    tasks = [asyncio.create_task(forever(part), name="processor") for part in (worker.run, *made.beside)]

    async def stop() -> None:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await made.batches.aclose()

    try:
        yield stop
    finally:
        await stop()


@asynccontextmanager
async def build(settings: ProcessorSettings, clock: Clock) -> AsyncIterator[App]:
    """A processor on the store, the validator and a NEAR node. Raises SettingError."""
    observe = Observe(service="processor")
    token = check_token(secret_of("ADMIN_TOKEN", settings.admin_token, settings.admin_token_file))
    signers = _signers(settings)
    async with (
        open_channel(settings.store_target, settings=settings, observe=observe) as store_channel,
        open_channel(settings.validator_target, settings=settings, observe=observe) as validator_channel,
        open_near(
            settings.chain_url,
            settings.verifier_id,
            clock=clock,
            chain_id=settings.chain_id,
            observe=observe,
            held=settings.max_in_flight,
        ) as chain,
        open_webhook(settings) as webhook,
    ):
        store: Any = GrpcStore(store_channel)
        made = assemble(
            settings,
            store=store,
            validator=GrpcValidator(validator_channel),
            chain=chain,
            signers=signers,
            holder=_holder(settings),
            clock=clock,
            observe=observe,
            webhook=webhook,
        )
        servicer = ProcessorServicer(made.worker, made.operator)
        async with (
            running(made) as stop,
            serve_app(
                settings,
                service_names=[SERVICE],
                register=lambda server: add_ProcessorServiceServicer_to_server(servicer, server),
                interceptors=[Admission(token, observe)],
                observe=observe,
            ) as app,
        ):
            app.on_drain = stop
            yield app


def _signers(settings: ProcessorSettings) -> Sequence[Signer]:
    file = settings.signer_key_file
    try:
        pool = KeyFileSigner.load_all(
            [*([] if file is None else [str(file)]), *settings.signer_keys], os.environ
        )
    except KeyFileError as error:
        raise SettingError(f"{'SIGNER_KEYS' if file is None else 'SIGNER_KEY_FILE'}: {error}") from None
    if len(pool) > MAX_POOL:
        raise SettingError(
            f"SIGNER_KEY_FILE: {len(pool)} keys are too many for one pool; it has {MAX_POOL} at most"
        )
    index = settings.signer_key_index
    if index is None:
        return pool
    if index >= len(pool):
        raise SettingError(f"SIGNER_KEY_INDEX: {index} was asked for, there are {len(pool)} key(s)")
    return pool[index : index + 1]


def _holder(settings: ProcessorSettings) -> str:
    """One process of a machine has a port, and has it again after a restart; without one each start is another's."""
    return f"{socket.gethostname()}:{settings.port or secrets.token_hex(4)}"
