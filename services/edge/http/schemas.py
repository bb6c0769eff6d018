"""The shapes of what the HTTP API takes and answers, as OpenAPI describes them."""

from typing import Any, Final

from services.common.domain.explanation import Kind, RuleStatus
from services.common.domain.lifecycle import Status
from services.common.errors import Reason

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
SIGNED_TEXT: Final[Schema] = {"type": "string", "description": "the signed JSON text, byte for byte"}
WHOLE: Final[Schema] = {"type": "integer", "minimum": 0}
SWITCH: Final[Schema] = {"type": "boolean", "default": False}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
AMOUNT: Final[Schema] = {"type": "string", "pattern": "^(0|[1-9][0-9]*)$", "description": "smallest unit"}
ID: Final[Schema] = {"type": "string", "pattern": "^[A-Za-z0-9._:@-]{1,128}$"}
SHARE: Final[Schema] = {"type": "number", "minimum": 0, "maximum": 1}
SECONDS: Final[Schema] = {"type": "number", "minimum": 0, "description": "seconds"}
STATUS: Final[Schema] = {"type": "string", "enum": [str(status) for status in Status]}


def object_of(required: str, **properties: Schema) -> Schema:
    return {"type": "object", "required": required.split(), "properties": properties}


def list_of(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _encoded(encoding: str, what: str) -> Schema:
    return {"type": "string", "contentEncoding": encoding, "description": what}


def _signed(
    standards: str,
    payload: Schema,
    *,
    key: str = "ed25519:<base58 of 32 bytes>",
    signature: str = "ed25519:<base58 of 64 bytes>",
    **more: Schema,
) -> Schema:
    """Signed data of these standards; without `key` the signature yields it."""
    if key:
        more["public_key"] = {"type": "string", "description": key}
    properties = {
        "standard": {"enum": standards.split()},
        "payload": payload,
        "signature": {"type": "string", "description": signature},
        **more,
    }
    return {**object_of(" ".join(properties), **properties), "additionalProperties": False}


_FIELDS: Final[dict[str, Schema]] = {
    "action": {"type": "string", "description": "one of /api/info's actions"},
    "input_token": TEXT,
    "input_amount": AMOUNT,
    "output_token": TEXT,
    "min_output_amount": AMOUNT,
    "max_slippage": {
        "type": "number",
        "minimum": 0,
        "maximum": 100,
        "description": "percent, at most 2 decimals",
    },
}

SCHEMAS: Final[dict[str, Schema]] = {
    "Submission": {
        **object_of(
            "",
            id=ID,
            user_account={
                "type": "string",
                "description": "NEAR account: named, or 64 hex digits of the key",
            },
            **_FIELDS,
            deadline={
                "description": "RFC 3339 with an offset, or integer nanoseconds",
                "type": ["string", "integer"],
            },
            signed_data=ref("SignedData"),
            request_id={**ID, "description": "names the attempt, so that a repeat is recognised"},
        ),
        "description": "an intent with its signature beside it, or a signed message on its own",
        "anyOf": [
            {"required": ["id", "user_account", "action", "input_token", "input_amount", "output_token"]},
            {"required": ["signed_data"]},
        ],
        "additionalProperties": False,
    },
    "SignedData": {
        "description": "a MultiPayload of near/intents; info.standards names what can be checked",
        "oneOf": [
            _signed(
                "nep413",
                object_of(
                    "message nonce recipient",
                    message=SIGNED_TEXT,
                    nonce=_encoded("base64", "32 bytes"),
                    recipient={"type": "string", "description": "info.verifyingContract"},
                    callbackUrl=TEXT,
                ),
            ),
            _signed("raw_ed25519 sep53", SIGNED_TEXT),
            _signed("erc191 tip191", SIGNED_TEXT, key="", signature="secp256k1:<base58 of r, s and 0 to 3>"),
            _signed(
                "webauthn",
                SIGNED_TEXT,
                key="ed25519:<base58 of 32 bytes>, p256:<base58 of x and y>",
                signature="ed25519:<base58 of 64 bytes>, p256:<base58 of r and s>",
                authenticator_data=_encoded("base64url", "authenticatorData"),
                client_data_json={"type": "string", "description": "clientDataJSON"},
            ),
            _signed(
                "ton_connect",
                object_of("type text", type={"const": "text"}, text=SIGNED_TEXT),
                address={"type": "string", "description": "raw or user-friendly"},
                domain=TEXT,
                timestamp={"type": ["integer", "string"], "description": "Unix seconds or RFC 3339"},
            ),
        ],
    },
    "Receipt": object_of(
        "intentId status version createdAt",
        intentId=ID,
        status={"const": "pending"},
        version={"const": 1},
        createdAt=TIME,
    ),
    "Intent": object_of(
        "intentId userId action input_token input_amount output_token status version createdAt updatedAt expiresAt",
        intentId=ID,
        userId=TEXT,
        **_FIELDS,
        deadline=TIME,
        status=STATUS,
        version=WHOLE,
        createdAt=TIME,
        updatedAt=TIME,
        expiresAt=TIME,
        intentHash={"type": "string", "description": "base58 of the signed message's digest"},
        executionDetails=ref("ExecutionDetails"),
        errorDetails=ref("ErrorDetails"),
    ),
    "ExecutionDetails": object_of(
        "solverId transactions gasUsed totalCost",
        solverId=TEXT,
        transactions=list_of(object_of("hash chain status", hash=TEXT, chain=TEXT, status=TEXT)),
        gasUsed=AMOUNT,
        totalCost=AMOUNT,
    ),
    "ErrorDetails": object_of("reason message evidence", reason=TEXT, message=TEXT, evidence=TEXT),
    "IntentStatus": object_of(
        "intentId status version level ageMs stale",
        intentId=ID,
        status=STATUS,
        version={**WHOLE, "description": "0 if only the chain knew it"},
        level={"enum": ["memory", "redis", "store", "chain"]},
        ageMs=WHOLE,
        stale={"type": "boolean", "description": "true if it should have been confirmed and could not be"},
    ),
    "Page": object_of("intents nextPageToken", intents=list_of(ref("Intent")), nextPageToken=TEXT),
    "Verdict": object_of(
        "valid",
        valid={"type": "boolean"},
        errors=list_of(TEXT),
        details=list_of(ref("Violation")),
        explanation={**ref("Explanation"), "description": "present if asked for"},
    ),
    "Explanation": object_of(
        "rules",
        rules={**list_of(ref("RuleOutcome")), "description": "every rule, in the order of docs/rules.md"},
        signed=ref("SignedContent"),
    ),
    "RuleOutcome": object_of(
        "rule stage kind status seen asks mend",
        rule=TEXT,
        stage={"enum": ["structure", "tokens", "amounts", "security"]},
        kind={"enum": [str(kind) for kind in Kind]},
        status={"enum": [str(status) for status in RuleStatus]},
        seen={
            "type": "string",
            "description": "the value it looked at, cut short; empty if it looked at none",
        },
        asks=TEXT,
        mend=TEXT,
        violations={**list_of(ref("Violation")), "description": "what it found; only if it failed"},
    ),
    "SignedContent": object_of(
        "text textBytes hex bytes",
        text={"type": "string", "description": "the signed message, its first 4096 characters"},
        textBytes=WHOLE,
        hex={"type": "string", "description": "what goes into the signature check, its first 1024 bytes"},
        bytes=WHOLE,
    ),
    "Violation": object_of("field reason message", field=TEXT, reason=TEXT, message=TEXT),
    "Statistics": object_of(
        "statuses total solvers periods",
        statuses=object_of(" ".join(Status), **{str(status): WHOLE for status in Status}),
        total=WHOLE,
        solvers=list_of(ref("SolverStatistics")),
        totals={**ref("PeriodStatistics"), "description": "what happened from since to until"},
        periods={
            **list_of(ref("PeriodStatistics")),
            "description": "the same by period; those without anything left out",
        },
    ),
    "SolverStatistics": object_of(
        "solverId successRate avgExecutionTime executions",
        solverId=TEXT,
        successRate=SHARE,
        avgExecutionTime=SECONDS,
        executions=WHOLE,
    ),
    "PeriodStatistics": object_of(
        "start end created completed failed completionRate volumes times gasUsed totalCost failures solvers",
        start=TIME,
        end=TIME,
        created=WHOLE,
        completed=WHOLE,
        failed=WHOLE,
        completionRate=SHARE,
        volumes={
            **list_of(object_of("token intents", token=TEXT, intents=WHOLE, amount=AMOUNT)),
            "description": "input of completed intents; other, without an amount, stands for what is beyond 100 tokens",
        },
        times=object_of(
            "",
            **{
                str(status): object_of(
                    "count p50 p90 p99", count=WHOLE, p50=SECONDS, p90=SECONDS, p99=SECONDS
                )
                for status in Status
                if status is not Status.PENDING
            },
        ),
        gasUsed=AMOUNT,
        totalCost=AMOUNT,
        failures=list_of(object_of("reason count", reason=TEXT, count=WHOLE)),
        solvers=list_of(ref("SolverStatistics")),
    ),
    "Info": object_of(
        "network verifyingContract standards actions tokens unknownTokens registry signatureRequired limits version",
        network=TEXT,
        verifyingContract=TEXT,
        standards=list_of(TEXT),
        actions=list_of(TEXT),
        tokens=list_of(
            object_of(
                "id symbol decimals",
                id=TEXT,
                symbol=TEXT,
                decimals=WHOLE,
                minAmount=AMOUNT,
                maxAmount=AMOUNT,
                pairs=list_of(TEXT),
                paused={"type": "boolean"},
            )
        ),
        unknownTokens=list_of(TEXT),
        registry=TEXT,
        signatureRequired={"type": "boolean"},
        limits=object_of(
            "maxBatch maxRequestBytes maxWatch maxLifetimeMs minLifetimeMs rateLimitMax rateLimitWindowMs",
            maxBatch=WHOLE,
            maxRequestBytes=WHOLE,
            maxWatch=WHOLE,
            maxLifetimeMs=WHOLE,
            minLifetimeMs=WHOLE,
            rateLimitMax=WHOLE,
            rateLimitWindowMs=WHOLE,
        ),
        version=TEXT,
    ),
    "Update": object_of(
        "intentId status version details timestamp",
        intentId=ID,
        status=STATUS,
        version=WHOLE,
        details={"type": "object", "description": "version, userId, reason, executionDetails, errorDetails"},
        timestamp={**WHOLE, "description": "Unix ms"},
        versions={**list_of(WHOLE), "description": "present where one message stands for several versions"},
    ),
    "Problem": object_of(
        "type title status detail reason errors details",
        type=TEXT,
        title=TEXT,
        status=WHOLE,
        detail=TEXT,
        reason={"type": "string", "enum": [str(reason) for reason in Reason]},
        errors=list_of(TEXT),
        details=list_of(ref("Violation")),
        retryAfter={**WHOLE, "description": "seconds"},
        traceId=TEXT,
    ),
}
