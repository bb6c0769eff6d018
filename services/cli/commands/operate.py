"""`intents admin stuck|retry|resolve|fail`: what a processor knows of intents that nobody ends, and may be told.

Whatever changes something needs a reason; who, when, why and what was seen are kept in the record.
"""

import argparse
import asyncio
import getpass
import json
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NoReturn

import grpc

from intents.processor.v1 import processor_service_pb2 as pb
from intents.processor.v1.processor_service_pb2_grpc import ProcessorServiceStub
from intents.v1 import types_pb2 as types
from intents_client import status_word
from services.cli import exits, options, output
from services.cli.exits import Failure
from services.common.convert.times import moment
from services.common.errors import IntentError, Reason
from services.common.rpc.call import call

DEFAULT_TARGET: Final = "127.0.0.1:50056"
VERBS: Final = ("stuck", "retry", "resolve", "fail")
CHOICES: Final = ("--to-ours", "--accept", "--fail", "--release")
"""Options of the store's own `resolve`."""
_PAGE: Final = 100
_CODES: Final = {
    Reason.UNAUTHENTICATED: exits.NOT_ALLOWED, Reason.PERMISSION_DENIED: exits.NOT_ALLOWED,
    Reason.DEPENDENCY_UNAVAILABLE: exits.UNREACHABLE, Reason.DEADLINE_EXCEEDED: exits.UNREACHABLE,
    Reason.DRAINING: exits.UNREACHABLE, Reason.OVERLOADED: exits.TRY_LATER,
    Reason.INTENT_NOT_FOUND: exits.NOT_FOUND,
}  # fmt: skip


def ours(arguments: Sequence[str]) -> bool:
    """Whether it is for the processor. `resolve` with a choice, or without a reason, is the store's."""
    if not arguments or arguments[0] not in VERBS:
        return False
    if arguments[0] != "resolve":
        return True
    given = {one.partition("=")[0] for one in arguments[1:]}
    return "--reason" in given and given.isdisjoint(CHOICES)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Failure(exits.USAGE, f"{message}; see `{self.prog} --help`")


def parser() -> argparse.ArgumentParser:
    """The four verbs."""
    root = _Parser(prog="intents admin")
    verbs = root.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=_Parser)
    stuck = verbs.add_parser(
        "stuck",
        help="intents that nobody ends, and what is to be done; of those named all that is known. Exit 1 if any",
    )
    stuck.add_argument("id", nargs="*", help="intents to look at closely (default: list what is overdue)")
    stuck.add_argument("--limit", type=options.whole, default=1000, help="most to list (1000)")
    retry = verbs.add_parser("retry", help="have intents looked at again at once")
    resolve = verbs.add_parser("resolve", help="do the one right thing, and wait for the end")
    fail = verbs.add_parser(
        "fail", help="end intents as failed; refused while anything of them may get on chain"
    )
    for one in (retry, resolve, fail):
        one.add_argument("id", nargs="+")
        one.add_argument("--reason", required=True, metavar="TEXT", help="why; kept in the record")
        one.add_argument(
            "--by", default=_user(), metavar="NAME", help="who; kept (default: this session's user)"
        )
    resolve.add_argument(
        "--wait",
        type=options.seconds,
        default=10.0,
        help="longest wait for their ends, such as 10s (default)",
    )
    for one in (stuck, retry, resolve, fail):
        one.add_argument(
            "--processor",
            default=os.environ.get("INTENTS_PROCESSOR", DEFAULT_TARGET),
            help=f"address of a processor's gRPC port (INTENTS_PROCESSOR; default {DEFAULT_TARGET})",
        )
        one.add_argument(
            "--admin-token-file",
            type=Path,
            default=os.environ.get("INTENTS_ADMIN_TOKEN_FILE") or None,
            help="file that holds the processor's ADMIN_TOKEN (INTENTS_ADMIN_TOKEN_FILE)",
        )
        one.add_argument("--deadline", type=options.seconds, default=30.0, help="longest wait for an answer")
        options.add_json(one)
    return root


