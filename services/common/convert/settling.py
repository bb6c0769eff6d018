"""Acts on intents that nobody ends, and what is kept of them."""

from typing import Final

from intents.store.v1 import store_service_pb2 as store_pb
from services.common.convert.intents import record_from_proto, record_to_proto
from services.common.convert.times import moment, timestamp
from services.common.domain.settling import Act, Audited, AuditEntry, Settlement
from services.common.errors import IntentError, Reason
from services.common.rpc.errors import from_status, to_status

_ACTS: Final = {
    Act.NOTE: store_pb.SETTLEMENT_ACT_NOTE,
    Act.WAKE: store_pb.SETTLEMENT_ACT_WAKE,
    Act.FAIL: store_pb.SETTLEMENT_ACT_FAIL,
}
_ACT_OF: Final = {number: act for act, number in _ACTS.items()}


def settlement_to_proto(asked: Settlement) -> store_pb.Settlement:
    return store_pb.Settlement(
        intent_id=asked.intent_id,
        act=_ACTS[asked.act],
        by=asked.by,
        reason=asked.reason,
        evidence=asked.evidence,
        seen_version=asked.seen_version,
    )


def settlement_from_proto(message: store_pb.Settlement) -> Settlement:
    """Raises INVALID_FIELD for an act that is none."""
    act = _ACT_OF.get(message.act)
    if act is None:
        raise IntentError(Reason.INVALID_FIELD, "act: note, wake or fail is expected.")
    return Settlement(
        intent_id=message.intent_id,
        act=act,
        by=message.by,
        reason=message.reason,
        evidence=message.evidence,
        seen_version=message.seen_version,
    )


def entry_to_proto(entry: AuditEntry) -> store_pb.AuditEntry:
    return store_pb.AuditEntry(
        at=timestamp(entry.at), by=entry.by, act=entry.act, reason=entry.reason, evidence=entry.evidence
    )


def audited_to_proto(audited: Audited) -> store_pb.AuditedIntent:
    return store_pb.AuditedIntent(
        record=record_to_proto(audited.record), entries=[entry_to_proto(one) for one in audited.entries]
    )


def audited_from_proto(message: store_pb.AuditedIntent) -> Audited:
    return Audited(
        record=record_from_proto(message.record),
        entries=tuple(
            AuditEntry(at=moment(one.at), by=one.by, act=one.act, reason=one.reason, evidence=one.evidence)
            for one in message.entries
        ),
    )


def settled_to_proto(outcome: Audited | IntentError) -> store_pb.SettleOutcome:
    if isinstance(outcome, IntentError):
        return store_pb.SettleOutcome(error=to_status(outcome))
    return store_pb.SettleOutcome(audited=audited_to_proto(outcome))


def settled_from_proto(message: store_pb.SettleOutcome) -> Audited | IntentError:
    if message.WhichOneof("outcome") == "audited":
        return audited_from_proto(message.audited)
    return from_status(message.error)
