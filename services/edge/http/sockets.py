"""The seed's socket.io events, for unmodified socket.io 4 clients.

A room has one watch of its own, whoever joins it. The latest state goes to who joins, then every later
version to all in the room; the room's lock keeps the two in order and apart.
"""

import asyncio
import contextvars
import logging
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, cast

import socketio  # type: ignore[import-untyped]
from aiohttp import web

from services.common.errors import IntentError, Reason
from services.common.observe import logs
from services.common.rpc.errors import problem
from services.edge import present
from services.edge.http.context import Shared
from services.edge.http.middleware import unexpected
from services.edge.limits.address import client_address
from services.edge.model import Caller, check_id
from services.edge.watch.mailbox import Encoded
from services.edge.watch.stream import watch

logger = logging.getLogger(__name__)

# The library answers a stranger's broken packet with a stack trace in the log; what fails of ours is logged by us.
_SILENT: Final = logging.getLogger("services.edge.http.socketio")
_SILENT.setLevel(logging.CRITICAL)

MAX_PACKET: Final = 65_536
"""Largest message taken from a client, in bytes."""
MAX_UNSENT: Final = 1_000
"""Packets that wait for a slow client before it is disconnected; it comes back and gets the latest state."""
UPDATE: Final = "intent-update"
REFUSED: Final = "intent-error"


@dataclass(slots=True)
class _Client:
    caller: Caller
    rooms: dict[str, "_Room"] = field(default_factory=dict)


class _Room:
    """Everybody who follows one intent as one principal."""

    def __init__(self, sockets: "Sockets", caller: Caller, intent_id: str) -> None:
        self.members: set[str] = set()
        self.name = room_name(caller, intent_id)
        self._sockets = sockets
        self._caller = caller
        self._intent_id = intent_id
        self._lock = asyncio.Lock()
        self._latest: Encoded | None = None
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # a context of its own: the room outlives who opened it
        self.task = asyncio.create_task(self._run(), context=contextvars.Context())

    async def join(self, sid: str) -> None:
        """Raises what keeps the room from being watched."""
        await asyncio.shield(self._ready)
        async with self._lock:
            if sid not in self.members:
                return
            if self._latest is not None:
                await self._sockets.server.emit(UPDATE, self._latest.form(present.update), to=sid)
            await self._sockets.server.enter_room(sid, self.name)

    async def _run(self) -> None:
        error = IntentError(Reason.DRAINING, "The watch ended; subscribe again.")
        try:
            messages = watch(
                self._sockets.shared.edge.hub, self._caller, [self._intent_id], "", kind="socket.io"
            )
            async with aclosing(cast(Any, messages)):
                async for message in messages:
                    if message.moved is not None:
                        async with self._lock:
                            self._latest = message.moved
                            update = message.moved.form(present.update)
                            await self._sockets.server.emit(UPDATE, update, room=self.name)
                        await self._sockets.drop_slow(self.members)
                    if not self._ready.done():
                        self._ready.set_result(None)
        except IntentError as ended:
            error = ended
        except Exception as failed:
            error = unexpected(failed, "socket.io")
        finally:
            self._sockets.forget(self)
        if not self._ready.done():
            self._ready.set_exception(error)
            # whoever waits takes it; nobody may
            self._ready.exception()
            return
        # its followers come back and get the latest state
        for sid in list(self.members):
            await self._sockets.server.disconnect(sid)


