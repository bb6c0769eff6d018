"""The HTTP API described by hand; a test holds it against the routes and their answers."""

from typing import Any, Final

from services.common.domain.explanation import Kind, RuleStatus
from services.common.domain.lifecycle import Status
from services.common.domain.statistics import Period
from services.common.errors import HTTP_STATUS, Reason

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


def _object(required: str, **properties: Schema) -> Schema:
    return {"type": "object", "required": required.split(), "properties": properties}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _ref(name: str) -> Schema:
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
    return {**_object(" ".join(properties), **properties), "additionalProperties": False}


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
        **_object(
            "id user_account action input_token input_amount output_token",
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
            signed_data=_ref("SignedData"),
            request_id={**ID, "description": "names the attempt, so that a repeat is recognised"},
        ),
        "additionalProperties": False,
    },
    "SignedData": {
        "description": "a MultiPayload of near/intents; info.standards names what can be checked",
        "oneOf": [
            _signed(
                "nep413",
                _object(
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
                _object("type text", type={"const": "text"}, text=SIGNED_TEXT),
                address={"type": "string", "description": "raw or user-friendly"},
                domain=TEXT,
                timestamp={"type": ["integer", "string"], "description": "Unix seconds or RFC 3339"},
            ),
        ],
    },
    "Receipt": _object(
        "intentId status version createdAt",
        intentId=ID,
        status={"const": "pending"},
        version={"const": 1},
        createdAt=TIME,
    ),
    "Intent": _object(
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
        executionDetails=_ref("ExecutionDetails"),
        errorDetails=_ref("ErrorDetails"),
    ),
    "ExecutionDetails": _object(
        "solverId transactions gasUsed totalCost",
        solverId=TEXT,
        transactions=_list(_object("hash chain status", hash=TEXT, chain=TEXT, status=TEXT)),
        gasUsed=AMOUNT,
        totalCost=AMOUNT,
    ),
    "ErrorDetails": _object("reason message evidence", reason=TEXT, message=TEXT, evidence=TEXT),
    "IntentStatus": _object(
        "intentId status version level ageMs",
        intentId=ID,
        status=STATUS,
        version={**WHOLE, "description": "0 if only the chain knew it"},
        level={"enum": ["memory", "redis", "store", "chain"]},
        ageMs=WHOLE,
    ),
    "Page": _object("intents nextPageToken", intents=_list(_ref("Intent")), nextPageToken=TEXT),
    "Verdict": _object(
        "valid",
        valid={"type": "boolean"},
        errors=_list(TEXT),
        details=_list(_ref("Violation")),
        explanation={**_ref("Explanation"), "description": "present if asked for"},
    ),
    "Explanation": _object(
        "rules",
        rules={**_list(_ref("RuleOutcome")), "description": "every rule, in the order of docs/rules.md"},
        signed=_ref("SignedContent"),
    ),
    "RuleOutcome": _object(
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
        violations={**_list(_ref("Violation")), "description": "what it found; only if it failed"},
    ),
    "SignedContent": _object(
        "text textBytes hex bytes",
        text={"type": "string", "description": "the signed message, its first 4096 characters"},
        textBytes=WHOLE,
        hex={"type": "string", "description": "what goes into the signature check, its first 1024 bytes"},
        bytes=WHOLE,
    ),
    "Violation": _object("field reason message", field=TEXT, reason=TEXT, message=TEXT),
    "Statistics": _object(
        "statuses total solvers periods",
        statuses=_object(" ".join(Status), **{str(status): WHOLE for status in Status}),
        total=WHOLE,
        solvers=_list(_ref("SolverStatistics")),
        totals={**_ref("PeriodStatistics"), "description": "what happened from since to until"},
        periods={
            **_list(_ref("PeriodStatistics")),
            "description": "the same by period; those without anything left out",
        },
    ),
    "SolverStatistics": _object(
        "solverId successRate avgExecutionTime executions",
        solverId=TEXT,
        successRate=SHARE,
        avgExecutionTime=SECONDS,
        executions=WHOLE,
    ),
    "PeriodStatistics": _object(
        "start end created completed failed completionRate volumes times gasUsed totalCost failures solvers",
        start=TIME,
        end=TIME,
        created=WHOLE,
        completed=WHOLE,
        failed=WHOLE,
        completionRate=SHARE,
        volumes={
            **_list(_object("token intents", token=TEXT, intents=WHOLE, amount=AMOUNT)),
            "description": "input of completed intents; other, without an amount, stands for what is beyond 100 tokens",
        },
        times=_object(
            "",
            **{
                str(status): _object("count p50 p90 p99", count=WHOLE, p50=SECONDS, p90=SECONDS, p99=SECONDS)
                for status in Status
                if status is not Status.PENDING
            },
        ),
        gasUsed=AMOUNT,
        totalCost=AMOUNT,
        failures=_list(_object("reason count", reason=TEXT, count=WHOLE)),
        solvers=_list(_ref("SolverStatistics")),
    ),
    "Info": _object(
        "network verifyingContract standards actions tokens unknownTokens registry signatureRequired limits version",
        network=TEXT,
        verifyingContract=TEXT,
        standards=_list(TEXT),
        actions=_list(TEXT),
        tokens=_list(
            _object(
                "id symbol decimals",
                id=TEXT,
                symbol=TEXT,
                decimals=WHOLE,
                minAmount=AMOUNT,
                maxAmount=AMOUNT,
                pairs=_list(TEXT),
                paused={"type": "boolean"},
            )
        ),
        unknownTokens=_list(TEXT),
        registry=TEXT,
        signatureRequired={"type": "boolean"},
        limits=_object(
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
    "Update": _object(
        "intentId status version details timestamp",
        intentId=ID,
        status=STATUS,
        version=WHOLE,
        details={"type": "object", "description": "version, userId, reason, executionDetails, errorDetails"},
        timestamp={**WHOLE, "description": "Unix ms"},
        versions={**_list(WHOLE), "description": "present where one message stands for several versions"},
    ),
    "Problem": _object(
        "type title status detail reason errors details",
        type=TEXT,
        title=TEXT,
        status=WHOLE,
        detail=TEXT,
        reason={"type": "string", "enum": [str(reason) for reason in Reason]},
        errors=_list(TEXT),
        details=_list(_ref("Violation")),
        retryAfter={**WHOLE, "description": "seconds"},
        traceId=TEXT,
    ),
}


def _answers(status: int, schema: str, about: str, *reasons: Reason) -> dict[str, Schema]:
    found: dict[str, Schema] = {
        str(status): {"description": about, "content": {"application/json": {"schema": _ref(schema)}}}
    }
    by_status: dict[int, list[str]] = {}
    for reason in (*reasons, Reason.UNAUTHENTICATED, Reason.DEPENDENCY_UNAVAILABLE, Reason.INTERNAL):
        by_status.setdefault(HTTP_STATUS[reason], []).append(reason)
    for code, names in sorted(by_status.items()):
        found[str(code)] = {
            "description": ", ".join(names),
            "content": {"application/problem+json": {"schema": _ref("Problem")}},
        }
    return found


def _query(name: str, schema: Schema, about: str) -> Schema:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": about}


def _operation(name: str, about: str, responses: dict[str, Schema], **more: Any) -> Schema:
    return {"operationId": name, "summary": about, "responses": responses, **more}


_PATH_ID: Final[Schema] = {"name": "id", "in": "path", "required": True, "schema": ID}
_BODY: Final[Schema] = {"required": True, "content": {"application/json": {"schema": _ref("Submission")}}}
_PLAIN: Final[dict[str, Schema]] = {"200": {"description": "as plain text"}}
_BAD_BODY: Final = (Reason.MALFORMED_REQUEST, Reason.PAYLOAD_TOO_LARGE, Reason.UNSUPPORTED_MEDIA_TYPE)

PATHS: Final[dict[str, dict[str, Schema]]] = {
    "/api/intents": {
        "post": _operation(
            "submitIntent",
            "Accepts an intent; answers once it is durable, a repeat gets the same answer",
            _answers(202, "Receipt", "accepted", *_BAD_BODY, Reason.RATE_LIMITED, Reason.ALREADY_EXISTS,
                     Reason.ID_TAKEN, Reason.REQUEST_REUSED, Reason.NONCE_HELD),
            requestBody=_BODY,
        ),
        "get": _operation(
            "listIntents",
            "The caller's intents, newest first; a page may hold fewer than asked for, even none, before the last",
            _answers(200, "Page", "a page", Reason.INVALID_FIELD, Reason.PAGE_TOKEN_INVALID),
            parameters=[
                _query("user", TEXT, "only this user's"),
                _query("status", STATUS, "only this status"),
                _query("action", TEXT, "only this action"),
                _query("token", TEXT, "only those that name this token as input or output"),
                _query("solver", TEXT, "only those this solver was asked for"),
                _query("hash", TEXT, "only those with this transaction, base58 of its hash"),
                _query("since", TIME, "only those accepted at or after this"),
                _query("until", TIME, "only those accepted before this"),
                _query("pageSize", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}, "most per page"),
                _query("pageToken", TEXT, "nextPageToken of the page before; bound to the same filters"),
            ],
        ),
    },
    "/api/intents/validate": {
        "post": _operation(
            "validateIntent", "Whether an intent would be accepted; stores nothing",
            _answers(200, "Verdict", "valid or not", *_BAD_BODY, Reason.INVALID_FIELD), requestBody=_BODY,
            parameters=[
                _query("full", SWITCH, "look at the stages after the first that refuses too"),
                _query("explain", SWITCH, "tell what became of each rule, and what was signed"),
            ],
        )
    },
    "/api/intents/{id}": {
        "get": _operation(
            "getIntent", "The record of an intent",
            _answers(200, "Intent", "the record", Reason.INVALID_ID, Reason.INTENT_NOT_FOUND), parameters=[_PATH_ID],
        )
    },
    "/api/intents/{id}/status": {
        "get": _operation(
            "getIntentStatus",
            "The status of an intent, from the cache",
            _answers(200, "IntentStatus", "the status", Reason.INVALID_ID, Reason.INTENT_NOT_FOUND,
                     Reason.STALE_VERSION),
            parameters=[
                _PATH_ID,
                _query("minVersion", WHOLE, "refuse older versions"),
                _query("maxAgeMs", WHOLE, "refuse older cached answers"),
            ],
        )
    },
    "/api/intents/{id}/events": {
        "get": _operation(
            "watchIntent",
            "Every version of an intent as server-sent events; the id need not be known yet",
            {
                **_answers(200, "Update", "", Reason.INVALID_ID, Reason.CURSOR_INVALID, Reason.WATCH_LIMIT),
                "200": {
                    "description": "data is an Update, id the cursor; an event named problem ends the stream",
                    "content": {"text/event-stream": {"schema": _ref("Update")}},
                },
            },
            parameters=[
                _PATH_ID,
                _query("cursor", TEXT, "id of the last event received"),
                {"name": "Last-Event-ID", "in": "header", "required": False, "schema": TEXT},
            ],
        )
    },
    "/api/intents/{id}/cancel": {
        "post": _operation(
            "cancelIntent",
            "Ends a pending intent while nothing is signed for it; a repeat answers the same",
            _answers(200, "Intent", "failed with CANCELLED", *_BAD_BODY, Reason.INVALID_ID, Reason.INTENT_NOT_FOUND,
                     Reason.NOT_CANCELLABLE),
            parameters=[_PATH_ID],
            requestBody={
                "required": False,
                "content": {"application/json": {"schema": {"type": "object", "properties": {"request_id": ID}}}},
            },
        )
    },
    "/api/statistics": {
        "get": _operation(
            "getStatistics", "Counts over the caller's intents, and what happened in a time",
            _answers(200, "Statistics", "counts", Reason.INVALID_FIELD),
            parameters=[
                _query("user", TEXT, "only this user's"),
                _query("period", {"enum": [str(one) for one in Period]}, "split by full hours or days, at most 1000"),
                _query("since", TIME, "from here on, floored to a full hour or day; absent: from the first"),
                _query("until", TIME, "before this, raised to a full hour or day; absent: until now"),
            ],
        )
    },
    "/api/info": {"get": _operation("getInfo", "What one needs to know to sign", _answers(200, "Info", "rules"))},
    "/openapi.json": {"get": _operation("getOpenapi", "This document", {"200": {"description": "OpenAPI 3.1"}})},
    "/metrics": {"get": _operation("getMetrics", "Metrics for Prometheus", _PLAIN)},
    "/healthz": {"get": _operation("getHealth", "The process lives", _PLAIN)},
    "/readyz": {
        "get": _operation("getReady", "It takes traffic", {**_PLAIN, "503": {"description": "not yet, or draining"}})
    },
}  # fmt: skip


def document(version: str) -> Schema:
    """OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Intents",
            "version": version,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"bearer": []}],
        "paths": PATHS,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }
