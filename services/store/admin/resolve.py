"""`resolve`: a person settles a write past the store, or what is held."""

import argparse
import getpass
import json
import sys
from typing import TYPE_CHECKING, Any

from services.common.clock import SystemClock, now
from services.common.domain.lifecycle import Status
from services.store.app import open_storage
from services.store.config import StoreSettings
from services.store.document import is_stranger, record_of
from services.store.ports import Document
from services.store.resolving import (
    Choice,
    Resolution,
    Unsettled,
    choices,
    may_still_land,
    resolving,
    touched,
)

if TYPE_CHECKING:
    from services.store.admin.main import Verbs

MAX_BY = 64
MAX_REASON = 1024


def add(verbs: "Verbs") -> None:
    """Its options."""
    help_ = "settle an intent that somebody wrote past the store, or that is held for a person"
    parser = verbs.add_parser(
        "resolve",
        help=help_,
        description=f"{help_[0].upper()}{help_[1:]}. Without a choice: show it and what can be chosen. A choice needs "
        "--reason; who, when, why and what was there are kept in the record.",
    )
    parser.add_argument("id", metavar="ID", help="the intent's")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--to-ours", action="store_true", help="put back what the store's last move wrote")
    choice.add_argument(
        "--accept", metavar="STATUS", type=_status, help="take the status that was written, as a move of its own; "
        "of one that is held: the status it has reached elsewhere",
    )  # fmt: skip
    choice.add_argument("--fail", action="store_true", help="end it as failed")
    choice.add_argument("--release", action="store_true", help="let one that is held and signed go its way")
    parser.add_argument(
        "--reason", type=_line(MAX_REASON), metavar="TEXT", help="why; kept, shown to its user"
    )
    parser.add_argument(
        "--by", type=_line(MAX_BY), metavar="NAME", help="who; kept (the name of this session's user)"
    )
    parser.add_argument(
        "--force", action="store_true", help="end it though signed bytes of it may still get on chain (P4)"
    )
    parser.set_defaults(run=run, parser=parser)


async def run(args: argparse.Namespace, settings: StoreSettings) -> int:
    """0 if it was settled or shown, 1 if it could not be."""
    chosen = _choice(args)
    if chosen is not None and not args.reason:
        args.parser.error("a choice needs --reason TEXT")
    async with open_storage(settings, there=True) as storage:
        if chosen is None:
            document = (await storage.find([args.id])).get(args.id)
            if document is None or is_stranger(document):
                print(f"{args.parser.prog}: there is no intent {args.id}", file=sys.stderr)
                return 1
            _show(document)
            return 0
        resolution = Resolution(
            choice=chosen,
            by=args.by or _user(),
            reason=args.reason,
            status=args.accept,
            force=args.force,
        )
        answer = await storage.run(resolving(args.id, resolution, now(SystemClock())))
    if isinstance(answer, Unsettled):
        print(f"{args.parser.prog}: {args.id}: nothing was changed: {answer.why}", file=sys.stderr)
        return 1
    print(f"{args.id} is {answer['status']}, version {answer['version']}{_still(answer)}")
    return 0


def _choice(args: argparse.Namespace) -> Choice | None:
    if args.accept is not None:
        return Choice.ACCEPT
    chosen = {Choice.TO_OURS: args.to_ours, Choice.FAIL: args.fail, Choice.RELEASE: args.release}
    return next((one for one, given in chosen.items() if given), None)


def _show(document: Document) -> None:
    record = record_of(document)
    print(f"{record.intent_id} of {record.user_id}, principal {record.principal}")
    print(f"status {document['status']}, the store moved it to {record.status} (version {record.version})")
    if past := touched(document):
        print(f"written past the store: {', '.join(past)}{_error(document)}")
    if held := document.get("held"):
        print(f"held since {held['since'].isoformat()}: {held['reason']}")
    if record.lease is not None:
        print(f"leased by {record.lease.owner}")
    for one in record.transactions:
        print(f"transaction {one.hash} ({one.purpose}): {one.status}")
    if why := may_still_land(document, Status.FAILED):
        print(f"ending it as failed needs --force: {why}")
    can = choices(document)
    print(f"you can choose: {', '.join(can)}" if can else "nothing to settle")


def _error(document: Document) -> str:
    told: Any = document.get("errorDetails")
    return "" if told is None else f"; errorDetails {json.dumps(told, default=str)[:300]}"


def _still(document: Document) -> str:
    return ", still held" if document.get("held") else ""


def _status(text: str) -> Status:
    try:
        return Status(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(Status)}") from None


def _line(most: int) -> Any:
    def line(text: str) -> str:
        if not 1 <= len(text.strip()) <= most or not text.isprintable():
            raise argparse.ArgumentTypeError(f"1 to {most} printable characters are expected")
        return text.strip()

    return line


def _user() -> str:
    try:
        return getpass.getuser()[:MAX_BY]
    except (OSError, KeyError):
        return "unknown"
