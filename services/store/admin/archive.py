"""`archive verify`: are the files whole that events were archived in?"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from services.store.admin.output import table
from services.store.admin.verify import told_now_and_then
from services.store.config import StoreSettings
from services.store.retention.files import Damaged, check, found, missing

if TYPE_CHECKING:
    from services.store.admin.main import Verbs


def add(verbs: "Verbs") -> None:
    """Its options."""
    help_ = "what retention has archived: `archive verify FILE|FOLDER …` checks it"
    archive = verbs.add_parser("archive", help=help_, description=help_)
    actions = archive.add_subparsers(dest="action", metavar="ACTION", required=True)
    says = (
        "checksums, every line, and whether events are missing between the files; exit 1 if anything is wrong"
    )
    verify = actions.add_parser("verify", help=says, description=f"{says[0].upper()}{says[1:]}.")
    verify.add_argument(
        "paths", nargs="+", type=Path, metavar="FILE|FOLDER", help="archived files, or folders"
    )
    verify.set_defaults(run=run)


async def run(args: argparse.Namespace, settings: StoreSettings) -> int:
    """0 if all is there; 1 otherwise."""
    said = told_now_and_then("archive verify")
    runs, wrong = [], []
    files = found(args.paths)
    if not files:
        print(
            f"archive verify: there are no archived files in {', '.join(map(str, args.paths))}",
            file=sys.stderr,
        )
        return 1
    for number, path in enumerate(files, 1):
        try:
            runs.append(check(path))
        except Damaged as error:
            wrong.append((str(path), str(error)))
        said("files", number)
    wrong += [("-", gap) for gap in missing(runs)]
    if wrong:
        table(wrong, ("file", "what"))
    events = sum(run.last - run.first + 1 for run in runs)
    print(f"{len(runs):,} files with {events:,} events are whole, {len(wrong):,} findings")
    return 1 if wrong else 0
