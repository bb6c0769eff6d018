"""What operators give and see."""

import argparse
from collections.abc import Iterable, Sequence


def table(rows: Iterable[Sequence[object]], header: Sequence[str]) -> None:
    """Columns as wide as they need; a long cell is not cut, ids must be copied whole."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    for row in (header, *cells):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def at_least_one(text: str) -> int:
    """An argument's number. Raises argparse.ArgumentTypeError."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to 999999999")
    return int(text)
