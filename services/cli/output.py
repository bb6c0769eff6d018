"""What people see, and what programs read."""

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from intents_client import DeadlineExceeded, IntentsError, RateLimited, Unauthenticated, Unavailable
from intents_client.shown import error_to_json
from services.cli.exits import Failure


def emit_json(value: object, *, lines: bool = False) -> None:
    """One document for programs; with `lines` on a line of its own, sent at once."""
    print(json.dumps(value, indent=None if lines else 2), flush=lines)


def table(rows: Iterable[Sequence[object]], header: Sequence[str]) -> None:
    """Columns as wide as they need; a long cell is not cut, ids must be copied whole."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    for row in (header, *cells):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def csv_rows(rows: Iterable[Sequence[object]], header: Sequence[str]) -> None:
    """RFC 4180 but for its line ends. A text that a spreadsheet would take for a formula is quoted by an apostrophe."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([_no_formula(cell) for cell in row])


def _no_formula(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def pairs(values: Mapping[str, object]) -> None:
    """name  value, one to a line; None is left out."""
    present = {name: value for name, value in values.items() if value is not None}
    width = max(map(len, present), default=0)
    for name, value in present.items():
        print(f"{name.ljust(width)}  {value}")


def complain(error: IntentsError | Failure, *, target: str, as_json: bool) -> None:
    """To stderr: one sentence that says what to do, below it what is wrong with which field; or the same as JSON."""
    if isinstance(error, Failure):
        shown: dict[str, Any] = {"reason": error.reason or "USAGE", "detail": error.sentence}
        if error.details:
            shown |= {"errors": [one["message"] for one in error.details], "details": error.details}
        sentence, details = error.sentence, error.details
    else:
        shown = error_to_json(error)
        sentence, details = _sentence(error, target), shown["details"]
    if as_json:
        print(json.dumps({"error": shown}), file=sys.stderr)
        return
    print(f"intents: {sentence}", file=sys.stderr)
    if (
        len(details) == 1
        and details[0]["field"] in sentence
        and details[0]["message"].rstrip(".") in sentence
    ):
        return
    for one in details:
        print(f"  {one['field']}: {one['message']} ({one['reason']})", file=sys.stderr)


def _sentence(error: IntentsError, target: str) -> str:
    said = " ".join(error.message.split())[:300].rstrip(".") or error.status
    reason = f" ({error.reason})" if error.reason else ""
    match error:
        case Unavailable() if not error.reason:
            return (
                f"cannot reach an edge at {target}: start one with `make run` or `intents cluster`, "
                "or name another with --target"
            )
        case Unavailable():
            return f"{said}{reason}; try again in a moment"
        case DeadlineExceeded():
            return f"no answer from {target} in time; try again (a repeat is safe), or raise --deadline"
        case RateLimited() if error.retry_after is not None:
            return f"{said}{reason}; try again in {max(1, -int(-error.retry_after // 1))} s"
        case Unauthenticated():
            return f"{said}{reason}; name a file with your token by --token-file or INTENTS_TOKEN_FILE"
        case _:
            return f"{said}{reason}"
