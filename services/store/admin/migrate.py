"""`migrate`: makes the database what this version of the store expects."""

import argparse
import json
from typing import TYPE_CHECKING

from services.common.clock import SystemClock
from services.store.admin.verify import told_now_and_then
from services.store.app import open_storage
from services.store.config import StoreSettings
from services.store.document import SCHEMA
from services.store.migrating.adopt import Adoption, adopt
from services.store.migrating.run import Migrated, migrate
from services.store.ports import Meta

if TYPE_CHECKING:
    from services.store.admin.main import Verbs


def add(verbs: "Verbs") -> None:
    """Its options."""
    help_ = "raise the database's schema to this version's and bring every record up to it"
    parser = verbs.add_parser(
        "migrate",
        help=help_,
        description=f"{help_[0].upper()}{help_[1:]}. For after a deployment: stores of the version before may still "
        "serve, but do not start again. May be cut off and repeated, also while stores serve.",
    )
    parser.add_argument(
        "--prepare",
        action="store_true",
        help="only make collections and indexes, as every start does; keeps stores of the version before able to start",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="change nothing; say what would become of another system's documents",
    )
    parser.add_argument(
        "--principal",
        default="",
        metavar="NAME",
        help="whose intents another system's documents become (each one's userId)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document for programs")
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace, settings: StoreSettings) -> int:
    """0 if every record is of our schema; 1 if some were left."""
    async with open_storage(settings, there=args.dry_run) as storage:
        if args.prepare:
            print(_named(storage.meta, "is ready"))
            return 0
        progress = told_now_and_then("migrate")
        if args.dry_run:
            adoption = await adopt(
                storage, SystemClock(), principal=args.principal, progress=progress, dry=True
            )
            if args.json:
                print(json.dumps({"dryRun": True, "adoption": adoption.as_json()}, indent=2))
            else:
                print("nothing was changed; migrate would do this with documents of another system:")
                _show_adoption(adoption)
            return 1 if adoption.left else 0
        migrated = await migrate(storage, SystemClock(), principal=args.principal, progress=progress)
        if args.json:
            print(json.dumps(migrated.as_json(), indent=2))
        else:
            _show(storage.meta, migrated)
    return 1 if migrated.left else 0


def _named(meta: Meta, more: str) -> str:
    return f"store {meta.store_id} with {meta.partitions} partitions {more}"


def _show(meta: Meta, migrated: Migrated) -> None:
    renewed = migrated.renewed
    was = "" if migrated.before == SCHEMA else f", was {migrated.before}"
    print(_named(meta, f"is of schema {SCHEMA}{was}"))
    if migrated.adoption.before:
        _show_adoption(migrated.adoption)
    if renewed.resumed_after:
        print(f"went on after {renewed.resumed_after}, where an earlier run was cut off")
    print(f"{renewed.looked_at:,} records looked at, {renewed.renewed:,} renewed")
    if renewed.refiled:
        print(f"{renewed.refiled:,} rows filed anew beside their records")
    if renewed.newer:
        print(f"{renewed.newer:,} are of a newer schema and stay as they are")
    for intent_id, why in renewed.left.items():
        print(f"left as it is: {intent_id}: {why}")
    if renewed.failed:
        print(f"{renewed.failed:,} left as they are")


def _show_adoption(adoption: Adoption) -> None:
    print(
        f"{adoption.before:,} documents of another system: {adoption.adopted:,} adopted "
        f"({adoption.held:,} of them held for a person), {adoption.archived:,} archived, "
        f"{len(adoption.left):,} left as they are"
    )
    for where, why in adoption.left.items():
        print(f"left as it is: {where}: {why}")