async def run(arguments: Sequence[str]) -> int:
    """Exit code: 0 done or nothing stuck, 1 something is stuck or was refused; others as everywhere."""
    args = parser().parse_args(arguments)
    metadata = _metadata(args.admin_token_file)
    async with grpc.aio.insecure_channel(args.processor) as channel:
        stub = ProcessorServiceStub(channel)

        async def ask(method: str, request: Any) -> Any:
            def called(message: Any, *, timeout: float | None = None) -> Any:
                return getattr(stub, method)(message, timeout=timeout, metadata=metadata)

            try:
                return await call(called, request, timeout=args.deadline)
            except IntentError as error:
                raise _failure(error, args.processor) from None

        match args.verb:
            case "stuck" if args.id:
                return await _explain(args, ask)
            case "stuck":
                return await _list(args, ask)
            case "retry":
                answer = await ask(
                    "RetryIntents", pb.RetryIntentsRequest(intent_ids=args.id, by=args.by, reason=args.reason)
                )
                return _told(args, answer.acted)
            case "fail":
                answer = await ask(
                    "FailIntents", pb.FailIntentsRequest(intent_ids=args.id, by=args.by, reason=args.reason)
                )
                return _told(args, answer.acted)
            case _:
                return await _resolve(args, ask)


Ask = Callable[[str, Any], Any]


async def _list(args: argparse.Namespace, ask: Ask) -> int:
    found: list[pb.StuckIntent] = []
    token = ""
    while len(found) <= args.limit:
        page = await ask("ListStuckIntents", pb.ListStuckIntentsRequest(page_size=_PAGE, page_token=token))
        found += page.intents
        token = page.next_page_token
        if not token:
            break
    shown, more = found[: args.limit], len(found) > args.limit
    if args.json:
        output.emit_json({"stuck": [_stuck_json(one) for one in shown], "more": more})
    elif shown:
        rows = [
            (one.intent.intent_id, one.cause, _for(one), status_word(one.intent.status), one.finding, one.why)
            for one in shown
        ]
        output.table(rows, ("id", "cause", "for", "status", "finding", "why"))
        if more:
            print("… and more (--limit)")
    else:
        print("no intent is stuck")
    return exits.REFUSED if found else exits.OK


async def _explain(args: argparse.Namespace, ask: Ask) -> int:
    answer = await ask("DiagnoseIntents", pb.DiagnoseIntentsRequest(intent_ids=args.id))
    if args.json:
        output.emit_json({"intents": [_report_json(one) for one in answer.answers]})
    for number, (intent_id, one) in enumerate(zip(args.id, answer.answers, strict=True)):
        if not args.json:
            if number:
                print()
            _show(intent_id, one)
    if any(not one.HasField("stuck") for one in answer.answers):
        return exits.NOT_FOUND
    return exits.REFUSED if any(one.stuck.cause for one in answer.answers) else exits.OK


async def _resolve(args: argparse.Namespace, ask: Ask) -> int:
    request = pb.ResolveIntentsRequest(intent_ids=args.id, by=args.by, reason=args.reason)
    acted = list((await ask("ResolveIntents", request)).acted)
    until = time.monotonic() + args.wait
    while any(not _over(one.now) for one in acted if one.done) and time.monotonic() < until:
        await asyncio.sleep(0.5)
        looked = await ask("DiagnoseIntents", pb.DiagnoseIntentsRequest(intent_ids=args.id))
        for one, now in zip(acted, looked.answers, strict=True):
            one.now.CopyFrom(now)
    return _told(args, acted)


def _told(args: argparse.Namespace, acted: Sequence[pb.ActedIntent]) -> int:
    if args.json:
        output.emit_json({"acted": [_acted_json(one) for one in acted]})
    for one in () if args.json else acted:
        print(f"{one.intent_id}: {'' if one.done else 'nothing was changed: '}{one.what}")
        if one.HasField("now") and one.now.HasField("stuck"):
            print(f"  it is {status_word(one.now.stuck.intent.status)} now: {one.now.stuck.why}")
    if any(one.reason == "INTENT_NOT_FOUND" for one in acted):
        return exits.NOT_FOUND
    good = all(one.done and (args.verb != "resolve" or _over(one.now)) for one in acted)
    return exits.OK if good else exits.REFUSED


