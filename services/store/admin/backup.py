"""`backup`: one moment of an SQLite store in one file, while it serves."""

import argparse
import asyncio
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from services.store.admin.verify import told_now_and_then
from services.store.backup.copy import back_up
from services.store.config import StoreSettings

if TYPE_CHECKING:
    from services.store.admin.main import Verbs

ELSEWHERE = (
    "DATABASE_URL: a MongoDB is backed up and restored by its own tools (mongodump, mongorestore, snapshots), then "
    "`new-identity`: see Backup in docs/operations.md"
)
USAGE = 2


def add(verbs: "Verbs") -> None:
    """Its options."""
    help_ = "copy an SQLite store into FILE, as it is at this moment, while it serves"
    parser = verbs.add_parser(
        "backup",
        help=help_,
        description=f"{help_[0].upper()}{help_[1:]}; FILE.sha256 is written beside it. Nothing is overwritten.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a file that is not there yet")
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace, settings: StoreSettings) -> int:
    """Says what is in it."""
    database = settings.sqlite_path
    if database is None:
        print(ELSEWHERE, file=sys.stderr)
        return USAGE
    stop, said = threading.Event(), told_now_and_then("backup")

    def progress(what: str, count: int) -> None:
        if stop.is_set():
            raise InterruptedError("interrupted; no backup was written")
        said(what, count)

    try:
        copied = await asyncio.to_thread(back_up, database, args.file, progress)
    except asyncio.CancelledError:
        stop.set()
        raise
    print(f"{args.file}: {copied.intents:,} intents, sha256 {copied.digest}")
    print(f"holds up to cursor {copied.cursor}")
    return 0
