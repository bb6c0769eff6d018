"""A record's versions against the log: each once, in order, as the history has them; or still in the outbox."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.store.document import event_document
from services.store.ports import Document
from services.store.verify.findings import Kind
from services.store.verify.record import Change, Difference, Retelling
from services.store.verify.told import Told, digest


def against_log(document: Document, told: Sequence[Told], *, floor: int) -> Iterator[Difference]:
    """`told`: what the log holds of it, by version. `floor`: up to there its partition's events are dropped, or
    about to be; what was read there tells nothing."""
    waiting: Mapping[int, int] = {entry["version"]: entry["sequence"] for entry in document["outbox"]}
    places: dict[int, list[Told]] = {}
    for one in told:
        if one.sequence <= floor:
            continue
        places.setdefault(one.version, []).append(one)
    total = len(document["history"])
    drop: list[Any] = list(document["outbox"])
    for version in range(1, total + 1):
        at = places.get(version, [])
        if len(at) > 1:
            yield Difference(
                Kind.TOLD_TWICE, f"version {version} is {len(at)} times in the log: {_places(at)}"
            )
        if any(one.digest != digest(_event(document, version)) for one in at):
            yield Difference(
                Kind.TOLD_OTHERWISE, f"version {version} is told otherwise in the log: {_places(at)}"
            )
        if at and version in waiting and waiting[version] != at[0].sequence:
            # one that waits under the number it has in the log is taken out by the next relay that looks
            drop = [entry for entry in drop if entry["version"] != version]
            yield Difference(
                Kind.WAITING_THOUGH_TOLD,
                f"version {version} waits in the outbox though it is in the log: {_places(at)}",
                Change({"outbox": drop}),
            )
        if not at and version not in waiting and not _dropped(version, places, floor):
            yield Difference(
                Kind.UNTOLD, f"version {version} is neither in the log nor in the outbox",
                _retelling(version, places, waiting),
            )  # fmt: skip
    strange = [one for version, at in places.items() if not 1 <= version <= total for one in at]
    if strange:
        yield Difference(
            Kind.TOLD_TOO_MUCH,
            f"the log tells of version {strange[0].version}, the record has {total}: {_places(strange)}",
        )
    firsts = [at[0].sequence for _, at in sorted(places.items())]
    if firsts != sorted(firsts):
        yield Difference(Kind.TOLD_OUT_OF_ORDER, f"its versions are in the log in another order: {firsts}")


def _dropped(version: int, places: Mapping[int, Sequence[Told]], floor: int) -> bool:
    """Retention drops from the oldest on, so nothing of it is told before one that was dropped."""
    return floor > 0 and all(other > version for other in places)


def _retelling(
    version: int, places: Mapping[int, Sequence[Told]], waiting: Mapping[int, int]
) -> Retelling | None:
    after = max((one.sequence for other, at in places.items() if other < version for one in at), default=0)
    before = min((one.sequence for other, at in places.items() if other > version for one in at), default=0)
    return Retelling(version, after, before)


def _event(document: Document, version: int) -> Document:
    return event_document(document, version, 0, 0)


def _places(told: Sequence[Told]) -> str:
    shown = [f"partition {one.partition}, sequence {one.sequence}" for one in told[:3]]
    return "; ".join(shown) + ("; …" if len(told) > 3 else "")
