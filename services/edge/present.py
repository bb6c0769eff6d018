"""Domain -> JSON as HTTP, SSE and socket.io show it: the seed's field names, lower-case status words."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson

from services.common.clock import to_ns
from services.common.domain.explanation import Explanation, RuleOutcome
from services.common.domain.intent import ErrorDetails, ExecutionDetails, IntentEvent, IntentRecord, Receipt
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import (
    IntentPage,
    StatusAnswer,
    TokenInfo,
    Verdict,
)
from services.common.domain.plainjson import plain_to_json
from services.common.domain.statistics import PeriodStatistics, SolverStatistics, Statistics
from services.common.encoding import b58encode
from services.common.errors import Violation
from services.edge.service import Info
from services.edge.watch.stream import Told


def time(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as JavaScript's toISOString."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def receipt(found: Receipt) -> dict[str, Any]:
    """The answer to a submission."""
    return {
        "intentId": found.intent_id,
        "status": str(found.status),
        "version": found.version,
        "createdAt": time(found.created_at),
    }


def record(found: IntentRecord) -> dict[str, Any]:
    """The stored document's public part; optional fields only where present."""
    fields = plain_to_json(found.intent)
    shown: dict[str, Any] = {"intentId": found.intent_id, "userId": found.user_id}
    shown |= {name: value for name, value in fields.items() if name not in ("id", "user_account")}
    shown |= {
        "status": str(found.status),
        "version": found.version,
        "createdAt": time(found.created_at),
        "updatedAt": time(found.updated_at),
        "expiresAt": time(found.expires_at),
    }
    if found.signed_data is not None:
        shown["intentHash"] = b58encode(bytes.fromhex(found.content_hash))
    if found.execution_details is not None:
        shown["executionDetails"] = execution(found.execution_details)
    if found.error_details is not None:
        shown["errorDetails"] = failure(found.error_details)
    return shown


def execution(details: ExecutionDetails) -> dict[str, Any]:
    """The seed's executionDetails."""
    return {
        "solverId": details.solver_id,
        "transactions": [
            {"hash": tx.hash, "chain": tx.chain, "status": tx.status} for tx in details.transactions
        ],
        "gasUsed": str(details.gas_used),
        "totalCost": str(details.total_cost),
    }


def failure(details: ErrorDetails) -> dict[str, Any]:
    """errorDetails."""
    return {"reason": details.reason, "message": details.message, "evidence": details.evidence}


def page(found: IntentPage) -> dict[str, Any]:
    """Newest first."""
    return {"intents": [record(one) for one in found.records], "nextPageToken": found.next_page_token}


def status(answer: StatusAnswer, now_ms: int) -> dict[str, Any]:
    """A status and where it came from."""
    return {
        "intentId": answer.status.intent_id,
        "status": str(answer.status.status),
        "version": answer.status.version,
        "level": answer.level,
        "ageMs": round(answer.age(now_ms).total_seconds() * 1000),
        "stale": answer.stale,
    }


def verdict(found: Verdict) -> dict[str, Any]:
    """The seed's {valid} or {valid, errors}, and the details beside them."""
    shown: dict[str, Any] = {"valid": True} if found.valid else refusal(found.violations)
    if found.explanation is not None:
        shown["explanation"] = explanation(found.explanation)
    return shown


def refusal(violations: tuple[Violation, ...] | list[Violation]) -> dict[str, Any]:
    """What is wrong with a submission."""
    return {
        "valid": False,
        "errors": [one.message for one in violations],
        "details": list(map(violation, violations)),
    }


def violation(found: Violation) -> dict[str, Any]:
    """One thing wrong with one field."""
    return {"field": found.field, "reason": str(found.reason), "message": found.message}


def explanation(found: Explanation) -> dict[str, Any]:
    """What became of each rule, and what was signed; `hex` and `text` may be cut short."""
    shown: dict[str, Any] = {"rules": list(map(_outcome, found.rules))}
    if found.signed is not None:
        shown["signed"] = {
            "text": found.signed.text,
            "textBytes": found.signed.text_bytes,
            "hex": found.signed.data.hex(),
            "bytes": found.signed.data_bytes,
        }
    return shown


def _outcome(one: RuleOutcome) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "rule": one.rule,
        "stage": one.stage,
        "kind": str(one.kind),
        "status": str(one.status),
        "seen": one.seen,
        "asks": one.asks,
        "mend": one.mend,
    }
    if one.violations:
        shown["violations"] = list(map(violation, one.violations))
    return shown


