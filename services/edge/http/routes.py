"""The routes: decode, call, present."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote

from aiohttp import web

from services.common.clock import from_ns
from services.common.domain.lifecycle import Status
from services.common.domain.plainjson import deadline_ns
from services.common.domain.statistics import Period
from services.common.domain.submissionjson import submission_from_json
from services.common.errors import IntentError, Reason
from services.edge import present
from services.edge.http.context import (
    Shared,
    answer,
    body_of,
    caller,
    expected,
    named,
    query_of,
    switch,
    whole,
)
from services.edge.http.openapi import document
from services.edge.http.stream import send_events
from services.edge.model import check_id, invalid
from services.edge.watch.stream import watch

MAX_AGE_MS: Final = 315_576_000_000
MAX_VERSION: Final = 2**31 - 1
LIST_PARAMETERS: Final = (
    "user", "status", "action", "token", "solver", "hash", "since", "until", "pageSize", "pageToken"
)  # fmt: skip

TABLE: Final = (
    ("POST", "/api/intents", "submit"),
    ("GET", "/api/intents", "list"),
    ("POST", "/api/intents/validate", "validate"),
    ("GET", "/api/intents/{id}", "get"),
    ("GET", "/api/intents/{id}/status", "status"),
    ("GET", "/api/intents/{id}/events", "events"),
    ("POST", "/api/intents/{id}/cancel", "cancel"),
    ("GET", "/api/statistics", "statistics"),
    ("GET", "/api/info", "info"),
    ("GET", "/openapi.json", "openapi"),
)
"""Method, path, handler; beside them /metrics, /healthz, /readyz and /socket.io/."""


class Routes:
    """The handlers of one server."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._edge = shared.edge

    def add_to(self, app: web.Application) -> None:
        """Register all of them."""
        for method, path, name in TABLE:
            handler = getattr(self, name)
            # aiohttp's own pattern leaves braces out; an id with braces shall be named, not be no route
            pattern = path.replace("{id}", "{id:[^/]+}")
            if method == "GET":
                allow_head = name != "events"
                app.router.add_get(pattern, handler, allow_head=allow_head, expect_handler=expected)
            else:
                app.router.add_post(pattern, handler, expect_handler=expected)

    async def submit(self, request: web.Request) -> web.Response:
        who = caller(self._shared, request)
        await self._edge.admit(who)
        submission = submission_from_json(await body_of(self._shared, request))
        receipt = await self._edge.submit(who, submission)
        location = f"/api/intents/{quote(receipt.intent_id, safe='')}"
        return answer(present.receipt(receipt), status=202, headers={"Location": location})

    async def validate(self, request: web.Request) -> web.Response:
        who = caller(self._shared, request)
        query = query_of(request, ("full", "explain"))
        full, explain = switch(query, "full"), switch(query, "explain")
        body = await body_of(self._shared, request)
        try:
            submission = submission_from_json(body)
        except IntentError as error:
            if error.reason is not Reason.INVALID_FIELD:
                raise
            # a field of a wrong type is a verdict here, not a bad request
            return answer(present.refusal(list(error.violations)))
        return answer(present.verdict(await self._edge.validate(who, submission, full=full, explain=explain)))

    async def get(self, request: web.Request) -> web.Response:
        query_of(request, ())
        return answer(present.record(await self._edge.get(caller(self._shared, request), _id(request))))

    async def status(self, request: web.Request) -> web.Response:
        who = caller(self._shared, request)
        query = query_of(request, ("minVersion", "maxAgeMs", "allowStale"))
        max_age = (
            timedelta(milliseconds=whole(query, "maxAgeMs", MAX_AGE_MS)) if "maxAgeMs" in query else None
        )
        found = await self._edge.status(
            who,
            _id(request),
            min_version=whole(query, "minVersion", MAX_VERSION),
            max_age=max_age,
            allow_stale=switch(query, "allowStale"),
        )
        return answer(present.status(found, self._edge.now_ms()))

    async def list(self, request: web.Request) -> web.Response:
        who = caller(self._shared, request)
        query = query_of(request, LIST_PARAMETERS)
        with named(
            user_account="user",
            solver_id="solver",
            transaction_hash="hash",
            created_since="since",
            created_until="until",
            page_size="pageSize",
            page_token="pageToken",
        ):
            page = await self._edge.list(
                who,
                user_id=query.get("user", ""),
                status=_status(query.get("status", "")),
                action=query.get("action", ""),
                token=query.get("token", ""),
                solver_id=query.get("solver", ""),
                transaction_hash=query.get("hash", ""),
                created_since=_time(query, "since"),
                created_until=_time(query, "until"),
                size=whole(query, "pageSize", MAX_VERSION),
                page_token=query.get("pageToken", ""),
            )
        return answer(present.page(page))

    async def cancel(self, request: web.Request) -> web.Response:
        who = caller(self._shared, request)
        body = await body_of(self._shared, request, optional=True)
        if not isinstance(body, dict):
            raise IntentError(Reason.MALFORMED_REQUEST, "The body must be a JSON object.")
        for name in body:
            if name != "request_id":
                raise invalid(name[:64], "is not a field of a cancellation")
        request_id = body.get("request_id")
        if request_id is None:
            request_id = ""
        elif type(request_id) is not str:
            raise invalid("request_id", "must be a string")
        return answer(present.record(await self._edge.cancel(who, _id(request), request_id)))

    async def statistics(self, request: web.Request) -> web.Response:
        who = caller(self._shared, request)
        query = query_of(request, ("user", "period", "since", "until"))
        with named(user_account="user"):
            found = await self._edge.statistics(
                who,
                query.get("user", ""),
                period=_period(query.get("period", "")),
                since=_time(query, "since"),
                until=_time(query, "until"),
            )
        return answer(present.statistics(found))

    async def info(self, request: web.Request) -> web.Response:
        return answer(present.info(await self._edge.info(caller(self._shared, request))))

    async def openapi(self, request: web.Request) -> web.Response:
        return answer(document(self._shared.edge.version))

    async def events(self, request: web.Request) -> web.StreamResponse:
        who = caller(self._shared, request)
        query = query_of(request, ("cursor",))
        cursor = request.headers.get("Last-Event-ID", "") or query.get("cursor", "")
        messages = watch(self._edge.hub, who, [_id(request)], cursor, kind="sse")
        return await send_events(request, messages)


def _id(request: web.Request) -> str:
    return check_id(request.match_info["id"], "id")


def _status(text: str) -> Status | None:
    if not text:
        return None
    try:
        return Status(text)
    except ValueError:
        raise invalid("status", f"must be one of {', '.join(Status)}") from None


def _period(text: str) -> Period | None:
    if not text:
        return None
    try:
        return Period(text)
    except ValueError:
        raise invalid("period", f"must be one of {', '.join(Period)}") from None


def _time(query: Mapping[str, str], name: str) -> datetime | None:
    if name not in query:
        return None
    try:
        return from_ns(deadline_ns(query[name]))
    except (ValueError, OverflowError):
        raise invalid(name, "must be RFC 3339 with an offset, such as 2026-11-26T00:00:00Z") from None
