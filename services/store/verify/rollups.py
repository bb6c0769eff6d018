"""Roll-ups against what the records add up to, while stores fold on.

The base is what the log held up to the positions as they were at first; it is added up from the records, as they are
read anyway. A roll-up is compared at its own place in the log: the base and those of the events since that it says it
has, or that the positions, read before it, say it must have. So it need not stand still.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from services.store.ports import Document, Storage
from services.store.rollups.fold import keeping, positions_of
from services.store.rollups.keys import KIND, position_key
from services.store.rollups.moves import Known, Move
from services.store.rollups.tally import Tally, tally_of
from services.store.verify.expected import ExpectedFile, contributions
from services.store.verify.findings import Finding, Kind, Repair
from services.store.verify.told import Told

PORTION: Final = 500
MOST_SINCE: Final = 200_000
"""Events folded since the base that are kept in memory; a store still folding its past is not compared."""
ATTEMPTS: Final = 20
"""Looks at a roll-up that others keep writing."""

_UNFIT: Final = (KeyError, ValueError, TypeError, AttributeError)
Positions = dict[int, int]


class _Overtaken(Exception):
    """Retention has dropped what came after the base."""


class RollupCheck:
    """`start` once the log was read, `count` with every record, `compare` after all of them."""

    def __init__(
        self, storage: Storage, expected: ExpectedFile, report: Callable[[Finding], None], *, repair: bool
    ) -> None:
        self._storage = storage
        self._expected = expected
        self._floors: Sequence[int] = ()
        self._report = report
        self._repair = repair
        self._base: Positions = {}
        self._since: dict[str, list[Move]] = {}
        self._read: Positions = {}
        self._known = Known()
        self._compared = 0

    async def start(self, floors: Sequence[int], read: Sequence[int]) -> None:
        """Once the log was read, from `floors` (what lies at or below one was dropped, and counts) up to `read`."""
        self._floors = floors
        positions = await self._positions()
        self._base = {one: max(min(position, read[one]), floors[one]) for one, position in positions.items()}
        self._read = dict(self._base)

    def count(self, document: Document, partition: int, told: Sequence[Told], *, floor: int) -> None:
        """A record, and all that the log told of it after it was read; what is told nowhere, nor waits, was dropped."""
        there = [one for one in told if one.sequence > floor]
        try:
            places = [(one.version, one.sequence) for one in there if one.sequence <= self._base[partition]]
            if floor:
                known = {one.version for one in there} | {entry["version"] for entry in document["outbox"]}
                dropped = set(range(1, len(document["history"]) + 1)) - known
                places += [(version, 0) for version in sorted(dropped)]
            self._expected.add(contributions(document, partition, places))
        except _UNFIT:
            return  # it is a finding of its own

    async def compare(self) -> int | None:
        """How many were compared; None if that cannot be now: the store is still folding what lies far back, or has
        dropped what came after the base."""
        self._expected.store()
        try:
            return await self._compare()
        except _Overtaken:
            return None

    async def _compare(self) -> int | None:
        behind = await self._behind()
        if behind > MOST_SINCE:
            return None
        await self._read_on()
        after = ""
        while True:
            positions = await self._positions()
            documents = await self._storage.kept_between(KIND, after, "\x7f", PORTION)
            if not documents:
                break
            await self._read_on()
            expected = self._expected.of([one["_id"] for one in documents])
            for one in documents:
                if not one["_id"].startswith("position:"):
                    await self._check(one["_id"], one, expected.get(one["_id"]), positions)
            # the smallest key after it: no key has what sorts before a space
            after = documents[-1]["_id"] + " "
        for keys in self._expected.keys(PORTION):
            positions = await self._positions()
            standing = await self._storage.kept(KIND, keys)
            missing = [key for key in keys if key not in standing]
            for key, tally in self._expected.of(missing).items():
                await self._check(key, None, tally, positions)
        await self._check_positions()
        return self._compared

    async def _check(
        self, key: str, document: Document | None, base: Tally | None, positions: Positions
    ) -> None:
        self._compared += 1
        for _ in range(ATTEMPTS):
            why, whole = self._judge(key, document, base, positions)
            if why is None:
                return
            if not self._repair or whole is None:
                possible = Repair.NONE if whole is None else Repair.POSSIBLE
                self._report(Finding(kind=Kind.ROLLUP, where=key, message=why, repair=possible))
                return
            if (await self._storage.run(keeping([whole])))[0]:
                self._report(Finding(kind=Kind.ROLLUP, where=key, message=why, repair=Repair.DONE))
                return
            positions = await self._positions()
            document = (await self._storage.kept(KIND, [key])).get(key)
            await self._read_on()

    def _judge(
        self, key: str, document: Document | None, base: Tally | None, positions: Positions
    ) -> tuple[str | None, Document | None]:
        """What is wrong, and the roll-up as it should be."""
        sequences = _sequences(document)
        ahead = {one: at for one, at in sequences.items() if at > self._read.get(one, 0)}
        at = {one: max(position, self._base[one]) for one, position in positions.items()}
        at |= {
            one: max(at[one], sequence)
            for one, sequence in sequences.items()
            if one in at and one not in ahead
        }
        whole = Tally()
        if base is not None:
            whole.merge(base)
        for move in self._since.get(key, ()):
            if move.sequence <= at[move.partition]:
                whole.add(move)
        why = None
        if ahead:
            one, sequence = min(ahead.items())
            why = f"it names sequence {sequence} of partition {one}, which the log does not have yet"
        elif document is None:
            why = "it is missing"
        else:
            try:
                if not tally_of(document).stands_for(whole):
                    why = _difference(tally_of(document), whole)
            except _UNFIT:
                why = "it cannot be read"
        if why is None:
            return None, None
        whole.trim()
        kept: dict[str, Any] = {str(one): sequence for one, sequence in at.items() if sequence}
        revision = 0 if document is None else document["revision"]
        return why, {"_id": key, "revision": revision, "sequences": kept, **whole.to_document()}

    async def _check_positions(self) -> None:
        """The last: only where all roll-ups are right may a position be set."""
        positions = await positions_of(self._storage)
        heads = await self._storage.heads()
        for one, (position, revision) in positions.items():
            if position > heads[one]:
                why, right = (
                    f"it is {position}, the log ends at {heads[one]}: what comes is not counted",
                    heads[one],
                )
            elif position < self._floors[one]:
                why, right = f"it is {position}, the log begins after {self._floors[one]}", self._floors[one]
            else:
                continue
            key, repair = position_key(one), Repair.POSSIBLE
            if self._repair:
                document = {"_id": key, "revision": revision, "sequence": right}
                repair = Repair.DONE if (await self._storage.run(keeping([document])))[0] else Repair.POSSIBLE
            self._report(Finding(kind=Kind.ROLLUP, where=key, message=why, repair=repair))

    async def _positions(self) -> Positions:
        heads = await self._storage.heads()
        found = await positions_of(self._storage)
        return {one: min(position, heads[one]) for one, (position, _) in found.items()}

    async def _behind(self) -> int:
        heads = await self._storage.heads()
        return sum(max(0, heads[one] - position) for one, position in self._base.items())

    async def _read_on(self) -> None:
        """The events since the base, as far as they are there."""
        for partition, position in self._read.items():
            while True:
                portion = await self._storage.scans.log(partition, position, PORTION)
                events = [event for _, event in portion]
                wanted = self._known.missing(events)
                if wanted:
                    self._known.learn(await self._storage.find(wanted))
                for event in events:
                    move = self._known.move(event)
                    for key in move.counted_in() if move is not None else ():
                        self._since.setdefault(key, []).append(move)  # type: ignore[arg-type]
                self._known.trim()
                if portion:
                    position = self._read[partition] = portion[-1][0]
                if len(portion) < PORTION:
                    break
        if any(floor > self._base[one] for one, floor in enumerate(await self._storage.floors())):
            raise _Overtaken


def _sequences(document: Document | None) -> Mapping[int, int]:
    try:
        return {int(one): at + 0 for one, at in (document or {}).get("sequences", {}).items()}
    except _UNFIT:
        return {}


def _difference(found: Tally, whole: Tally) -> str:
    """In numbers, where they differ in one."""
    for name in ("created", "completed", "failed", "gas", "cost"):
        if getattr(found, name) != getattr(whole, name):
            return f"{name} is {getattr(found, name)}, the records add up to {getattr(whole, name)}"
    for status in sorted({*found.moved, *whole.moved}):
        if found.moved.get(status, 0) != whole.moved.get(status, 0):
            return f"it has {found.moved.get(status, 0)} {status}, the records add up to {whole.moved.get(status, 0)}"
    return "its volumes, failures, solvers or times are not what the records add up to"
