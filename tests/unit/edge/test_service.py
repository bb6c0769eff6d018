"""The use cases, fakes at every port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from services.common.domain.intent import Nep413Payload, SignedData, SignedTransaction, Submission
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import Verdict
from services.common.domain.signing import intent_digest
from services.common.encoding import b58encode
from services.common.errors import IntentError, Reason
from services.common.observe import Observe
from services.edge.adapters.coalesced import Coalesced
from services.edge.limits.memory import MemoryRateLimiter
from services.edge.model import Caller, Limits
from services.edge.observe import Vocabulary
from services.edge.service import Edge
from services.edge.watch.hub import Hub, WatchLimits
from tests.harness.wait import eventually
from tests.unit.edge.fakes import World, refuses
from tests.unit.edge.support import ManualClock, plain, submission

ALICE = Caller(principal="alice", token=True)
BOB = Caller(principal="bob", token=True)


@dataclass
class Setup:
    edge: Edge
    world: World
    clock: ManualClock


@asynccontextmanager
async def made(*, coalesced: bool) -> AsyncIterator[Setup]:
    clock = ManualClock()
    world = World(clock)
    shared = Coalesced(world.ports)
    ports = shared.ports if coalesced else world.ports
    seen = Vocabulary(Observe(service="edge"))
    edge = Edge(
        ports,
        clock,
        limiter=MemoryRateLimiter(clock, maximum=20, window=900),
        limits=Limits(),
        hub=Hub(ports.notifier, ports.store, clock, edge_id="e", limits=WatchLimits(), seen=seen),
        seen=seen,
        default_lifetime=timedelta(hours=1),
        version="1",
    )
    yield Setup(edge, world, clock)
    await edge.aclose()
    await shared.aclose()


@pytest.fixture(params=["direct", "coalesced"])
async def setup(request: pytest.FixtureRequest) -> AsyncIterator[Setup]:
    async with made(coalesced=request.param == "coalesced") as found:
        yield found


async def refused(call: Any) -> IntentError:
    with pytest.raises(IntentError) as caught:
        await call
    return caught.value


def signed(intent_id: str = "abc", message: str = "m", signature: str = "s", **changes: Any) -> Submission:
    payload = Nep413Payload(message=message, nonce=b"\1" * 32, recipient="verifier.near")
    data = SignedData(standard="nep413", payload=payload, public_key="k", signature=signature)
    return Submission(intent=plain(intent_id, **changes), signed_data=data)


async def test_p08_the_same_message_is_one_intent_whatever_its_signature_bytes_and_request(
    setup: Setup,
) -> None:
    first = await setup.edge.submit(ALICE, signed())
    setup.clock.pass_(60)
    setup.world.validator.verdict = refuses(Reason.NONCE_USED)
    again = await setup.edge.submit(ALICE, replace(signed(signature="other"), request_id="r9"))
    assert again == first and len(setup.world.store.records) == 1


async def test_p08_the_same_message_beside_other_fields_is_no_repeat(setup: Setup) -> None:
    await setup.edge.submit(ALICE, signed())
    setup.world.validator.verdict = refuses(Reason.FIELD_MISMATCH, "input_amount")
    error = await refused(setup.edge.submit(ALICE, signed(input_amount="999")))
    assert error.reason is Reason.FIELD_MISMATCH


async def test_p08_other_content_under_a_known_id_or_request_changes_nothing(setup: Setup) -> None:
    await setup.edge.submit(ALICE, submission("abc", "r1"))
    before = dict(setup.world.store.records)
    taken = await refused(setup.edge.submit(ALICE, submission("abc", "r2", input_amount="7")))
    reused = await refused(setup.edge.submit(ALICE, submission("xyz", "r1")))
    assert (taken.reason, reused.reason) == (Reason.ID_TAKEN, Reason.REQUEST_REUSED)
    assert setup.world.store.records == before


async def test_p09_another_principals_known_message_shows_nothing(setup: Setup) -> None:
    await setup.edge.submit(ALICE, submission())
    for verdict in (None, refuses(Reason.NONCE_USED)):
        setup.world.validator.verdict = verdict
        error = await refused(setup.edge.submit(BOB, submission()))
        assert error.reason is Reason.ALREADY_EXISTS and not error.metadata


async def test_p08_a_batch_answers_repeats_refusals_and_new_ones_each_for_itself(setup: Setup) -> None:
    first = await setup.edge.submit(ALICE, submission("known"))
    problem = refuses(Reason.UNKNOWN_TOKEN, "input_token")
    valid = setup.world.validator.verdict or (lambda one: Verdict(valid=True))
    setup.world.validator.verdict = lambda one: (
        problem(one) if one.intent is not None and one.intent.id in ("known", "bad") else valid(one)
    )
    unread = IntentError(Reason.INVALID_FIELD, "unreadable")
    known, bad, fresh, kept = await setup.edge.submit_many(
        ALICE, [submission("known"), submission("bad"), submission("fresh"), unread]
    )
    assert known == first and kept is unread
    assert isinstance(bad, IntentError) and bad.reason is Reason.UNKNOWN_TOKEN
    assert not isinstance(fresh, IntentError) and set(setup.world.store.records) == {"known", "fresh"}


async def test_an_intent_nothing_bounds_gets_the_default_lifetime(setup: Setup) -> None:
    setup.world.validator.verdict = lambda _: Verdict(valid=True)
    receipt = await setup.edge.submit(ALICE, submission())
    assert setup.world.store.records["abc"].expires_at - receipt.created_at == timedelta(hours=1)


async def test_a_rule_that_could_not_be_applied_is_no_refusal(setup: Setup) -> None:
    setup.world.validator.verdict = lambda _: Verdict(valid=False, unavailable="chain views")
    error = await refused(setup.edge.submit(ALICE, submission()))
    assert error.reason is Reason.DEPENDENCY_UNAVAILABLE and error.retry_after
    assert (await refused(setup.edge.validate(ALICE, submission()))).reason is Reason.DEPENDENCY_UNAVAILABLE


async def test_p01_without_the_store_nothing_is_acknowledged(setup: Setup) -> None:
    setup.world.store.down = True
    assert (await refused(setup.edge.submit(ALICE, submission()))).reason is Reason.DEPENDENCY_UNAVAILABLE
    setup.world.store.down = False
    assert (await setup.edge.submit(ALICE, submission())).version == 1


async def test_what_cache_and_notifier_do_is_not_the_callers_problem(setup: Setup) -> None:
    setup.world.cache.down = setup.world.notifier.down = True
    assert (await setup.edge.submit(ALICE, submission())).intent_id == "abc"


async def test_a_message_on_its_own_is_judged_and_then_said_not_to_be_executed(setup: Setup) -> None:
    bare = replace(signed(), intent=None, request_id="r")
    assert (await setup.edge.validate(ALICE, bare)).valid
    error = await refused(setup.edge.submit(ALICE, bare))
    assert error.reason is Reason.NOT_IMPLEMENTED and "plain intents" in error.message
    assert bare.signed_data is not None
    assert error.metadata == {"intent_hash": b58encode(intent_digest(bare.signed_data))}
    setup.world.validator.verdict = refuses(Reason.INVALID_SIGNATURE)
    assert (await refused(setup.edge.submit(ALICE, bare))).reason is Reason.INVALID_SIGNATURE
    setup.world.validator.down = True
    assert (await refused(setup.edge.submit(ALICE, bare))).reason is Reason.DEPENDENCY_UNAVAILABLE
    assert not setup.world.store.records and not setup.world.store.creates


async def test_admission_counts_whole_batches(setup: Setup) -> None:
    await setup.edge.admit(ALICE, 20)
    error = await refused(setup.edge.admit(ALICE))
    assert error.reason is Reason.RATE_LIMITED and error.retry_after == 900
    assert error.message == "Too many intents submitted, please try again later"
    await setup.edge.admit(BOB, 20)


async def test_status_comes_from_the_cache_and_from_the_store_without_it(setup: Setup) -> None:
    await setup.edge.submit(ALICE, submission())
    await eventually(lambda: "abc" in setup.world.cache.kept)
    first = await setup.edge.status(ALICE, "abc")
    await setup.world.store.move("abc", Status.VERIFIED)
    newer = await setup.edge.status(ALICE, "abc", min_version=2)
    setup.world.cache.down = True
    without = await setup.edge.status(ALICE, "abc")
    stale = await refused(setup.edge.status(ALICE, "abc", min_version=3))
    foreign = await refused(setup.edge.status(BOB, "abc"))
    assert [(one.status.version, one.level) for one in (first, newer, without)] == [
        (1, "memory"),
        (2, "store"),
        (2, "store"),
    ]
    assert stale.reason is Reason.STALE_VERSION and foreign.reason is Reason.INTENT_NOT_FOUND


async def test_cancelling_is_refused_once_anything_is_signed(setup: Setup) -> None:
    await setup.edge.submit(ALICE, submission())
    transaction = SignedTransaction(
        purpose="verify", hash="h", signed_bytes=b"s", signer_id="relayer", public_key="k", nonce=1,
        block_hash="b", block_height=1, chain="localnet",
    )  # fmt: skip
    setup.world.store.sign("abc", transaction)
    error = await refused(setup.edge.cancel(ALICE, "abc"))
    assert error.reason is Reason.NOT_CANCELLABLE
    assert setup.world.store.records["abc"].status is Status.PENDING


async def test_cancelling_primes_the_cache_with_what_it_did(setup: Setup) -> None:
    await setup.edge.submit(ALICE, submission())
    assert (await refused(setup.edge.cancel(BOB, "abc"))).reason is Reason.INTENT_NOT_FOUND
    record = await setup.edge.cancel(ALICE, "abc")
    assert await setup.edge.cancel(ALICE, "abc") == record
    await eventually(lambda: "abc" in setup.world.cache.kept and setup.world.cache.kept["abc"].version == 2)
    assert record.error_details is not None and record.error_details.reason == "CANCELLED"
