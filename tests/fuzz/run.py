"""Feeds inputs to the validator as its servers would, and watches what it costs."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from intents.validator.v1 import validator_service_pb2 as pb
from services.common.domain import strictjson
from services.common.domain.submissionjson import submission_from_json
from services.common.errors import IntentError
from services.validator.convert import items_from_proto, verdicts_to_proto
from services.validator.messages.model import ALL_KINDS, Bounds
from services.validator.model import RuleBook
from services.validator.service import Item, Validator
from tests.differential.compare import contract
from tests.fuzz.inputs import PROTO, inputs
from tests.harness.stopped import StoppedClock

MAX_BODY: Final = 262_144
LONG: Final = 0.05
"""CPU seconds that no input may take. One that does is tried again: the machine has other work too."""
TRIES: Final = 3
EVERY: Final = 10.0
"""Seconds between lines about how far it is."""


@dataclass
class Report:
    """What came of a run; `found` holds what must not be, each with its input in hex."""

    answers: Counter[str] = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)
    longest_ms: float = 0.0
    resident_mib: list[float] = field(default_factory=list)
    """At each fifth of the run."""


class Target:
    """The validator behind its two doors."""

    def __init__(self) -> None:
        self.chain = contract()
        book = RuleBook(messages=Bounds(kinds=frozenset(ALL_KINDS)))
        self._validator = Validator(book, self.chain, StoppedClock())

    async def answer(self, kind: str, data: bytes) -> str:
        """What it says in a word. Raises whatever it should not have."""
        try:
            if kind == PROTO:
                request = pb.ValidateIntentsRequest.FromString(data)
                verdicts = await self._validator.judge(
                    items_from_proto(request), full=request.full, explain=request.explain
                )
                verdicts_to_proto(verdicts).SerializeToString()
            else:
                body: Item = submission_from_json(strictjson.loads(data, max_bytes=MAX_BODY)), False
                verdicts = await self._validator.judge([body])
        except DecodeError:
            return "not protobuf"  # gRPC refuses it before any code of ours
        except strictjson.StrictJsonError:
            return "not strict JSON"
        except IntentError as error:
            return str(error.reason)
        first = verdicts[0]
        return (
            "valid" if first.valid else str(first.violations[0].reason) if first.violations else "unavailable"
        )


async def fuzz(count: int, seed: int, progress: Callable[[int], None] = lambda done: None) -> Report:
    """`count` inputs of `seed`."""
    target = Target()
    return await feed(target, inputs(count, seed, target.chain.salt), count, progress)


async def feed(
    target: Target,
    given: Iterable[tuple[str, bytes]],
    count: int,
    progress: Callable[[int], None] = lambda done: None,
) -> Report:
    """Each input once, more often where it seemed to take long."""
    report = Report()
    for number, (kind, data) in enumerate(given, 1):
        spent = await _one(target, kind, data, report)
        if spent > LONG:
            spent = min([spent, *[await _one(target, kind, data, report) for _ in range(TRIES)]])
            if spent > LONG:
                report.found.append(f"{spent * 1000:.0f} ms: {kind} {data[:2_000].hex()}")
        report.longest_ms = max(report.longest_ms, round(spent * 1000, 2))
        if number % max(1, count // 5) == 0:
            report.resident_mib.append(_resident_mib())
        progress(number)
    return report


async def _one(target: Target, kind: str, data: bytes, report: Report) -> float:
    began = time.thread_time()
    try:
        answer = await target.answer(kind, data)
    except Exception as error:
        answer = "untyped"
        report.found.append(f"{type(error).__name__}: {error}: {kind} {data[:2_000].hex()}")
    spent = time.thread_time() - began
    report.answers[answer] += 1
    return spent


def _resident_mib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def part(given: tuple[int, int]) -> Report:
    """A process's share: (count, seed)."""
    count, seed = given
    last = time.monotonic()

    def progress(done: int) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            print(f"seed {seed}: {done:,} of {count:,}", file=sys.stderr, flush=True)

    return asyncio.run(fuzz(count, seed, progress))
