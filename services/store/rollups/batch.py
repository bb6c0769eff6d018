"""Moves about to be counted, added up once for all the roll-ups they count in."""

from collections.abc import Iterable, Sequence
from typing import Any

from services.common.domain.statistics import Period
from services.store.ports import Document
from services.store.rollups import keys
from services.store.rollups.moves import Move, roll_ups
from services.store.rollups.tally import MOST_NAMES, Tally, tally_of


class Batch:
    """`keys`: the roll-ups, each once."""

    def __init__(self, moves: Iterable[Move]) -> None:
        self._moves: dict[str, list[Move]] = {}
        self._tallies: dict[str, Tally] = {}
        leaves: dict[Sequence[str], list[Move]] = {}
        for move in moves:
            hour = keys.number(move.at, Period.HOUR)
            leaves.setdefault(roll_ups(move.principal, move.user_id, hour), []).append(move)
        for counted_in, mine in leaves.items():
            for key in counted_in:
                self._moves.setdefault(key, []).extend(mine)
        self._add_up(leaves)
        self.keys: Sequence[str] = list(self._moves)

    def _add_up(self, leaves: dict[Sequence[str], list[Move]]) -> None:
        """A user's hour from its moves, whatever is wider from the hours within it."""
        for counted_in, mine in leaves.items():
            tally = self._tallies[counted_in[0]] = Tally()
            for move in mine:
                tally.add(move)
        for narrow in (0, 3, 6):
            # hours of users, of principals, of all; each once
            for hour, day, total, *wider in {one[narrow : narrow + 4] for one in leaves}:
                for key in (day, total, *wider):
                    self._tallies.setdefault(key, Tally()).merge(self._tallies[hour])

    def counted_into(self, key: str, document: Document | None) -> Document | None:
        """The roll-up with those moves that are not in it yet; None if all are."""
        moves = self._moves[key]
        sequences: dict[str, Any] = dict(document["sequences"]) if document is not None else {}
        fresh = [move for move in moves if move.sequence > sequences.get(str(move.partition), 0)]
        if not fresh:
            return None
        for move in fresh:
            place = str(move.partition)
            sequences[place] = max(move.sequence, sequences.get(place, 0))
        tally = self._tallies[key]
        if len(fresh) < len(moves):
            tally = Tally()
            for move in fresh:
                tally.add(move)
        whole = tally_of(document) if document is not None else Tally()
        whole.merge(tally, most=MOST_NAMES)
        revision = document["revision"] if document is not None else 0
        return {"_id": key, "revision": revision, "sequences": sequences, **whole.to_document()}
