"""`restore`: a store out of a backup, where none is."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from services.store.admin.backup import ELSEWHERE, USAGE
from services.store.backup.restore import restore
from services.store.config import StoreSettings

if TYPE_CHECKING:
    from services.store.admin.main import Verbs


def add(verbs: "Verbs") -> None:
    """Its options."""
    help_ = "make an SQLite store of the backup FILE at DATABASE_URL, where none may be yet"
    parser = verbs.add_parser(
        "restore",
        help=help_,
        description=f"{help_[0].upper()}{help_[1:]}. FILE is checked first, against FILE.sha256 and by SQLite. The "
        "store gets a new identity: cursors of the one that was backed up are refused, so that watchers start over.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="what `backup` wrote")
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace, settings: StoreSettings) -> int:
    """Says what to do next."""
    database = settings.sqlite_path
    if database is None:
        print(ELSEWHERE, file=sys.stderr)
        return USAGE
    meta = await restore(args.file, database, settings.partitions)
    print(
        f"{database}: restored as store {meta.store_id}; now run `verify`, empty Redis, then start the stores"
    )
    return 0
