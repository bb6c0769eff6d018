"""The HTTP API described by hand; a test holds it against the routes and their answers."""

from typing import Any, Final

from services.common.domain.statistics import Period
from services.common.errors import HTTP_STATUS, Reason
from services.edge.http.schemas import ID, SCHEMAS, STATUS, SWITCH, TEXT, TIME, WHOLE, Schema, ref


def _answers(status: int, schema: str, about: str, *reasons: Reason) -> dict[str, Schema]:
    found: dict[str, Schema] = {
        str(status): {"description": about, "content": {"application/json": {"schema": ref(schema)}}}
    }
    by_status: dict[int, list[str]] = {}
    for reason in (*reasons, Reason.UNAUTHENTICATED, Reason.DEPENDENCY_UNAVAILABLE, Reason.INTERNAL):
        by_status.setdefault(HTTP_STATUS[reason], []).append(reason)
    for code, names in sorted(by_status.items()):
        found[str(code)] = {
            "description": ", ".join(names),
            "content": {"application/problem+json": {"schema": ref("Problem")}},
        }
    return found


def _query(name: str, schema: Schema, about: str) -> Schema:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": about}


def _operation(name: str, about: str, responses: dict[str, Schema], **more: Any) -> Schema:
    return {"operationId": name, "summary": about, "responses": responses, **more}


_PATH_ID: Final[Schema] = {"name": "id", "in": "path", "required": True, "schema": ID}
_BODY: Final[Schema] = {"required": True, "content": {"application/json": {"schema": ref("Submission")}}}
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
                _query("allowStale", SWITCH, "rather what is remembered, marked stale, than UNAVAILABLE"),
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
                    "content": {"text/event-stream": {"schema": ref("Update")}},
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
