"""How far a chain was followed, and whose turn it is to follow it: one document a name, compared by its revision.

A place never goes back: of two the higher stands. Who says that everything up to a height was handled has handled it,
whether its turn is over or not, so a place is taken from anybody; the lease only spares two the same work.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from services.common.domain.places import Place, PlaceAnswer
from services.common.errors import IntentError, Reason
from services.common.observe import logs
from services.store.model import joined
from services.store.ports import Document, Keep, Kept, Program

logger = logging.getLogger(__name__)

KIND: Final = "meta"
ROUNDS: Final = 32
"""Looks again where others were faster; each time one of them got something done."""


def place_id(name: str) -> str:
    """`_id` of its document."""
    return joined("place", name)


def keeping(
    name: str, *, holder: str, session: str, lease: timedelta, place: Place | None, now: datetime
) -> Program[PlaceAnswer]:
    """Takes or renews the turn where it is nobody else's, gives it back where `lease` is nothing, and keeps `place`
    if it is higher than the one that stands. A repeat changes nothing."""
    for _ in range(ROUNDS):
        found: dict[str, Document] = yield Kept(KIND, [place_id(name)])
        before = _checked(name, found.get(place_id(name)))
        after = dict(before)
        free = not before["session"] or before["session"] == session or before["expiresAt"] <= now
        if free:
            ours = {"holder": holder, "session": session, "expiresAt": now + lease}
            after |= ours if lease else {"holder": "", "session": "", "expiresAt": None}
        if place is not None and (not before["hash"] or place.height > before["height"]):
            after |= {"height": place.height, "hash": place.hash}
        if after != before:
            written: Sequence[bool] = yield Keep(KIND, [after])
            if not written[0]:
                continue
        stands = Place(height=after["height"], hash=after["hash"]) if after["hash"] else None
        return PlaceAnswer(held=free and bool(lease), place=stands, holder=after["holder"])
    raise IntentError(Reason.OVERLOADED, "Too many ask for this place at once; ask again.", retry_after=0.5)


def _checked(name: str, document: Document | None) -> Document:
    """What somebody broke is begun anew: then all that is open is looked at again, which harms nobody."""
    empty: Document = {
        "_id": place_id(name), "revision": 0, "holder": "", "session": "", "expiresAt": None, "height": 0, "hash": "",
    }  # fmt: skip
    if document is None:
        return empty
    texts = all(isinstance(document.get(key), str) for key in ("holder", "session", "hash"))
    ends, height = document.get("expiresAt"), document.get("height")
    timed = isinstance(ends, datetime) or (ends is None and not document.get("session"))
    if texts and timed and isinstance(height, int) and height >= 0:
        return document
    logs.event(logger, logging.ERROR, "store.unreadable_place", name=name)
    return {**empty, "revision": document["revision"]}
