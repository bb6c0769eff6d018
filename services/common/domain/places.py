"""How far something that is followed was followed: one place a name, shared by all who take turns at following it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Everything up to `height` was handled; `hash` is what stood there, as the chain writes it."""

    height: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceAnswer:
    """`held`: whether it is the asker's turn. `place` None where nothing was ever handled. `holder`: whose turn it is,
    "" if nobody's."""

    held: bool
    place: Place | None
    holder: str
