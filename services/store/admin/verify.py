"""`verify`: records against themselves, their reservations, the event log and the roll-ups."""

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING, Final

from services.common.clock import SystemClock
from services.store.admin.output import at_least_one, table
from services.store.app import open_storage
from services.store.config import StoreSettings
from services.store.verify.findings import MEANING, Finding, Verified
from services.store.verify.run import Progress, verify

if TYPE_CHECKING:
    from services.store.admin.main import Verbs

EVERY: Final = 5.0
"""Seconds between lines about how far it is."""


def add(verbs: "Verbs") -> None:
    """Its options."""
    help_ = "compare records, reservations, event log and roll-ups; exit 1 if anything is found"
    parser = verbs.add_parser(
        "verify",
        help=help_,
        description=f"{help_[0].upper()}{help_[1:]}. Exact, also while stores serve: what differs is looked at again "
        "before it is said. Reads everything once and needs about 200 bytes of temporary file an event.",
        epilog="findings: " + "; ".join(f"{kind}: {what}" for kind, what in MEANING.items()),
    )
    parser.add_argument(
        "--repair", action="store_true", help="set right what can only be meant one way, and say what"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document for programs")
    parser.add_argument(
        "--limit",
        type=at_least_one,
        default=1000,
        metavar="N",
        help="findings listed; all are counted (1000)",
    )
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace, settings: StoreSettings) -> int:
    """0 if nothing is wrong, or nothing any more; 1 otherwise."""
    async with open_storage(settings, there=True) as storage:
        verified = await verify(
            storage, SystemClock(), repair=args.repair, limit=args.limit, progress=told_now_and_then("verify")
        )
    if args.json:
        print(json.dumps(verified.as_json(), indent=2))
    else:
        _show(verified)
    return 1 if verified.findings.left else 0


def told_now_and_then(verb: str) -> Progress:
    """Says on stderr how far it is, every EVERY seconds."""
    last = time.monotonic()

    def progress(what: str, count: int) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            print(f"{verb}: {count:,} {what}", file=sys.stderr, flush=True)

    return progress


def _show(verified: Verified) -> None:
    findings = verified.findings
    if findings.kept:
        table(
            [(one.kind, one.where, _repair(one), one.message) for one in findings.kept],
            ("finding", "where", "repair", "what"),
        )
        if findings.total > len(findings.kept):
            print(f"… and {findings.total - len(findings.kept):,} more (--limit)")
        print()
    rollups = (
        "roll-ups not compared: the store still folds its past, or drops what was just folded; run again"
        if verified.rollups is None
        else (f"{verified.rollups:,} roll-ups")
    )
    print(
        f"{verified.intents:,} intents, {verified.events:,} events, {verified.waiting:,} waiting in outboxes, {rollups}"
    )
    if verified.older:
        print(f"{verified.older:,} records are of an older schema: `migrate` renews them")
    if verified.strangers:
        print(f"{verified.strangers:,} documents of another system are not adopted yet: `migrate` does it")
    print(f"holds up to cursor {verified.cursor}")
    if not findings.total:
        print("nothing found")
        return
    counts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(findings.counts.items()))
    print(f"{findings.total:,} found ({counts}), {findings.repaired:,} repaired")


def _repair(one: Finding) -> str:
    return {"none": "by a person", "possible": "--repair", "done": "done"}[one.repair]
