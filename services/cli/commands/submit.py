"""submit, validate: an intent on its way to the edge."""

import argparse
import asyncio
import json
import sys
import time
from contextlib import aclosing

from intents.v1 import intent_service_pb2 as pb
from intents_client import TERMINAL, Client, DeadlineExceeded, SigningInfo, event_of, status_word
from intents_client.shown import STATUSES, intent_to_json, receipt_to_json, verdict_to_json
from services.cli import exits, options, output
from services.cli.exits import Failure
from services.cli.explained import explain
from services.common.convert.intents import submission_to_proto
from services.common.domain import strictjson
from services.common.domain.submissionjson import submission_from_json


def add(commands: options.Commands) -> None:
    """submit and validate."""
    submit = options.add_command(
        commands, "submit", help="submit an intent, signing it first if it is not signed"
    )
    options.add_intent(submit)
    options.add_signing(submit)
    submit.add_argument("--request-id", help="names this attempt, so that a repeat is recognised")
    submit.add_argument(
        "--wait", action="store_true", help="follow it to its end, showing each status as it comes"
    )
    submit.add_argument(
        "--timeout", type=options.seconds, default=120.0, help="longest wait with --wait (default 2m)"
    )
    options.add_common(submit)
    submit.set_defaults(run=run_submit)

    validate = options.add_command(
        commands, "validate", help="ask whether an intent would be accepted; stores nothing"
    )
    options.add_intent(validate)
    options.add_signing(validate)
    validate.add_argument(
        "--full", action="store_true", help="look at the stages after the first that refuses too"
    )
    validate.add_argument(
        "--explain",
        action="store_true",
        help="tell what became of each rule, what was signed, and how to mend it",
    )
    options.add_common(validate)
    validate.set_defaults(run=run_validate)


async def run_submit(args: argparse.Namespace) -> int:
    """Accepted, or with --wait ended."""
    async with options.client_of(args) as client:
        submission = await _submission(args, client)
        if args.wait:
            return await _submit_and_wait(args, client, submission)
        receipt = await _send(args, client, submission)
    shown = receipt_to_json(receipt)
    if args.json:
        output.emit_json(shown)
    else:
        output.pairs(shown)
    return exits.OK


async def run_validate(args: argparse.Namespace) -> int:
    """The seed's answer: valid, or every error of the first failing stage; with --explain every rule."""
    async with options.client_of(args) as client:
        submission = await _submission(args, client)
        verdict = await client.validate(submission, full=args.full, explain=args.explain)
    if args.json:
        output.emit_json(verdict_to_json(verdict))
    elif args.explain:
        explain(verdict_to_json(verdict))
    elif verdict.valid:
        print("valid")
    else:
        rows = [(one.field, one.reason, one.message) for one in verdict.details]
        output.table(rows, ("FIELD", "REASON", "MESSAGE"))
    return exits.OK if verdict.valid else exits.REFUSED


async def _submission(args: argparse.Namespace, client: Client) -> pb.Submission:
    """What these options name, signed where a key is given and no signature there yet."""
    body = options.body_of(args)
    if getattr(args, "request_id", None) is not None:
        body["request_id"] = args.request_id
    if body.get("signed_data") is None and args.key is not None:
        body = options.signed(args, body, SigningInfo.of(await client.info()))
        body = strictjson.loads(json.dumps(body), max_bytes=options.MAX_BODY_BYTES)
    return submission_to_proto(submission_from_json(body))


async def _send(args: argparse.Namespace, client: Client, submission: pb.Submission) -> pb.Receipt:
    """Its receipt. An answer that does not come leaves open whether it was accepted, and a new id would be a
    second intent: whoever let the id be made up is told which it was."""
    try:
        return await client.submit(submission)
    except DeadlineExceeded:
        if args.file is not None or args.id is not None:
            raise
        made = submission.intent.id
        raise Failure(
            exits.UNREACHABLE,
            f"no answer from {args.target} in time: `intents get {made}` tells whether it was accepted; "
            f"to try again add --id {made}, so that it stays one intent",
            reason="DEADLINE_EXCEEDED",
        ) from None


async def _submit_and_wait(args: argparse.Namespace, client: Client, submission: pb.Submission) -> int:
    intent_id, started = submission.intent.id, time.monotonic()
    # watched before it is sent, so that no status of a quick life is missed
    async with aclosing(client.watch([intent_id], patience=args.timeout)) as messages:
        first = asyncio.ensure_future(anext(messages))
        try:
            receipt = await _send(args, client, submission)
        except BaseException:
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            raise
        progress = _Progress(started, as_json=args.json)
        progress.show(receipt.version, status_word(receipt.status))
        try:
            async with asyncio.timeout(args.timeout):
                message = await first
                while True:
                    event = event_of(message)
                    if event is not None:
                        progress.show(event.version, status_word(event.status))
                        if event.status in TERMINAL:
                            break
                    message = await anext(messages)
        except TimeoutError:
            raise Failure(
                exits.UNREACHABLE,
                f"{intent_id} is accepted but has not ended within {args.timeout:g} s; "
                f"follow it with `intents watch {intent_id}`",
                reason="DEADLINE_EXCEEDED",
            ) from None
        finally:
            if not first.done():
                first.cancel()
                await asyncio.gather(first, return_exceptions=True)
    intent = await client.get(intent_id)
    if args.json:
        output.emit_json(intent_to_json(intent))
    elif intent.HasField("error_details"):
        print(f"failed: {intent.error_details.message} ({intent.error_details.reason})")
    else:
        details = intent.execution_details
        print(f"solver {details.solver_id}, gas {details.gas_used}, cost {details.total_cost} yoctoNEAR")
        for one in details.transactions:
            print(f"  {one.hash}  {one.status}")
    return exits.OK if intent.status == STATUSES["completed"] else exits.REFUSED


class _Progress:
    """Each status once, with the time since sending; for programs on a terminal's stderr only."""

    def __init__(self, started: float, *, as_json: bool) -> None:
        self._started = started
        self._last = 0
        self._out = sys.stderr if as_json else sys.stdout
        self._silent = as_json and not sys.stderr.isatty()

    def show(self, version: int, status: str) -> None:
        if version <= self._last:
            return
        self._last = version
        if not self._silent:
            elapsed = time.monotonic() - self._started
            print(f"{elapsed:8.3f} s  {status:<9}  version {version}", file=self._out, flush=True)
