"""Servicers alone, through grpcio-testing: what they decode, call and encode, with the ports played by values."""

from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from intents.cache.v1 import cache_service_pb2 as cache_pb
from intents.notifier.v1 import notifier_service_pb2 as notifier_pb
from intents.processor.v1 import processor_service_pb2 as processor_pb
from intents.store.v1 import store_service_pb2 as store_pb
from intents.v1 import types_pb2 as types_pb
from intents.validator.v1 import validator_service_pb2 as validator_pb
from services.cache.servicer import CacheServicer
from services.common.clock import SystemClock
from services.common.convert.intents import submission_to_proto
from services.common.domain.intent import Receipt
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import Accepted, CachedStatus, StatusAnswer
from services.common.errors import IntentError, Reason, unavailable
from services.notifier.servicer import NotifierServicer
from services.processor.servicer import ProcessorServicer
from services.store.servicer import StoreServicer
from services.validator.config import RuleSettings
from services.validator.service import Validator
from services.validator.servicer import ValidatorServicer
from tests.harness.grpc_testing_bridge import Bridge
from tests.harness.signing import Wallet, to_domain
from tests.unit.cache.fakes import Clock

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Answers:
    """A port that gives the answer it was made with and remembers what it was asked."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any, **kwargs: Any) -> Any:
            self.asked.append((name, args, kwargs))
            return self.answer

        return call


def bridge(module: Any, servicer: Any) -> Bridge:
    (descriptor,) = module.DESCRIPTOR.services_by_name.values()
    return Bridge(descriptor, servicer)


async def test_the_cache_tells_found_unknown_and_away_apart() -> None:
    clock = Clock()
    known = CachedStatus(intent_id="a", status=Status.VERIFIED, version=2, principal="me")
    answers: Sequence[StatusAnswer | IntentError | None] = [
        StatusAnswer(status=known, level="redis", read_at_ms=clock.now_ms() - 1500, stale=True),
        None,
        unavailable("store"),
    ]
    port = Answers(answers)
    queries = [cache_pb.StatusQuery(intent_id=one, min_version=1) for one in ("a", "b", "c")]
    answer = await bridge(cache_pb, CacheServicer(port, clock)).unary(  # type: ignore[arg-type]
        "GetStatuses", cache_pb.GetStatusesRequest(queries=queries)
    )
    found, unknown, away = answer.response.answers
    assert (found.found, found.status, found.version, found.level) == (
        True,
        types_pb.INTENT_STATUS_VERIFIED,
        2,
        "redis",
    )
    assert (found.age.seconds, found.age.nanos, found.stale) == (1, 500_000_000, True)
    assert (unknown.intent_id, unknown.found, away.found) == ("b", False, False)
    assert away.HasField("error")
    ((name, (asked,), _),) = port.asked
    assert name == "get_statuses" and [one.intent_id for one in asked] == ["a", "b", "c"]


async def test_the_store_answers_each_item_and_keeps_their_order() -> None:
    receipt = Receipt(intent_id="a", created_at=AT)
    port = Answers([Accepted(receipt=receipt, created=True), IntentError(Reason.ID_TAKEN, "Taken.")])
    submission = submission_to_proto(to_domain(Wallet("servicers").sign_plain()))
    new = store_pb.NewIntent(principal="me", method="SubmitIntent", submission=submission)
    answer = await bridge(store_pb, StoreServicer(port)).unary(  # type: ignore[arg-type]
        "CreateIntents", store_pb.CreateIntentsRequest(intents=[new, new])
    )
    first, second = answer.response.outcomes
    assert first.accepted.receipt.created_at.seconds == int(AT.timestamp()) and first.accepted.created
    assert second.WhichOneof("outcome") == "error" and second.error.message == "Taken."


async def test_a_status_nobody_knows_is_a_wrong_field_and_moves_nothing() -> None:
    port = Answers([])
    move = store_pb.Transition(intent_id="a", seen_version=1, seen_status=1, to=99)  # type: ignore[arg-type]
    answer = await bridge(store_pb, StoreServicer(port)).unary(  # type: ignore[arg-type]
        "TransitionIntents", store_pb.TransitionIntentsRequest(transitions=[move])
    )
    assert answer.error.reason is Reason.INVALID_FIELD
    assert [violation.field for violation in answer.error.violations] == ["to"]
    assert port.asked == []


async def test_the_validator_lists_every_error_of_the_failing_stage() -> None:
    servicer = ValidatorServicer(Validator(RuleSettings().rule_book(), Answers([]), SystemClock()))  # type: ignore[arg-type]
    answer = await bridge(validator_pb, servicer).unary(
        "ValidateIntents", validator_pb.ValidateIntentsRequest(items=[validator_pb.ValidateIntentsItem()] * 2)
    )
    assert [verdict.valid for verdict in answer.response.verdicts] == [False, False]
    rules = await bridge(validator_pb, servicer).unary("GetRules", validator_pb.GetRulesRequest())
    assert list(rules.response.actions) == ["swap", "transfer"] and rules.response.signature_required


async def test_a_hint_reaches_the_notifier() -> None:
    port = Answers(None)
    answer = await bridge(notifier_pb, NotifierServicer(port)).unary(  # type: ignore[arg-type]
        "Wake", notifier_pb.WakeRequest(intent_ids=["a", "b"])
    )
    assert answer.response == notifier_pb.WakeResponse()
    assert port.asked == [("wake", (["a", "b"],), {})]


async def test_the_processor_says_what_it_does_and_never_its_secret() -> None:
    signer = SimpleNamespace(account_id="relayer.near", public_key="ed25519:abc", secret="hunter2")
    held = SimpleNamespace(signer=signer, ref=SimpleNamespace(fence=7))
    worker = SimpleNamespace(owner="p-0", claimed=3, keys=SimpleNamespace(held=held))
    answer = await bridge(processor_pb, ProcessorServicer(worker, Answers(None))).unary(  # type: ignore[arg-type]
        "GetWork", processor_pb.GetWorkRequest()
    )
    shown = answer.response
    assert (shown.owner, shown.claimed, shown.signer_id) == ("p-0", 3, "relayer.near")
    assert (shown.public_key, shown.key_fence, shown.standing_by) == ("ed25519:abc", 7, False)
    assert b"hunter2" not in shown.SerializeToString()
