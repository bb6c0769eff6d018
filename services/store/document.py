"""The stored document <-> the record. The seed's names and types, ours beside them.

Public, as the seed reads it: intentId, userId, action, input_token, input_amount, output_token,
min_output_amount, max_slippage (number, percent), status, createdAt, updatedAt, expiresAt,
executionDetails{solverId, transactions[{hash, chain, status}], gasUsed, totalCost}, errorDetails. Amounts,
gasUsed and totalCost are strings; times are dates.

Ours: `_id` (= intentId), schemaVersion (absent: 1), version, versionStatus (repeats status), principal,
contentHash, requestId, signedData, nonceKey, deadlineNs, chainTransactions (signed bytes included) with
chainRevision, history,
outbox [{version, sequence}] (sequence 0: not numbered yet), lease{owner, fence, expiresAt} (owner "" when
nobody's; the fence stays), nextActionAt (null when terminal; the lease's end while leased), traceparent,
openUntil (= expiresAt, null when terminal), openUser (= userId, null when terminal), tokens (input and output, for
queries by either); held{reason, since}
while it waits for a person (then nextActionAt is null); adopted{id, digest, at, others} of what another system wrote;
resolutions [{at, by, reason, choice, evidence, forced, was}] of acts of operators and of the resolver;
on MongoDB lastWrite (names the last compare-and-set, for who made it).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from services.common.domain.intent import (
    ChainTransaction,
    ErrorDetails,
    ExecutionDetails,
    IntentEvent,
    IntentRecord,
    Lease,
    Nep413Payload,
    NewIntent,
    PlainIntent,
    SignedData,
    SignedTransaction,
    TonConnectPayload,
    WebauthnAssertion,
)
from services.common.domain.lifecycle import TERMINAL, Status
from services.common.domain.plainjson import slippage_percent
from services.common.errors import IntentError, Reason
from services.store.ports import Document

SCHEMA: Final = 2
"""Schema of the documents written here. 2 added openUntil, openUser and tokens."""

ENDED: Final = {"openUntil": None, "openUser": None}
"""What `derived` says of an intent that has ended, as far as its end changes it."""

UNFIT: Final = (KeyError, ValueError, TypeError, AttributeError, IndexError)
"""What reading a document raises that is not as it is described here."""

ADOPTED: Final = "ADOPTED"
"""Reason of version 1 of an intent that another system began: its status is as it was found."""


def new_document(
    new: NewIntent, plain: PlainIntent, *, content_hash: str, nonce_key: str | None, now: datetime
) -> Document:
    """A pending intent of version 1, due at once, its creation in history and outbox."""
    submission = new.submission
    document: Document = {
        "_id": plain.id,
        "intentId": plain.id,
        "userId": plain.user_account,
        "action": plain.action,
        "input_token": plain.input_token,
        "input_amount": plain.input_amount,
        "output_token": plain.output_token,
    }
    if plain.min_output_amount is not None:
        document["min_output_amount"] = plain.min_output_amount
    if plain.max_slippage_bps is not None:
        document["max_slippage"] = slippage_percent(plain.max_slippage_bps)
    document |= {
        "schemaVersion": SCHEMA,
        "status": Status.PENDING.value,
        "createdAt": now,
        "updatedAt": now,
        "expiresAt": new.expires_at,
        "version": 1,
        "versionStatus": Status.PENDING.value,
        "principal": new.principal,
        "contentHash": content_hash,
        "requestId": submission.request_id,
        "nonceKey": nonce_key,
        "deadlineNs": None if plain.deadline_ns is None else str(plain.deadline_ns),
        "signedData": None if submission.signed_data is None else _signed_to(submission.signed_data),
        "chainTransactions": [],
        "chainRevision": 0,
        "history": [
            move_entry(version=1, status=Status.PENDING, at=now, actor="edge", traceparent=new.traceparent)
        ],
        "outbox": [{"version": 1, "sequence": 0}],
        "lease": {"owner": "", "fence": 0, "expiresAt": None},
        "nextActionAt": now,
        "traceparent": new.traceparent,
    }
    return document | derived(document)


def is_stranger(document: Document) -> bool:
    """Whether another system wrote it: none of our records until it is adopted."""
    return document.keys().isdisjoint(("version", "versionStatus", "history"))


def derived(document: Document) -> Document:
    """Fields kept for queries alone; each follows from others."""
    ended = document["versionStatus"] in TERMINAL
    return {
        "openUntil": None if ended else document["expiresAt"],
        "openUser": None if ended else document["userId"],
        "tokens": sorted({document["input_token"], document["output_token"]}),
    }


def held_since(document: Document) -> datetime | None:
    """When it was held; None if it is not, or somebody else wrote something there."""
    held = document.get("held")
    since = held.get("since") if isinstance(held, dict) else None
    return since if isinstance(since, datetime) else None


def move_entry(
    *,
    version: int,
    status: Status,
    at: datetime,
    actor: str,
    traceparent: str = "",
    reason: str = "",
    execution: Document | None = None,
    error: Document | None = None,
) -> Document:
    """One move, as history and the event log keep it."""
    entry: Document = {
        "version": version,
        "status": status.value,
        "occurredAt": at,
        "actor": actor,
        "reason": reason,
        "traceparent": traceparent,
    }
    if execution is not None:
        entry["executionDetails"] = execution
    if error is not None:
        entry["errorDetails"] = error
    return entry


def event_document(document: Document, version: int, partition: int, sequence: int) -> Document:
    """The event of an intent's move, for its place in the log."""
    return {
        "_id": event_id(partition, sequence),
        "partition": partition,
        "sequence": sequence,
        "intentId": document["_id"],
        "userId": document["userId"],
        "principal": document["principal"],
        **document["history"][version - 1],
    }


