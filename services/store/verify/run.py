"""Verifying a store while it serves: what differs is looked at again before it is a finding.

Why one look more is enough: a version leaves the outbox only after it is in the log, and it is in the record before
it is in the log. So where a record is read, then the rest of the log, then the record again, and it has not
changed, what they disagree in is real.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Final

from services.common.clock import Clock, now
from services.store.document import SCHEMA, is_stranger
from services.store.model import encode_cursor, partition_of
from services.store.ports import Document, Found, Look, Program, Storage
from services.store.verify.expected import ExpectedFile, expected_file
from services.store.verify.findings import Finding, Findings, Kind, Repair, Verified
from services.store.verify.history import against_log
from services.store.verify.log import LogWalk
from services.store.verify.record import Difference, Hold, Refiling, Retelling, differences, reservations
from services.store.verify.repair import Repairer, can_retell
from services.store.verify.rollups import RollupCheck
from services.store.verify.told import ToldFile, told_file

PORTION: Final = 500
LOOKS: Final = 100
"""Looks at a record that keeps changing, before it is left for the next run."""

Progress = Callable[[str, int], None]
"""What is being read, and how many of it were."""


async def verify(
    storage: Storage, clock: Clock, *, repair: bool = False, limit: int = 1000, progress: Progress
) -> Verified:
    """Everything. Raises IntentError DEPENDENCY_UNAVAILABLE; nothing is changed unless `repair`."""
    with told_file() as told, expected_file() as expected:
        return await _Run(storage, clock, told, expected, Findings(limit), repair, progress).run()


class _Run:
    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        told: ToldFile,
        expected: ExpectedFile,
        findings: Findings,
        repair: bool,
        progress: Progress,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._told = told
        self._findings = findings
        self._repair = repair
        self._progress = progress
        self._walk = LogWalk(storage, told, findings.add)
        self._rollups = RollupCheck(storage, expected, findings.add, repair=repair)
        self._repairer = Repairer(storage, self._walk)
        self._verified = Verified(store_id=storage.meta.store_id, findings=findings)

    async def run(self) -> Verified:
        await self._read_log()
        await self._rollups.start(self._walk.floors, self._walk.positions)
        await self._read_records()
        if self._storage.strangers is not None:
            self._verified.strangers = await self._storage.strangers.count()
        await self._read_log()
        await self._walk.look_into_holes()
        self._told.unseen()
        for intent_ids in self._told.to_look_at(PORTION):
            await self._look_again(intent_ids)
        await self._walk.look_into_holes()
        for partition, sequence in self._walk.holes:
            where = f"partition {partition}, sequence {sequence}"
            self._found(where, Kind.GAP, "it is missing, later ones are there")
        self._verified.rollups = await self._rollups.compare()
        self._verified.events = self._walk.events
        self._verified.cursor = encode_cursor(self._storage.meta.store_id, self._walk.positions)
        return self._verified

    async def _read_log(self) -> None:
        async for events in self._walk.forward():
            self._progress("events", events)

    async def _read_records(self) -> None:
        async for portion in portions(self._storage):
            documents = [one for one in portion if not is_stranger(one)]
            self._verified.intents += len(documents)
            self._verified.older += sum(_older(one) for one in documents)
            self._verified.waiting += sum(len(one.get("outbox") or ()) for one in documents)
            self._told.saw([one["_id"] for one in documents])
            differing = await self._differing(documents)
            self._told.look_again(differing)
            if any(self._walk.floors):
                # so that what of a record is neither told nor waiting was dropped
                await self._read_log()
            self._count(documents)
            self._progress("intents", self._verified.intents)

    def _count(self, documents: Sequence[Document]) -> None:
        told = self._told.of([one["_id"] for one in documents])
        for one in documents:
            partition = partition_of(one["_id"], self._storage.meta.partitions)
            self._rollups.count(one, partition, told[one["_id"]], floor=self._walk.floors[partition])

    async def _differing(self, documents: Sequence[Document]) -> dict[str, list[Difference]]:
        """Those that are not as they should be, as far as was read."""
        told = self._told.of([one["_id"] for one in documents])
        misfiled = set(await self._storage.scans.misfiled([one["_id"] for one in documents]))
        found: dict[str, list[Difference]] = {}
        readable: list[Document] = []
        for one in documents:
            odd = list(differences(one, now(self._clock)))
            if not any(each.kind in (Kind.UNREADABLE, Kind.NEWER_SCHEMA) for each in odd):
                readable.append(one)
                if one["_id"] in misfiled:
                    odd.append(
                        Difference(Kind.DERIVED, "columns beside it do not follow from it", Refiling())
                    )
                floor = self._walk.floors[partition_of(one["_id"], self._storage.meta.partitions)]
                odd += against_log(one, told[one["_id"]], floor=floor)
            if odd:
                found[one["_id"]] = odd
        for intent_id, difference in await self._unreserved(readable):
            found.setdefault(intent_id, []).append(difference)
        return {intent_id: _mendable(odd) for intent_id, odd in found.items()}

    async def _unreserved(self, documents: Sequence[Document]) -> list[tuple[str, Difference]]:
        needed = [each for one in documents for each in reservations(one)]
        keys: dict[str, list[str]] = {"requests": [], "nonces": []}
        for _, where, reservation in needed:
            keys[where].append(reservation.key)
        held = await self._storage.run(_looking(keys["requests"], keys["nonces"]))
        standing = {"requests": held.requests, "nonces": held.nonces}
        odd: list[tuple[str, Difference]] = []
        for kind, where, reservation in needed:
            stands = standing[where].get(reservation.key)
            if stands is None:
                difference = Difference(kind, f"{reservation.key} is not reserved", Hold(where, reservation))
            elif stands != reservation:
                difference = Difference(
                    kind, f"{reservation.key} is reserved for {stands.intent_id} or other content"
                )
            else:
                continue
            odd.append((reservation.intent_id, difference))
        return odd

    async def _look_again(self, intent_ids: Sequence[str]) -> None:
        waiting = list(intent_ids)
        repaired: dict[str, list[Difference]] = {}
        for _ in range(LOOKS):
            before = await self._storage.find(waiting)
            await self._read_log()
            differing = await self._differing(list(before.values()))
            after = await self._storage.find(list(differing))
            for intent_id in waiting:
                if intent_id not in before:
                    self._found(intent_id, Kind.NO_RECORD, "the log tells of it, there is no record")
            waiting = [one for one in differing if after.get(one) != before[one]]
            for intent_id, odd in differing.items():
                if intent_id in waiting:
                    continue
                mended = await self._mend(before[intent_id], odd, repaired.setdefault(intent_id, []))
                if mended:
                    waiting.append(intent_id)
            if not waiting:
                break
        for intent_id, done in repaired.items():
            for difference in done:
                self._found(intent_id, difference.kind, difference.message, Repair.DONE)

    async def _mend(self, document: Document, odd: Sequence[Difference], done: list[Difference]) -> bool:
        """True if something was set right, so that it is to be looked at again. Else they are findings."""
        if self._repair:
            for difference in odd:
                if difference not in done and await self._repairer.apply(document, difference):
                    done.append(difference)
                    return True
        for difference in odd:
            possible = self._can_mend(document, difference) and difference not in done
            repair = Repair.POSSIBLE if possible else Repair.NONE
            self._found(document["_id"], difference.kind, difference.message, repair)
        return False

    def _can_mend(self, document: Document, difference: Difference) -> bool:
        if not isinstance(difference.remedy, Retelling):
            return difference.remedy is not None
        partition = partition_of(document["_id"], self._storage.meta.partitions)
        return can_retell(self._walk, partition, document, difference.remedy)

    def _found(self, where: str, kind: Kind, message: str, repair: Repair = Repair.NONE) -> None:
        self._findings.add(Finding(kind=kind, where=where, message=message, repair=repair))


async def portions(storage: Storage) -> AsyncIterator[Sequence[Document]]:
    """All records, ascending by `_id`."""
    last = ""
    while documents := await storage.scans.intents(last, PORTION):
        yield documents
        last = documents[-1]["_id"]


def _mendable(odd: list[Difference]) -> list[Difference]:
    """Nothing is made to agree with a record that contradicts itself."""
    if any(one.kind in (Kind.HISTORY, Kind.CONTENT) for one in odd):
        return [replace(one, remedy=None) for one in odd]
    return odd


def _looking(requests: Sequence[str], nonces: Sequence[str]) -> Program[Found]:
    found: Found = yield Look(requests, nonces, [])
    return found


def _older(document: Document) -> bool:
    version = document.get("schemaVersion", 1)
    return isinstance(version, int) and version < SCHEMA
