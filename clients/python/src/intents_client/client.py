"""The client: one method for each call of intents.v1.IntentService."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, Literal, Self, cast

import grpc
from google.protobuf.duration_pb2 import Duration

from intents.v1 import intent_service_pb2 as pb
from intents.v1 import types_pb2 as types
from intents.v1.intent_service_pb2_grpc import IntentServiceStub
from intents_client.channel import Calls, open_channel
from intents_client.errors import IntentsError, Unavailable, from_status

DEFAULT_DEADLINE: Final = 5.0
"""Seconds a unary call may take, retries included."""

PERIODS: Final = {
    "": pb.STATISTICS_PERIOD_UNSPECIFIED,
    "hour": pb.STATISTICS_PERIOD_HOUR,
    "day": pb.STATISTICS_PERIOD_DAY,
}

TERMINAL: Final = frozenset({types.INTENT_STATUS_COMPLETED, types.INTENT_STATUS_FAILED})
_LONGEST_PAUSE: Final = 5.0


def connect(
    target: str,
    *,
    token: str | None = None,
    deadline: float = DEFAULT_DEADLINE,
    tls: grpc.ChannelCredentials | bool | None = None,
) -> "Client":
    """A client of the edge at `target` (host:port, `dns:///name:port`); use it as an async context manager.

    `token` goes along as a bearer token, `deadline` bounds each unary call in seconds, `tls` is True for the
    system's authorities or channel credentials. Nothing is sent before the first call.
    """
    return Client(open_channel(target, tls=tls), token=token, deadline=deadline)


class Client:
    """Every call raises IntentsError, by subclass and `reason`.

    `stub` is the typed stub itself (deadlines, token, tracing and exceptions included) for what the methods
    below don't cover.
    """

    def __init__(
        self, channel: grpc.aio.Channel, *, token: str | None = None, deadline: float = DEFAULT_DEADLINE
    ) -> None:
        self._channel = channel
        calls = Calls(channel, token=token, deadline=deadline)
        self.stub = IntentServiceStub(cast(Any, calls))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection and whatever still runs on it."""
        await self._channel.close()

    async def submit(self, submission: pb.Submission) -> pb.Receipt:
        """Durable when this returns. The same again answers the same receipt."""
        return (await self.stub.SubmitIntent(pb.SubmitIntentRequest(submission=submission))).receipt

    async def submit_many(self, submissions: Sequence[pb.Submission]) -> list[pb.Receipt | IntentsError]:
        """An outcome for each, in order; a refused one has its error in its place."""
        answer = await self.stub.SubmitIntents(pb.SubmitIntentsRequest(submissions=submissions))
        return [one.receipt if one.HasField("receipt") else from_status(one.error) for one in answer.outcomes]

    async def validate(
        self, submission: pb.Submission, *, full: bool = False, explain: bool = False
    ) -> pb.ValidateIntentResponse:
        """Whether it would be accepted now; stores nothing. `full` looks at the stages after the first that refuses
        too, `explain` tells what became of each rule."""
        request = pb.ValidateIntentRequest(submission=submission, full=full, explain=explain)
        return await self.stub.ValidateIntent(request)

    async def get(self, intent_id: str) -> types.Intent:
        """The record. Raises NotFound."""
        return (await self.stub.GetIntent(pb.GetIntentRequest(intent_id=intent_id))).intent

    async def get_many(self, intent_ids: Sequence[str]) -> list[types.Intent | IntentsError]:
        """The records in the order asked; an unknown one has its error in its place."""
        answer = await self.stub.BatchGetIntents(pb.BatchGetIntentsRequest(intent_ids=intent_ids))
        return [one.intent if one.HasField("intent") else from_status(one.error) for one in answer.outcomes]

    async def status(
        self,
        intent_id: str,
        *,
        min_version: int = 0,
        max_age: timedelta | None = None,
        allow_stale: bool = False,
    ) -> pb.GetIntentStatusResponse:
        """The status from the cache, no older than asked. Raises NotFound. With `allow_stale` what is remembered,
        marked stale, where the service can ask nobody; `min_version` holds all the same."""
        request = pb.GetIntentStatusRequest(
            intent_id=intent_id, min_version=min_version, allow_stale=allow_stale
        )
        if max_age is not None:
            age = Duration()
            age.FromTimedelta(max_age)
            request.max_age.CopyFrom(age)
        return await self.stub.GetIntentStatus(request)

    async def list_page(
        self,
        *,
        user_account: str = "",
        status: "types.IntentStatus.ValueType" = types.INTENT_STATUS_UNSPECIFIED,
        action: str = "",
        token: str = "",
        solver_id: str = "",
        transaction_hash: str = "",
        created_since: datetime | None = None,
        created_until: datetime | None = None,
        page_size: int = 0,
        page_token: str = "",
    ) -> pb.ListIntentsResponse:
        """One page of the caller's intents, newest first; empty filters match all. Aware datetimes.

        A page may hold fewer than `page_size`, even none, before the last: go on while it has a next_page_token.
        """
        request = pb.ListIntentsRequest(
            user_account=user_account,
            status=status,
            action=action,
            token=token,
            solver_id=solver_id,
            transaction_hash=transaction_hash,
            page_size=page_size,
            page_token=page_token,
        )
        if created_since is not None:
            request.created_since.FromDatetime(created_since)
        if created_until is not None:
            request.created_until.FromDatetime(created_until)
        return await self.stub.ListIntents(request)

    async def list_all(
        self,
        *,
        user_account: str = "",
        status: "types.IntentStatus.ValueType" = types.INTENT_STATUS_UNSPECIFIED,
        action: str = "",
        token: str = "",
        solver_id: str = "",
        transaction_hash: str = "",
        created_since: datetime | None = None,
        created_until: datetime | None = None,
    ) -> AsyncGenerator[types.Intent, None]:
        """All of the caller's intents that match, page by page."""
        page_token = ""
        while True:
            page = await self.list_page(
                user_account=user_account,
                status=status,
                action=action,
                token=token,
                solver_id=solver_id,
                transaction_hash=transaction_hash,
                created_since=created_since,
                created_until=created_until,
                page_token=page_token,
            )
            for intent in page.intents:
                yield intent
            page_token = page.next_page_token
            if not page_token:
                return

    async def cancel(self, intent_id: str, *, request_id: str = "") -> types.Intent:
        """Ends a pending intent. Raises FailedPrecondition once something was signed for it."""
        request = pb.CancelIntentRequest(intent_id=intent_id, request_id=request_id)
        return (await self.stub.CancelIntent(request)).intent

    async def watch(
        self, intent_ids: Sequence[str] = (), *, cursor: str = "", patience: float = 60.0
    ) -> AsyncGenerator[pb.WatchIntentsResponse, None]:
        """Every version of these intents (none named: of all the caller's), once and in order.

        A connection that is lost is taken up again where it ended, by cursor, until `patience` seconds went by
        without any message; then Unavailable is raised. Ends with its caller: use `contextlib.aclosing`.
        """
        failing_since: float | None = None
        pause = 0.1
        while True:
            request = pb.WatchIntentsRequest(intent_ids=intent_ids, cursor=cursor)
            stream = cast(Any, self.stub.WatchIntents(request))
            error: IntentsError = Unavailable("", "The server ended the watch.")
            try:
                async with aclosing(stream):
                    async for message in stream:
                        failing_since, pause = None, 0.1
                        cursor = message.cursor or cursor
                        yield message
            except Unavailable as lost:
                error = lost
            now = time.monotonic()
            failing_since = failing_since or now
            if now - failing_since >= patience:
                raise error
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def wait(self, intent_id: str, *, timeout: float | None = None) -> types.Intent:
        """The record once it is completed or failed. Raises TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout), aclosing(self.watch([intent_id])) as messages:
            async for message in messages:
                latest = event_of(message)
                if latest is not None and latest.status in TERMINAL:
                    break
            return await self.get(intent_id)

    async def statistics(
        self,
        *,
        user_account: str = "",
        period: Literal["", "hour", "day"] = "",
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> pb.GetStatisticsResponse:
        """Counts over the caller's intents now, the solvers, and what happened from `since` to `until` (aware, raised
        to full hours or days; None: from the first, until now), split by `period`."""
        request = pb.GetStatisticsRequest(user_account=user_account, period=PERIODS[period])
        if since is not None:
            request.since.FromDatetime(since)
        if until is not None:
            request.until.FromDatetime(until)
        return await self.stub.GetStatistics(request)

    async def info(self) -> pb.GetInfoResponse:
        """What one needs to know to sign."""
        return await self.stub.GetInfo(pb.GetInfoRequest())


def event_of(message: pb.WatchIntentsResponse) -> types.IntentEvent | None:
    """The newest move a watch message tells of; None for a heartbeat."""
    match message.WhichOneof("message"):
        case "event":
            return message.event
        case "snapshot":
            return message.snapshot.latest
        case _:
            return None
