"""What validator, cache and notifier are asked and answer."""

from datetime import timedelta

from intents.cache.v1 import cache_service_pb2 as cache_pb
from intents.notifier.v1 import notifier_service_pb2 as notifier_pb
from intents.validator.v1 import validator_service_pb2 as validator_pb
from services.common.convert.explanations import (
    explanation_from_proto,
    explanation_to_proto,
    violation_from_proto,
    violation_to_proto,
)
from services.common.convert.intents import (
    event_to_proto,
    events_from_proto,
    plain_from_proto,
    plain_to_proto,
    status_from_proto,
    status_to_proto,
)
from services.common.convert.signed import signed_from_proto, signed_to_proto
from services.common.convert.times import duration, moment, span, timestamp
from services.common.domain.feed import FeedCommand, FeedMessage, Open, Subscribe, Unsubscribe
from services.common.domain.outcomes import CachedStatus, StatusAnswer, StatusQuery, Verdict
from services.common.domain.views import (
    BalanceOf,
    ChainView,
    CurrentSalt,
    HasPublicKey,
    IsKept,
    IsNonceUsed,
    IsRegistered,
    IsValidSalt,
    Simulation,
    ViewAnswer,
)
from services.common.errors import IntentError, Reason
from services.common.rpc.errors import from_status, to_status


def verdict_to_proto(verdict: Verdict) -> validator_pb.Verdict:
    return validator_pb.Verdict(
        valid=verdict.valid,
        failed_stage=verdict.failed_stage,
        violations=[violation_to_proto(v) for v in verdict.violations],
        expires_at=None if verdict.expires_at is None else timestamp(verdict.expires_at),
        unavailable=verdict.unavailable,
        explanation=None if verdict.explanation is None else explanation_to_proto(verdict.explanation),
    )


def verdict_from_proto(message: validator_pb.Verdict) -> Verdict:
    return Verdict(
        valid=message.valid,
        failed_stage=message.failed_stage,
        violations=tuple(violation_from_proto(v) for v in message.violations),
        expires_at=moment(message.expires_at) if message.HasField("expires_at") else None,
        unavailable=message.unavailable,
        explanation=explanation_from_proto(message.explanation) if message.HasField("explanation") else None,
    )


# --- cache


def query_to_proto(query: StatusQuery) -> cache_pb.StatusQuery:
    return cache_pb.StatusQuery(
        intent_id=query.intent_id,
        min_version=query.min_version,
        max_age=None if query.max_age is None else duration(query.max_age),
        cached_only=query.cached_only,
        allow_stale=query.allow_stale,
    )


def query_from_proto(message: cache_pb.StatusQuery) -> StatusQuery:
    return StatusQuery(
        intent_id=message.intent_id,
        min_version=message.min_version,
        max_age=span(message.max_age) if message.HasField("max_age") else None,
        cached_only=message.cached_only,
        allow_stale=message.allow_stale,
    )


def answer_to_proto(
    intent_id: str, answer: StatusAnswer | IntentError | None, now_ms: int
) -> cache_pb.StatusAnswer:
    """What travels is an age: clocks of two machines differ."""
    if answer is None:
        return cache_pb.StatusAnswer(intent_id=intent_id)
    if isinstance(answer, IntentError):
        return cache_pb.StatusAnswer(intent_id=intent_id, error=to_status(answer))
    status = answer.status
    return cache_pb.StatusAnswer(
        intent_id=intent_id,
        found=True,
        status=status_to_proto(status.status),
        version=status.version,
        level=answer.level,
        age=duration(answer.age(now_ms)),
        principal=status.principal,
        stale=answer.stale,
    )


def answer_from_proto(message: cache_pb.StatusAnswer, now_ms: int) -> StatusAnswer | IntentError | None:
    """`now_ms` by the clock of whoever asked."""
    if message.HasField("error"):
        return from_status(message.error)
    if not message.found:
        return None
    return StatusAnswer(
        status=CachedStatus(
            intent_id=message.intent_id,
            status=status_from_proto(message.status),
            version=message.version,
            principal=message.principal,
        ),
        level=message.level,
        read_at_ms=now_ms - span(message.age) // timedelta(milliseconds=1),
        stale=message.stale,
    )


def cached_to_proto(status: CachedStatus) -> cache_pb.CachedStatus:
    return cache_pb.CachedStatus(
        intent_id=status.intent_id,
        status=status_to_proto(status.status),
        version=status.version,
        principal=status.principal,
    )


def cached_from_proto(message: cache_pb.CachedStatus) -> CachedStatus:
    return CachedStatus(
        intent_id=message.intent_id,
        status=status_from_proto(message.status),
        version=message.version,
        principal=message.principal,
    )


def view_to_proto(view: ChainView) -> cache_pb.ChainView:
    match view:
        case HasPublicKey(account_id, public_key):
            key = cache_pb.HasPublicKey(account_id=account_id, public_key=public_key)
            return cache_pb.ChainView(has_public_key=key)
        case IsNonceUsed(account_id, nonce):
            return cache_pb.ChainView(is_nonce_used=cache_pb.IsNonceUsed(account_id=account_id, nonce=nonce))
        case CurrentSalt():
            return cache_pb.ChainView(current_salt=cache_pb.CurrentSalt())
        case IsValidSalt(salt):
            return cache_pb.ChainView(is_valid_salt=cache_pb.IsValidSalt(salt=salt))
        case BalanceOf(account_id, token):
            return cache_pb.ChainView(balance_of=cache_pb.BalanceOf(account_id=account_id, token=token))
        case IsRegistered(contract_id, account_id):
            registered = cache_pb.IsRegistered(contract_id=contract_id, account_id=account_id)
            return cache_pb.ChainView(is_registered=registered)
        case Simulation(signed):
            return cache_pb.ChainView(simulation=cache_pb.Simulation(signed=signed_to_proto(signed)))
        case IsKept(intent):
            return cache_pb.ChainView(is_kept=cache_pb.IsKept(intent=plain_to_proto(intent)))


