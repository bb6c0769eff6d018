"""`overdue`: what nobody ends, longest first within each cause."""

import argparse
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from services.common.clock import SystemClock, now
from services.common.domain.outcomes import Overdue, OverdueCause
from services.store import overdue
from services.store.admin.output import at_least_one, table
from services.store.app import open_storage
from services.store.config import StoreSettings

if TYPE_CHECKING:
    from services.store.admin.main import Verbs

MEANING: Final = {
    OverdueCause.PAST_DEADLINE: "its deadline has passed and it has not ended",
    OverdueCause.NO_OWNER: "its next action is due for longer than OVERDUE_GRACE_MS and nobody took it up",
    OverdueCause.FOREIGN_WRITE: "its status was written past the store; settle it with `intents admin resolve`",
    OverdueCause.HELD: "it waits for a person; settle it with `intents admin resolve`",
}
_PAGE: Final = 200


def add(verbs: "Verbs") -> None:
    """Its options."""
    help_ = "list intents that nobody ends (P13); exit 1 if there are any"
    parser = verbs.add_parser(
        "overdue",
        help=help_,
        description=f"{help_[0].upper()}{help_[1:]}. Each under the first cause that applies, longest first.",
        epilog="causes: " + "; ".join(f"{cause}: {what}" for cause, what in MEANING.items()),
    )
    parser.add_argument("--json", action="store_true", help="one JSON document for programs")
    parser.add_argument(
        "--limit",
        type=at_least_one,
        default=1000,
        metavar="N",
        help="intents listed (1000); says if there are more",
    )
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace, settings: StoreSettings) -> int:
    """0 if there is none."""
    moment = now(SystemClock())
    grace = timedelta(milliseconds=settings.overdue_grace_ms)
    found: list[Overdue] = []
    token = ""
    async with open_storage(settings, there=True) as storage:
        while len(found) <= args.limit:
            page = await overdue.page(storage, moment, grace, size=_PAGE, token=token)
            found += page.overdue
            token = page.next_page_token
            if not token:
                break
    shown = found[: args.limit]
    more = len(found) > len(shown)
    if args.json:
        print(json.dumps({"overdue": [_as_json(one, moment) for one in shown], "more": more}, indent=2))
    elif shown:
        table([_row(one, moment) for one in shown], ("id", "cause", "for", "status", "owner", "evidence"))
        if more:
            print("… and more (--limit)")
    else:
        print("no intent is overdue")
    return 1 if found else 0


def _as_json(one: Overdue, moment: datetime) -> dict[str, Any]:
    record = one.record
    return {
        "intentId": record.intent_id,
        "userId": record.user_id,
        "principal": record.principal,
        "cause": one.cause.value,
        "since": one.since.isoformat(),
        "seconds": round((moment - one.since).total_seconds()),
        "status": record.status.value,
        "version": record.version,
        "owner": "" if record.lease is None else record.lease.owner,
        "evidence": one.last_evidence,
    }


def _row(one: Overdue, moment: datetime) -> tuple[object, ...]:
    record = one.record
    age = timedelta(seconds=round((moment - one.since).total_seconds()))
    owner = "-" if record.lease is None else record.lease.owner
    return (record.intent_id, one.cause, age, record.status, owner, one.last_evidence or "-")