def _show(intent_id: str, one: pb.Diagnosis) -> None:
    if not one.HasField("stuck"):
        print(f"{intent_id}: there is no such intent")
        return
    stuck = one.stuck
    output.pairs(
        {
            "id": stuck.intent.intent_id,
            "status": status_word(stuck.intent.status),
            "overdue": f"{stuck.cause} for {_for(stuck)}" if stuck.cause else "no",
            "finding": f"{stuck.finding}: {stuck.why}",
            "may be failed": f"no: {one.may_not_fail}" if one.may_not_fail else "yes",
            "error": f"{one.error}{f': {one.details}' if one.details else ''}" if one.error else None,
        }
    )
    for name, value in json.loads(stuck.evidence or "{}").items():
        for row in value if isinstance(value, list) else [value]:
            print(f"  {name}: {_words(row)}")
    for entry in one.audit:
        print(f"  {moment(entry.at).isoformat()} {entry.by} {entry.act}: {entry.reason}")


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items() if one != "")
    return str(value) if value != "" else "-"


def _over(one: pb.Diagnosis) -> bool:
    if not one.HasField("stuck"):
        return False
    ended = (types.INTENT_STATUS_COMPLETED, types.INTENT_STATUS_FAILED)
    return one.stuck.intent.status in ended or not one.stuck.cause


def _for(one: pb.StuckIntent) -> timedelta:
    if not one.HasField("since"):
        return timedelta(0)
    return timedelta(seconds=max(round((datetime.now(UTC) - moment(one.since)).total_seconds()), 0))


def _stuck_json(one: pb.StuckIntent) -> dict[str, Any]:
    return {
        "intentId": one.intent.intent_id,
        "status": status_word(one.intent.status),
        "version": one.intent.version,
        "cause": one.cause,
        "seconds": round(_for(one).total_seconds()),
        "finding": one.finding,
        "why": one.why,
        "evidence": json.loads(one.evidence or "{}"),
    }


def _report_json(one: pb.Diagnosis) -> dict[str, Any] | None:
    if not one.HasField("stuck"):
        return None
    return _stuck_json(one.stuck) | {
        "mayNotFail": one.may_not_fail,
        "error": one.error,
        "details": one.details,
        "audit": [
            {
                "at": moment(entry.at).isoformat(), "by": entry.by, "act": entry.act, "reason": entry.reason,
                "evidence": entry.evidence,
            }
            for entry in one.audit
        ],
    }  # fmt: skip


def _acted_json(one: pb.ActedIntent) -> dict[str, Any]:
    now = _report_json(one.now) if one.HasField("now") else None
    return {"intentId": one.intent_id, "done": one.done, "what": one.what, "reason": one.reason, "now": now}


def _metadata(file: Path | None) -> tuple[tuple[str, str], ...]:
    if file is None:
        return ()
    try:
        token = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or "it is not text"
        raise Failure(exits.USAGE, f"the token file {file} cannot be read: {why}") from None
    if not token or not token.isascii() or not token.isprintable():
        raise Failure(exits.USAGE, f"the token file {file} does not hold one token on one line")
    return (("authorization", f"Bearer {token}"),)


def _failure(error: IntentError, target: str) -> Failure:
    code = _CODES.get(error.reason, exits.REFUSED)
    sentence = error.message
    if error.reason in (Reason.UNAUTHENTICATED, Reason.PERMISSION_DENIED):
        sentence += " Name a file with it by --admin-token-file or INTENTS_ADMIN_TOKEN_FILE."
    elif code == exits.UNREACHABLE:
        sentence = f"no answer from a processor at {target}: {sentence} Name another with --processor."
    return Failure(code, sentence, reason=str(error.reason))


def _user() -> str:
    try:
        return getpass.getuser()[:64]
    except (OSError, KeyError):
        return "unknown"
