"""The chain's state: one map of keys to JSON bytes, with the recent past kept so that final can be read apart.

Keys: `a|account` account, `k|account|public key` access key, `c|account|key` contract storage, `q|height|n`
receipt due next, `w|receipt` receipt waiting for data, `d|receiver|data id` data come in, `n|…` counts.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Final, Protocol

from orjson import dumps, loads

HISTORY: Final = 100
"""Blocks whose earlier state can still be read."""

Delta = dict[str, bytes | None]
"""Key -> new value; None removes."""


class Reading(Protocol):
    def get(self, key: str) -> bytes | None: ...

    def scan(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        """All entries under `prefix`, in order of key. Walks the whole state: for rare calls only."""
        ...


class State:
    """The state after the newest published block."""

    def __init__(self, entries: dict[str, bytes], undo: Mapping[int, Delta]) -> None:
        self._entries = entries
        self._undo: OrderedDict[int, Delta] = OrderedDict(sorted(undo.items()))
        self._floor = min(undo, default=0) - 1

    def get(self, key: str) -> bytes | None:
        return self._entries.get(key)

    def scan(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        return iter(sorted((key, value) for key, value in self._entries.items() if key.startswith(prefix)))

    def undo_of(self, delta: Delta) -> Delta:
        """What takes `delta` back."""
        return {key: self._entries.get(key) for key in delta}

    def publish(self, height: int, delta: Delta, undo: Delta) -> None:
        self._change(delta)
        self._undo[height] = undo
        while len(self._undo) > HISTORY:
            self._floor, _ = self._undo.popitem(last=False)

    def _change(self, delta: Delta) -> None:
        for key, value in delta.items():
            if value is None:
                self._entries.pop(key, None)
            else:
                self._entries[key] = value

    def back_to(self, height: int) -> Delta:
        """What takes everything after block `height` back. Raises KeyError when that is no longer kept."""
        past: Delta = {}
        if not self._undo or height >= next(reversed(self._undo)):
            return past
        if height < self._floor:
            raise KeyError(height)
        for undone in reversed(self._undo):
            if undone <= height:
                break
            past.update(self._undo[undone])
        return past

    def at(self, height: int) -> Reading:
        """The state after block `height`. Raises KeyError when that is no longer kept."""
        past = self.back_to(height)
        return Overlay(self, past) if past else self

    def roll_back(self, height: int) -> None:
        """Make the state after block `height` the newest. Raises KeyError when it is no longer kept."""
        self._change(self.back_to(height))
        for undone in [block for block in self._undo if block > height]:
            del self._undo[undone]


class Overlay:
    """Changes over a state that may be kept (`merge`) or dropped."""

    __slots__ = ("_base", "delta")

    def __init__(self, base: Reading, delta: Delta | None = None) -> None:
        self._base = base
        self.delta: Delta = {} if delta is None else delta

    def get(self, key: str) -> bytes | None:
        if key in self.delta:
            return self.delta[key]
        return self._base.get(key)

    def set(self, key: str, value: bytes | None) -> None:
        self.delta[key] = value

    def scan(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        merged: dict[str, bytes | None] = dict(self._base.scan(prefix))
        merged.update({key: value for key, value in self.delta.items() if key.startswith(prefix)})
        return iter(sorted((key, value) for key, value in merged.items() if value is not None))

    def merge(self, child: "Overlay") -> None:
        self.delta.update(child.delta)


def get_json(state: Reading, key: str) -> "dict[str, object] | None":
    """The object under `key`, a fresh copy each time."""
    raw = state.get(key)
    if raw is None:
        return None
    value: dict[str, object] = loads(raw)
    return value


def set_json(state: Overlay, key: str, value: object) -> None:
    state.set(key, dumps(value))


def balance(state: Reading, account_id: str) -> int | None:
    """yoctoNEAR of an account, None if there is no such account."""
    account = get_json(state, f"a|{account_id}")
    return None if account is None else int(str(account["amount"]))


def pay(state: Overlay, account_id: str, amount: int) -> bool:
    """Add `amount` (may be negative) to an account; False and unchanged if there is none or too little."""
    account = get_json(state, f"a|{account_id}")
    if account is None:
        return False
    after = int(str(account["amount"])) + amount
    if after < 0:
        return False
    set_json(state, f"a|{account_id}", {**account, "amount": str(after)})
    return True


def count(state: Overlay, key: str) -> None:
    raw = state.get(f"n|{key}")
    set_json(state, f"n|{key}", (0 if raw is None else loads(raw)) + 1)
