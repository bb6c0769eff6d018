"""Clients who count what they asked and note every call that failed: by gRPC, and by HTTP without any retry."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from intents_client import Client, IntentsError
from intents_client.plain import submission_from_body

TIME = 45.0
PACE = 0.1
"""Seconds between the looks of a client that looks now and then."""


@dataclass(slots=True)
class Balanced:
    """HTTP through a balancer of connections: one that is open is kept until its edge ends it with an answer, a new
    one goes to an edge that is not `out`. Nothing is sent twice."""

    session: aiohttp.ClientSession
    edges: Sequence[str]
    out: set[str] = field(default_factory=set)
    """URLs of edges that were told to end or do not serve yet."""
    current: str = ""

    async def call(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        """The answer's JSON. Raises AssertionError for any other than a good one, aiohttp.ClientError."""
        while True:
            edge = self.current = self.current or next(one for one in self.edges if one not in self.out)
            try:
                async with self.session.request(method, edge + path, **more) as response:
                    told: dict[str, Any] = await response.json()
                    if response.headers.get("Connection", "").lower() == "close":
                        self.current = ""
                    assert response.status in (200, 202), (response.status, told)
                    return told
            except aiohttp.ClientConnectorError:
                if edge not in self.out:
                    raise
                self.current = ""  # no connection was open any more, and a new one goes elsewhere


@dataclass(slots=True)
class Load:
    """`bodies` are handed in one after another, by all users together; `during` says what restarts now."""

    client: Client
    http: Balanced
    bodies: Iterator[dict[str, Any]]
    ended: Callable[[str], bool]
    accepted: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    over: bool = False
    during: set[str] = field(default_factory=set)

    def past(self, count: int) -> bool:
        """Whether more than `count` were accepted."""
        return len(self.accepted) > count

    async def by_grpc(self) -> None:
        """Hands in one after another, each when the one before it has ended, and looks at it meanwhile."""
        while not self.over and (body := next(self.bodies, None)) is not None:
            if await self._call("submit", self.client.submit(submission_from_body(body))) is None:
                continue
            async for one in self._until_ended(body["id"]):
                await self._call("status", self.client.status(one, min_version=1))
                await self._call("get", self.client.get(one))

    async def by_http(self) -> None:
        """The same by POST and GET."""
        while not self.over and (body := next(self.bodies, None)) is not None:
            if await self._call("POST", self.http.call("POST", "/api/intents", json=body)) is None:
                continue
            async for one in self._until_ended(body["id"]):
                await self._call(
                    "GET status", self.http.call("GET", f"/api/intents/{one}/status?minVersion=1")
                )
                # a call that nobody makes twice, neither the client nor its HTTP library
                await self._call("POST validate", self.http.call("POST", "/api/intents/validate", json=body))

    async def _until_ended(self, one: str) -> Any:
        self.accepted.append(one)
        async with asyncio.timeout(TIME):
            while not self.ended(one):
                yield one
                await asyncio.sleep(PACE)

    async def _call(self, name: str, made: Awaitable[Any]) -> Any:
        self.calls[name] += 1
        try:
            return await made
        except (IntentsError, aiohttp.ClientError, AssertionError) as error:
            self.failed.append(f"{name} while {self.during} restart: {error!r}")
            return None
