"""Messages as JSON shows them: the seed's field names, lower-case status words, RFC 3339 times."""

from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from intents.v1 import intent_service_pb2 as pb
from intents.v1 import types_pb2 as types
from intents_client.errors import IntentsError
from intents_client.values import rfc3339

_WORDS: Final = {
    number: name.removeprefix("INTENT_STATUS_").lower()
    for name, number in types.IntentStatus.items()
    if number
}
_KINDS: Final = {
    number: name.removeprefix("RULE_KIND_").lower() for name, number in types.RuleKind.items() if number
}
_OUTCOMES: Final = {
    number: name.removeprefix("RULE_STATUS_").lower() for name, number in types.RuleStatus.items() if number
}
STATUSES: Final[Mapping[str, "types.IntentStatus.ValueType"]] = {
    word: number for number, word in _WORDS.items()
}
"""The seed's five words -> enum numbers, in the order of life."""


def status_word(number: "types.IntentStatus.ValueType") -> str:
    """`pending` and so on; `unknown` for a number of a later version."""
    return _WORDS.get(number, "unknown")


def time_text(stamp: Timestamp) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return rfc3339(stamp.ToDatetime(tzinfo=UTC))


def deadline_text(stamp: Timestamp) -> str:
    """RFC 3339 in UTC, exactly: decimals only where needed, then all nine."""
    text = stamp.ToDatetime(tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{stamp.nanos:09d}Z" if stamp.nanos else f"{text}Z"


def token_to_json(token: pb.TokenInfo) -> dict[str, Any]:
    """A token of GetInfo; limits, pairs and pause only where it has any."""
    shown: dict[str, Any] = {"id": token.id, "symbol": token.symbol, "decimals": token.decimals}
    if token.min_amount:
        shown["minAmount"] = token.min_amount
    if token.max_amount:
        shown["maxAmount"] = token.max_amount
    if token.pairs:
        shown["pairs"] = list(token.pairs)
    if token.paused:
        shown["paused"] = True
    return shown


def receipt_to_json(receipt: pb.Receipt) -> dict[str, Any]:
    """What POST /api/intents answers."""
    return {
        "intentId": receipt.intent_id,
        "status": status_word(receipt.status),
        "version": receipt.version,
        "createdAt": time_text(receipt.created_at),
    }


def verdict_to_json(verdict: pb.ValidateIntentResponse) -> dict[str, Any]:
    """What validating answers; the explanation where one was asked for."""
    shown: dict[str, Any] = {"valid": verdict.valid}
    if not verdict.valid:
        shown["errors"] = list(verdict.errors)
        shown["details"] = list(map(violation_to_json, verdict.details))
    if verdict.HasField("explanation"):
        shown["explanation"] = explanation_to_json(verdict.explanation)
    return shown


def violation_to_json(one: types.Violation) -> dict[str, Any]:
    """One thing wrong with one field."""
    return {"field": one.field, "reason": one.reason, "message": one.message}


def explanation_to_json(explanation: types.Explanation) -> dict[str, Any]:
    """What became of each rule, and what was signed."""
    shown: dict[str, Any] = {"rules": list(map(outcome_to_json, explanation.rules))}
    if explanation.HasField("signed"):
        signed = explanation.signed
        shown["signed"] = {
            "text": signed.text,
            "textBytes": signed.text_bytes,
            "hex": signed.data.hex(),
            "bytes": signed.data_bytes,
        }
    return shown


def outcome_to_json(one: types.RuleOutcome) -> dict[str, Any]:
    """One rule. `kind` and `status` are `unknown` for what a later version adds."""
    shown: dict[str, Any] = {
        "rule": one.rule,
        "stage": one.stage,
        "kind": _KINDS.get(one.kind, "unknown"),
        "status": _OUTCOMES.get(one.status, "unknown"),
        "seen": one.seen,
        "asks": one.asks,
        "mend": one.mend,
    }
    if one.violations:
        shown["violations"] = list(map(violation_to_json, one.violations))
    return shown


def intent_to_json(intent: types.Intent) -> dict[str, Any]:
    """A record as the seed's document has it, with `version` and `intentHash` beside."""
    plain = intent.intent
    shown: dict[str, Any] = {
        "intentId": intent.intent_id,
        "userId": intent.user_id,
        "action": plain.action,
        "input_token": plain.input_token,
        "input_amount": plain.input_amount,
        "output_token": plain.output_token,
    }
    if plain.HasField("min_output_amount"):
        shown["min_output_amount"] = plain.min_output_amount
    if plain.HasField("max_slippage_bps"):
        whole, rest = divmod(plain.max_slippage_bps, 100)
        shown["max_slippage"] = plain.max_slippage_bps / 100 if rest else whole
    if plain.HasField("deadline"):
        shown["deadline"] = deadline_text(plain.deadline)
    shown |= {
        "status": status_word(intent.status),
        "version": intent.version,
        "createdAt": time_text(intent.created_at),
        "updatedAt": time_text(intent.updated_at),
        "expiresAt": time_text(intent.expires_at),
    }
    if intent.intent_hash:
        shown["intentHash"] = intent.intent_hash
    if intent.HasField("execution_details"):
        shown["executionDetails"] = execution_to_json(intent.execution_details)
    if intent.HasField("error_details"):
        shown["errorDetails"] = failure_to_json(intent.error_details)
    return shown


def execution_to_json(details: types.ExecutionDetails) -> dict[str, Any]:
    """`executionDetails`."""
    return {
        "solverId": details.solver_id,
        "transactions": [
            {"hash": one.hash, "chain": one.chain, "status": one.status} for one in details.transactions
        ],
        "gasUsed": details.gas_used,
        "totalCost": details.total_cost,
    }


def failure_to_json(details: types.ErrorDetails) -> dict[str, Any]:
    """`errorDetails`."""
    return {"reason": details.reason, "message": details.message, "evidence": details.evidence}


def event_to_json(event: types.IntentEvent) -> dict[str, Any]:
    """One move, as the seed's intent-update has it, with `version` beside; `timestamp` is Unix milliseconds."""
    details: dict[str, Any] = {"version": event.version, "userId": event.user_id}
    if event.reason:
        details["reason"] = event.reason
    if event.HasField("execution_details"):
        details["executionDetails"] = execution_to_json(event.execution_details)
    if event.HasField("error_details"):
        details["errorDetails"] = failure_to_json(event.error_details)
    return {
        "intentId": event.intent_id,
        "status": status_word(event.status),
        "details": details,
        "timestamp": event.occurred_at.ToMilliseconds(),
        "version": event.version,
    }


def statistics_to_json(found: pb.GetStatisticsResponse) -> dict[str, Any]:
    """What GET /api/statistics answers."""
    shown: dict[str, Any] = {
        "statuses": {status_word(one.status): one.count for one in found.statuses},
        "total": found.total,
        "solvers": solvers_to_json(found.solvers),
        "periods": [period_to_json(one) for one in found.periods],
    }
    if found.HasField("totals"):
        shown["totals"] = period_to_json(found.totals)
    return shown


def period_to_json(one: pb.PeriodStatistics) -> dict[str, Any]:
    """What happened in a time."""
    return {
        "start": time_text(one.start),
        "end": time_text(one.end),
        "created": one.created,
        "completed": one.completed,
        "failed": one.failed,
        "completionRate": one.completion_rate,
        "volumes": [
            {"token": volume.token, "intents": volume.intents}
            | ({"amount": volume.amount} if volume.amount else {})
            for volume in one.volumes
        ],
        "times": {
            status_word(time.status): {"count": time.count, "p50": time.p50, "p90": time.p90, "p99": time.p99}
            for time in one.times
        },
        "gasUsed": one.gas_used,
        "totalCost": one.total_cost,
        "failures": [{"reason": failure.reason, "count": failure.count} for failure in one.failures],
        "solvers": solvers_to_json(one.solvers),
    }


def solvers_to_json(solvers: Iterable[pb.SolverStatistics]) -> list[dict[str, Any]]:
    """Side by side."""
    return [
        {
            "solverId": one.solver_id,
            "successRate": one.success_rate,
            "avgExecutionTime": one.avg_execution_time,
            "executions": one.executions,
        }
        for one in solvers
    ]


def error_to_json(error: IntentsError) -> dict[str, Any]:
    """An error as problem+json carries it: `reason`, `detail`, `errors`, `details`."""
    shown: dict[str, Any] = {
        "reason": error.reason or error.status,
        "detail": error.message,
        "errors": [violation.message for violation in error.violations] or [error.message],
        "details": [
            {"field": violation.field, "reason": violation.reason, "message": violation.message}
            for violation in error.violations
        ],
    }
    if error.retry_after is not None:
        shown["retryAfter"] = max(1, -int(-error.retry_after // 1))
    return shown
