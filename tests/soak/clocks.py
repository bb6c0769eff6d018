"""Clocks of processes that jump: each reads its own offset from a file (`skew/sitecustomize.py`)."""

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

SKEW: Final = Path(__file__).resolve().parent / "skew"
_OFFSET: Final = struct.Struct("<q")


class Clocks:
    """One file for each of `names` below `folder`, all right at first."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._files = {name: folder / f"{name}.skew" for name in names}
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            self._files[name].write_bytes(_OFFSET.pack(0))

    def environment(self, name: str) -> dict[str, str]:
        """What a process needs to have this clock; `SKEW` must be on its PYTHONPATH."""
        return {"SKEW_FILE": str(self._files[name])}

    def set(self, name: str, seconds: float) -> None:
        """From now on `name` is ahead by `seconds`, or behind. The file stays the same: it is mapped."""
        with self._files[name].open("r+b") as file:
            file.write(_OFFSET.pack(round(seconds * 1e9)))


def paths(*roots: Path) -> str:
    """A PYTHONPATH that begins with the skewed clock."""
    return os.pathsep.join(str(path) for path in (SKEW, *roots))