def view_from_proto(message: cache_pb.ChainView) -> ChainView:
    """Raises INVALID_FIELD if no view is set."""
    match message.WhichOneof("view"):
        case "has_public_key":
            return HasPublicKey(message.has_public_key.account_id, message.has_public_key.public_key)
        case "is_nonce_used":
            return IsNonceUsed(message.is_nonce_used.account_id, message.is_nonce_used.nonce)
        case "current_salt":
            return CurrentSalt()
        case "is_valid_salt":
            return IsValidSalt(message.is_valid_salt.salt)
        case "balance_of":
            return BalanceOf(message.balance_of.account_id, message.balance_of.token)
        case "is_registered":
            return IsRegistered(message.is_registered.contract_id, message.is_registered.account_id)
        case "simulation":
            return Simulation(signed_from_proto(message.simulation.signed))
        case "is_kept":
            return IsKept(plain_from_proto(message.is_kept.intent))
        case None:
            raise IntentError(Reason.INVALID_FIELD, "views has an item without a view")


def view_answer_to_proto(answer: ViewAnswer | IntentError) -> cache_pb.ChainViewAnswer:
    if isinstance(answer, IntentError):
        return cache_pb.ChainViewAnswer(error=to_status(answer))
    message = cache_pb.ChainViewAnswer(block_height=answer.block_height, final=answer.final)
    match answer.value:
        case bytes(salt):
            message.salt = salt
        case str(refusal):
            message.refusal = refusal
        case bool(truth):
            message.truth = truth
        case units:
            message.units = str(units)
    return message


def view_answer_from_proto(message: cache_pb.ChainViewAnswer) -> ViewAnswer | IntentError:
    value: bool | bytes | int | str
    match message.WhichOneof("answer"):
        case "truth":
            value = message.truth
        case "salt":
            value = message.salt
        case "units":
            value = int(message.units)
        case "refusal":
            value = message.refusal
        case "error":
            return from_status(message.error)
        case None:
            return IntentError(Reason.INTERNAL, "The cache sent no answer.")
    return ViewAnswer(value=value, block_height=message.block_height, final=message.final)


# --- notifier


def _subscribe_to_proto(command: Subscribe) -> notifier_pb.FeedSubscribe:
    return notifier_pb.FeedSubscribe(
        sequence=command.sequence, intent_ids=command.intent_ids, principals=command.principals
    )


def _subscribe_from_proto(message: notifier_pb.FeedSubscribe) -> Subscribe:
    return Subscribe(
        sequence=message.sequence, intent_ids=tuple(message.intent_ids), principals=tuple(message.principals)
    )


def command_to_proto(command: FeedCommand) -> notifier_pb.FeedRequest:
    match command:
        case Open():
            return notifier_pb.FeedRequest(
                open=notifier_pb.FeedOpen(
                    edge_id=command.edge_id,
                    cursor=command.cursor,
                    subscriptions=_subscribe_to_proto(command.subscriptions),
                )
            )
        case Subscribe():
            return notifier_pb.FeedRequest(subscribe=_subscribe_to_proto(command))
        case Unsubscribe():
            return notifier_pb.FeedRequest(
                unsubscribe=notifier_pb.FeedUnsubscribe(
                    intent_ids=command.intent_ids, principals=command.principals
                )
            )


def command_from_proto(message: notifier_pb.FeedRequest) -> FeedCommand:
    """Raises MALFORMED_REQUEST if no command is set."""
    match message.WhichOneof("command"):
        case "open":
            return Open(
                edge_id=message.open.edge_id,
                cursor=message.open.cursor,
                subscriptions=_subscribe_from_proto(message.open.subscriptions),
            )
        case "subscribe":
            return _subscribe_from_proto(message.subscribe)
        case "unsubscribe":
            return Unsubscribe(
                intent_ids=tuple(message.unsubscribe.intent_ids),
                principals=tuple(message.unsubscribe.principals),
            )
        case None:
            raise IntentError(Reason.MALFORMED_REQUEST, "A feed request holds no command.")


def feed_to_proto(message: FeedMessage) -> notifier_pb.FeedResponse:
    response = notifier_pb.FeedResponse(cursor=message.cursor)
    if message.reset:
        response.reset.SetInParent()
    elif message.subscribed is not None:
        response.subscribed.sequence = message.subscribed
        response.subscribed.SetInParent()
    elif message.events:
        response.events.events.extend(event_to_proto(event) for event in message.events)
    else:
        response.position.SetInParent()
    return response


def feed_from_proto(message: notifier_pb.FeedResponse) -> FeedMessage:
    kind = message.WhichOneof("message")
    return FeedMessage(
        cursor=message.cursor,
        events=events_from_proto(message.events.events) if kind == "events" else (),
        subscribed=message.subscribed.sequence if kind == "subscribed" else None,
        reset=kind == "reset",
    )