def statistics(found: Statistics) -> dict[str, Any]:
    """Every status is listed, also with 0."""
    shown: dict[str, Any] = {
        "statuses": {str(one): found.counts.get(one, 0) for one in Status},
        "total": found.total,
        "solvers": solvers(found.solvers),
        "periods": [period(one) for one in found.periods],
    }
    if found.totals is not None:
        shown["totals"] = period(found.totals)
    return shown


def period(found: PeriodStatistics) -> dict[str, Any]:
    """Sums are decimal strings: they pass what a number of JSON holds. "other" stands for many tokens, without one."""
    return {
        "start": time(found.start),
        "end": time(found.end),
        "created": found.created,
        "completed": found.completed,
        "failed": found.failed,
        "completionRate": found.completion_rate,
        "volumes": [
            {"token": one.token, "intents": one.intents}
            | ({} if one.amount is None else {"amount": str(one.amount)})
            for one in found.volumes
        ],
        "times": {
            str(one.status): {"count": one.count, "p50": one.p50, "p90": one.p90, "p99": one.p99}
            for one in found.times
        },
        "gasUsed": str(found.gas_used),
        "totalCost": str(found.total_cost),
        "failures": [{"reason": reason, "count": count} for reason, count in found.failures],
        "solvers": solvers(found.solvers),
    }


def solvers(found: Iterable[SolverStatistics]) -> list[dict[str, Any]]:
    """Side by side."""
    return [
        {
            "solverId": one.solver_id,
            "successRate": one.success_rate,
            "avgExecutionTime": one.avg_execution_time,
            "executions": one.executions,
        }
        for one in found
    ]


def info(found: Info) -> dict[str, Any]:
    """What one needs to know to sign."""
    rules, limits = found.rules, found.limits
    return {
        "network": rules.network,
        "verifyingContract": rules.verifying_contract,
        "standards": list(rules.standards),
        "actions": list(rules.actions),
        "tokens": list(map(_token, rules.tokens)),
        "unknownTokens": list(rules.unknown_tokens),
        "registry": rules.registry,
        "signatureRequired": rules.signature_required,
        "limits": {
            "maxBatch": limits.max_batch,
            "maxRequestBytes": limits.max_body_bytes,
            "maxWatch": limits.max_watch,
            "maxLifetimeMs": round(rules.max_lifetime.total_seconds() * 1000),
            "minLifetimeMs": round(rules.min_lifetime.total_seconds() * 1000),
            "rateLimitMax": limits.rate_max,
            "rateLimitWindowMs": round(limits.rate_window * 1000),
        },
        "version": found.version,
    }


def _token(token: TokenInfo) -> dict[str, Any]:
    """Limits, pairs and pause only where it has any."""
    shown: dict[str, Any] = {"id": token.id, "symbol": token.symbol, "decimals": token.decimals}
    if token.min_amount is not None:
        shown["minAmount"] = str(token.min_amount)
    if token.max_amount is not None:
        shown["maxAmount"] = str(token.max_amount)
    if token.pairs:
        shown["pairs"] = list(token.pairs)
    if token.paused:
        shown["paused"] = True
    return shown


def details(event: IntentEvent) -> dict[str, Any]:
    """`details` of an update: what this move brought."""
    shown: dict[str, Any] = {"version": event.version, "userId": event.user_id}
    if event.reason:
        shown["reason"] = event.reason
    if event.execution_details is not None:
        shown["executionDetails"] = execution(event.execution_details)
    if event.error_details is not None:
        shown["errorDetails"] = failure(event.error_details)
    return shown


def update(event: IntentEvent) -> dict[str, Any]:
    """The seed's intent-update: timestamp is when it moved, Unix ms."""
    return {
        "intentId": event.intent_id,
        "status": str(event.status),
        "details": details(event),
        "timestamp": to_ns(event.occurred_at) // 1_000_000,
    }


def move(event: IntentEvent) -> dict[str, Any]:
    """An update with its version beside it."""
    return {**update(event), "version": event.version}


def move_bytes(event: IntentEvent) -> bytes:
    """`move` as JSON."""
    return orjson.dumps(move(event))


def sse(message: Told) -> bytes:
    """One message of an event stream; a heartbeat is a comment that clients pass over."""
    if message.moved is None:
        return b": heartbeat\n\n"
    if message.conflated:
        versions = list(range(message.first, message.moved.event.version + 1))
        data = orjson.dumps({**move(message.moved.event), "versions": versions})
    else:
        data = message.moved.form(move_bytes)
    return b"id: %s\ndata: %s\n\n" % (message.cursor.encode(), data)
