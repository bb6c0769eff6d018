"""`import`: another system's documents from a file."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from services.common.clock import SystemClock
from services.store.adapters.export_file import strangers
from services.store.admin.verify import told_now_and_then
from services.store.app import open_storage
from services.store.config import StoreSettings
from services.store.migrating.importing import Imported, import_all

if TYPE_CHECKING:
    from services.store.admin.main import Verbs


def add(verbs: "Verbs") -> None:
    """Its options."""
    help_ = "take over another system's documents from a file that mongoexport wrote"
    parser = verbs.add_parser(
        "import",
        help=help_,
        description=f"{help_[0].upper()}{help_[1:]}, one a line, into any database, as `migrate` adopts them from a "
        "collection. The file stays as it is. May be repeated.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="JSON Lines, MongoDB's extended JSON")
    parser.add_argument(
        "--principal",
        default="",
        metavar="NAME",
        help="whose intents they become (each one's userId)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document for programs")
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace, settings: StoreSettings) -> int:
    """0 if every line is there now or is an older double, 1 if some were left."""
    with args.file.open("rb"):
        pass  # before a database is made for nothing
    async with open_storage(settings) as storage:
        done = await import_all(
            storage,
            SystemClock(),
            lambda: strangers(args.file),
            principal=args.principal,
            progress=told_now_and_then("import"),
        )
    if args.json:
        print(json.dumps(done.as_json(), indent=2))
    else:
        _show(done)
    return 1 if done.failed else 0


def _show(done: Imported) -> None:
    print(
        f"{done.lines:,} documents: {done.imported:,} imported ({done.held:,} of them held for a person), "
        f"{done.there:,} were there, {done.doubles:,} are older doubles, {done.failed:,} left"
    )
    for line, why in done.left.items():
        print(f"left: line {line}: {why}")
    if done.failed > len(done.left):
        print(f"… and {done.failed - len(done.left):,} more")