class Sockets:
    """The socket.io server of one edge."""

    def __init__(self, shared: Shared) -> None:
        origins: str | list[str] | None = list(shared.origins) or None
        if "*" in shared.origins:
            origins = "*"
        self.shared = shared
        self.server = socketio.AsyncServer(
            async_mode="aiohttp",
            cors_allowed_origins=origins,
            max_http_buffer_size=MAX_PACKET,
            logger=_SILENT,
            engineio_logger=_SILENT,
        )
        self._clients: dict[str, _Client] = {}
        self._rooms: dict[str, _Room] = {}
        self._closed = False
        self.server.on("connect", self._connect)
        self.server.on("disconnect", self._disconnect)
        self.server.on("subscribe-intent", self._subscribe)
        self.server.on("unsubscribe-intent", self._unsubscribe)

    def attach(self, app: web.Application) -> None:
        """Answer under /socket.io/ of `app`."""
        self.server.attach(app, socketio_path="socket.io")

    def crowded(self) -> bool:
        """No further connection can be taken, of those that never say who they are either."""
        return len(self.server.eio.sockets) >= self.shared.edge.hub.limits.max_watchers

    async def aclose(self) -> None:
        """Close every connection. Idempotent."""
        for sid in list(self._clients):
            await self.server.disconnect(sid)
        rooms = list(self._rooms.values())
        for room in rooms:
            room.task.cancel()
        await asyncio.gather(*(room.task for room in rooms), return_exceptions=True)
        if not self._closed:
            self._closed = True
            await self.server.shutdown()

    def forget(self, room: _Room) -> None:
        """The room has ended."""
        if self._rooms.get(room.name) is room:
            del self._rooms[room.name]

    async def drop_slow(self, sids: set[str]) -> None:
        """Disconnect those for whom too much waits: the server's own queue for a client has no end."""
        for sid in list(sids):
            eio_sid = self.server.manager.eio_sid_from_sid(sid, "/")
            socket = self.server.eio.sockets.get(eio_sid)
            if socket is not None and socket.queue.qsize() > MAX_UNSENT:
                logs.event(logger, logging.WARNING, "socket.slow", waiting=socket.queue.qsize())
                await self.server.disconnect(sid)

    async def _connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        request: web.Request = environ["aiohttp.request"]
        address = client_address(
            request.remote or "", request.headers.getall("X-Forwarded-For", ()), self.shared.trusted
        )
        authorization = request.headers.get("Authorization")
        if isinstance(auth, dict) and isinstance(auth.get("token"), str):
            authorization = f"Bearer {auth['token']}"
        try:
            caller = self.shared.authenticator.caller(authorization, address)
        except IntentError as error:
            raise socketio.exceptions.ConnectionRefusedError(error.message, problem(error)) from None
        self._clients[sid] = _Client(caller)

    async def _disconnect(self, sid: str, *_: Any) -> None:
        client = self._clients.pop(sid, None)
        if client is not None:
            for room in client.rooms.values():
                self._leave(sid, room)

    async def _subscribe(self, sid: str, *args: Any) -> Any:
        """Acknowledged by nothing when it holds, by a problem when it is refused (also sent as intent-error)."""
        client = self._clients.get(sid)
        if client is None:
            return None
        intent_id = args[0] if args else None
        try:
            if not isinstance(intent_id, str):
                intent_id = ""
            check_id(intent_id, "intentId")
            if intent_id in client.rooms:
                return None
            if len(client.rooms) >= self.shared.edge.hub.limits.max_ids:
                raise IntentError(
                    Reason.WATCH_LIMIT,
                    f"At most {self.shared.edge.hub.limits.max_ids} intents per connection.",
                )
            room = self._room(client.caller, intent_id)
            client.rooms[intent_id] = room
            room.members.add(sid)
            await room.join(sid)
            return None
        except IntentError as error:
            refusal = error
        except Exception as error:
            refusal = unexpected(error, "socket.io")
        if intent_id in client.rooms:
            self._leave(sid, client.rooms.pop(intent_id))
        body = problem(refusal)
        shown = intent_id if refusal.reason is not Reason.INVALID_ID else ""
        await self.server.emit(REFUSED, {"intentId": shown, **body}, to=sid)
        return body

    async def _unsubscribe(self, sid: str, *args: Any) -> None:
        client = self._clients.get(sid)
        room = client.rooms.pop(args[0], None) if client and args and isinstance(args[0], str) else None
        if room is not None:
            self._leave(sid, room)
            await self.server.leave_room(sid, room.name)

    def _room(self, caller: Caller, intent_id: str) -> _Room:
        made = self._rooms.get(room_name(caller, intent_id))
        if made is None:
            made = _Room(self, caller, intent_id)
            self._rooms[made.name] = made
        return made

    def _leave(self, sid: str, room: _Room) -> None:
        room.members.discard(sid)
        if not room.members:
            self.forget(room)
            room.task.cancel()


def room_name(caller: Caller, intent_id: str) -> str:
    """The seed's `intent:<id>`; with tokens each principal has a room of its own, so that none sees another's."""
    return f"intent:{intent_id}" + (f"|{caller.principal}" if caller.token else "")