def event_id(partition: int, sequence: int) -> str:
    """Sorts by partition, then sequence."""
    return f"{partition:05d}:{sequence:019d}"


def event_of(event: Document) -> IntentEvent:
    """An event of the log."""
    return _event(event, event["intentId"], event["userId"], event["principal"])


def record_of(document: Document) -> IntentRecord:
    """The record. Where somebody wrote past us its status is the last that we moved it to.

    Raises IntentError CORRUPT_RECORD.
    """
    try:
        return _record(document)
    except UNFIT:
        raise corrupt(document) from None


def corrupt(document: Document) -> IntentError:
    """What is said of a record that somebody broke."""
    return IntentError(
        Reason.CORRUPT_RECORD,
        "A stored intent cannot be read.",
        metadata={"intent_id": str(document.get("_id", ""))[:128]},
    )


def _record(document: Document) -> IntentRecord:
    intent_id, user_id, principal = document["_id"], document["userId"], document["principal"]
    slippage, deadline = document.get("max_slippage"), document.get("deadlineNs")
    signed, lease = document.get("signedData"), document["lease"]
    execution, error = document.get("executionDetails"), document.get("errorDetails")
    return IntentRecord(
        intent_id=intent_id,
        user_id=user_id,
        intent=PlainIntent(
            id=intent_id,
            user_account=user_id,
            action=document["action"],
            input_token=document["input_token"],
            input_amount=document["input_amount"],
            output_token=document["output_token"],
            min_output_amount=document.get("min_output_amount"),
            max_slippage_bps=None if slippage is None else round(slippage * 100),
            deadline_ns=None if deadline is None else int(deadline),
        ),
        status=Status(document["versionStatus"]),
        version=document["version"],
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
        expires_at=document["expiresAt"],
        principal=principal,
        content_hash=document["contentHash"],
        request_id=document.get("requestId") or "",
        signed_data=None if signed is None else _signed_of(signed),
        execution_details=None if execution is None else execution_of(execution),
        error_details=None if error is None else _error_of(error),
        transactions=tuple(transaction_of(one) for one in document["chainTransactions"]),
        history=tuple(_event(entry, intent_id, user_id, principal) for entry in document["history"]),
        lease=Lease(owner=lease["owner"], fence=lease["fence"], expires_at=lease["expiresAt"])
        if lease["owner"]
        else None,
        next_action_at=document.get("nextActionAt"),
        traceparent=document.get("traceparent") or "",
        foreign_write=document["status"] != document["versionStatus"],
    )


def _event(entry: Document, intent_id: str, user_id: str, principal: str) -> IntentEvent:
    execution, error = entry.get("executionDetails"), entry.get("errorDetails")
    return IntentEvent(
        intent_id=intent_id,
        user_id=user_id,
        version=entry["version"],
        status=Status(entry["status"]),
        occurred_at=entry["occurredAt"],
        reason=entry["reason"],
        execution_details=None if execution is None else execution_of(execution),
        error_details=None if error is None else _error_of(error),
        traceparent=entry["traceparent"],
        actor=entry["actor"],
        principal=principal,
    )


def execution_to(details: ExecutionDetails) -> Document:
    """As the seed's schema has it."""
    return {
        "solverId": details.solver_id,
        "transactions": [
            {"hash": one.hash, "chain": one.chain, "status": one.status} for one in details.transactions
        ],
        "gasUsed": str(details.gas_used),
        "totalCost": str(details.total_cost),
    }


def execution_of(details: Document) -> ExecutionDetails:
    """The reverse; what another writer left out is empty."""
    return ExecutionDetails(
        solver_id=details.get("solverId") or "",
        transactions=tuple(
            ChainTransaction(hash=one["hash"], chain=one["chain"], status=one["status"])
            for one in details.get("transactions") or ()
        ),
        gas_used=int(details.get("gasUsed") or 0),
        total_cost=int(details.get("totalCost") or 0),
    )


def execution_from(transactions: Sequence[Document]) -> Document:
    """The public account of the stored transactions: sums over all, the last solver asked."""
    solvers = [one["solverId"] for one in transactions if one["solverId"]]
    return {
        "solverId": solvers[-1] if solvers else "",
        "transactions": [
            {"hash": one["hash"], "chain": one["chain"], "status": one["status"]} for one in transactions
        ],
        "gasUsed": str(sum(int(one["gasUsed"]) for one in transactions)),
        "totalCost": str(sum(int(one["totalCost"]) for one in transactions)),
    }


def error_to(details: ErrorDetails) -> Document:
    """errorDetails."""
    return {"reason": details.reason, "message": details.message, "evidence": details.evidence}


def _error_of(details: Any) -> ErrorDetails:
    # the seed's own updateOne writes whatever its error was
    if not isinstance(details, dict):
        return ErrorDetails(reason="", message=str(details)[:1024])
    return ErrorDetails(
        reason=str(details.get("reason") or ""),
        message=str(details.get("message") or ""),
        evidence=str(details.get("evidence") or ""),
    )


def transaction_to(one: SignedTransaction) -> Document:
    """A signed transaction, bytes included; numbers that may pass 63 bits are strings."""
    return {
        "purpose": one.purpose,
        "hash": one.hash,
        "signedBytes": one.signed_bytes,
        "signerId": one.signer_id,
        "publicKey": one.public_key,
        "nonce": str(one.nonce),
        "blockHash": one.block_hash,
        "blockHeight": one.block_height,
        "chain": one.chain,
        "status": one.status,
        "gasUsed": str(one.gas_used),
        "totalCost": str(one.total_cost),
        "evidence": one.evidence,
        "solverId": one.solver_id,
    }


def transaction_of(one: Document) -> SignedTransaction:
    """The reverse."""
    return SignedTransaction(
        purpose=one["purpose"],
        hash=one["hash"],
        signed_bytes=one["signedBytes"],
        signer_id=one["signerId"],
        public_key=one["publicKey"],
        nonce=int(one["nonce"]),
        block_hash=one["blockHash"],
        block_height=one["blockHeight"],
        chain=one["chain"],
        status=one["status"],
        gas_used=int(one["gasUsed"]),
        total_cost=int(one["totalCost"]),
        evidence=one["evidence"],
        solver_id=one["solverId"],
    )


def _signed_to(signed: SignedData) -> Document:
    payload: Any
    match signed.payload:
        case Nep413Payload() as envelope:
            payload = {
                "message": envelope.message,
                "nonce": envelope.nonce,
                "recipient": envelope.recipient,
                "callbackUrl": envelope.callback_url,
            }
        case TonConnectPayload() as ton:
            payload = {
                "address": ton.address,
                "domain": ton.domain,
                "timestampNs": str(ton.timestamp_ns),
                "text": ton.text,
            }
        case text:
            payload = text
    document: Document = {
        "standard": signed.standard,
        "payload": payload,
        "publicKey": signed.public_key,
        "signature": signed.signature,
    }
    if signed.webauthn is not None:
        document["webauthn"] = {
            "authenticatorData": signed.webauthn.authenticator_data,
            "clientDataJson": signed.webauthn.client_data_json,
        }
    return document


def _signed_of(signed: Document) -> SignedData:
    payload, webauthn = signed["payload"], signed.get("webauthn")
    if isinstance(payload, dict):
        payload = _ton_of(payload) if "address" in payload else _nep413_of(payload)
    return SignedData(
        standard=signed["standard"],
        payload=payload,
        public_key=signed["publicKey"],
        signature=signed["signature"],
        webauthn=None
        if webauthn is None
        else WebauthnAssertion(
            authenticator_data=webauthn["authenticatorData"], client_data_json=webauthn["clientDataJson"]
        ),
    )


def _nep413_of(payload: Document) -> Nep413Payload:
    return Nep413Payload(
        message=payload["message"],
        nonce=payload["nonce"],
        recipient=payload["recipient"],
        callback_url=payload["callbackUrl"],
    )


def _ton_of(payload: Document) -> TonConnectPayload:
    return TonConnectPayload(
        address=payload["address"],
        domain=payload["domain"],
        timestamp_ns=int(payload["timestampNs"]),
        text=payload["text"],
    )
