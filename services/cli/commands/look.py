"""get, status, list, watch, cancel, info: intents that are there."""

import argparse
import time
from contextlib import aclosing
from typing import Any

from intents.v1 import types_pb2 as types
from intents_client import TERMINAL, event_of, status_word
from intents_client.shown import STATUSES, event_to_json, intent_to_json, time_text, token_to_json
from services.cli import exits, options, output


def add(commands: options.Commands) -> None:
    """All six."""
    get = options.add_command(commands, "get", help="the record of an intent")
    get.add_argument("id")
    options.add_common(get)
    get.set_defaults(run=run_get)

    status = options.add_command(commands, "status", help="the status of an intent, from the cache")
    status.add_argument("id")
    status.add_argument(
        "--min-version", type=options.whole, default=0, help="take no answer older than this version"
    )
    status.add_argument(
        "--allow-stale",
        action="store_true",
        help="rather what is remembered than no answer while the service can ask nobody",
    )
    options.add_common(status)
    status.set_defaults(run=run_status)

    listing = options.add_command(commands, "list", help="your intents, newest first")
    listing.add_argument("--user-account", default="", help="only this user's")
    listing.add_argument("--status", choices=tuple(STATUSES), help="only this status")
    listing.add_argument("--action", default="", help="only this action")
    listing.add_argument("--token", default="", help="only those with this token as input or output")
    listing.add_argument("--solver", default="", help="only those this solver was asked for")
    listing.add_argument("--hash", default="", help="only those with this transaction")
    listing.add_argument(
        "--since", type=options.moment, help="accepted from here on: RFC 3339, or how long ago, such as 24h"
    )
    listing.add_argument(
        "--until", type=options.moment, help="accepted before this: RFC 3339, or how long ago"
    )
    listing.add_argument("--limit", type=options.whole, default=50, help="most to show (default 50)")
    options.add_common(listing)
    listing.set_defaults(run=run_list)

    watch = options.add_command(
        commands, "watch", help="every change, as it happens; goes on across lost connections"
    )
    watch.add_argument("id", nargs="*", help="intents to watch, known yet or not (default: all of yours)")
    watch.add_argument(
        "--cursor", default="", help="take up a watch where it ended (--json shows each cursor)"
    )
    watch.add_argument("--until-end", action="store_true", help="end when all named have completed or failed")
    options.add_common(watch)
    watch.set_defaults(run=run_watch)

    cancel = options.add_command(
        commands, "cancel", help="end a pending intent while nothing was signed for it"
    )
    cancel.add_argument("id")
    cancel.add_argument("--request-id", default="", help="names this attempt, so that a repeat is recognised")
    options.add_common(cancel)
    cancel.set_defaults(run=run_cancel)

    info = options.add_command(commands, "info", help="what one needs to know to sign, and the limits")
    options.add_common(info)
    info.set_defaults(run=run_info)


async def run_get(args: argparse.Namespace) -> int:
    async with options.client_of(args) as client:
        _show_intent(await client.get(args.id), args.json)
    return exits.OK


async def run_status(args: argparse.Namespace) -> int:
    async with options.client_of(args) as client:
        answer = await client.status(args.id, min_version=args.min_version, allow_stale=args.allow_stale)
    age = answer.age.seconds + answer.age.nanos / 1e9
    shown = {
        "intentId": answer.intent_id,
        "status": status_word(answer.status),
        "version": answer.version,
        "level": answer.level,
        "ageMs": round(age * 1000),
        "stale": answer.stale,
    }
    if args.json:
        output.emit_json(shown)
    else:
        stale = ", could not be confirmed" if answer.stale else ""
        print(f"{shown['status']}  version {answer.version}  ({answer.level}, {age:.3f} s old{stale})")
    return exits.OK


async def run_list(args: argparse.Namespace) -> int:
    found: list[types.Intent] = []
    wanted = STATUSES[args.status] if args.status else types.INTENT_STATUS_UNSPECIFIED
    async with (
        options.client_of(args) as client,
        aclosing(
            client.list_all(
                user_account=args.user_account,
                status=wanted,
                action=args.action,
                token=args.token,
                solver_id=args.solver,
                transaction_hash=args.hash,
                created_since=args.since,
                created_until=args.until,
            )
        ) as intents,
    ):
        async for intent in intents:
            if len(found) >= args.limit:
                break
            found.append(intent)
    if args.json:
        output.emit_json({"intents": [intent_to_json(intent) for intent in found]})
        return exits.OK
    rows = [
        (
            one.intent_id,
            status_word(one.status),
            one.version,
            one.intent.action,
            f"{one.intent.input_amount} {one.intent.input_token}",
            one.intent.output_token,
            time_text(one.created_at),
        )
        for one in found
    ]
    output.table(rows, ("ID", "STATUS", "VERSION", "ACTION", "INPUT", "OUTPUT", "CREATED"))
    return exits.OK


async def run_watch(args: argparse.Namespace) -> int:
    open_ids, started = set(args.id), time.monotonic()
    async with (
        options.client_of(args) as client,
        aclosing(client.watch(args.id, cursor=args.cursor)) as messages,
    ):
        async for message in messages:
            event = event_of(message)
            if event is None:
                continue
            conflated = message.WhichOneof("message") == "snapshot"
            first = message.snapshot.from_version if conflated else event.version
            if args.json:
                shown: dict[str, Any] = {**event_to_json(event), "cursor": message.cursor}
                if conflated:
                    shown["versions"] = list(range(first, event.version + 1))
                output.emit_json(shown, lines=True)
            else:
                versions = (
                    f"versions {first} to {event.version}"
                    if first < event.version
                    else f"version {event.version}"
                )
                why = f"  {event.reason}" if event.reason else ""
                elapsed = time.monotonic() - started
                print(
                    f"{elapsed:8.3f} s  {event.intent_id}  {status_word(event.status):<9}  {versions}{why}",
                    flush=True,
                )
            if event.status in TERMINAL:
                open_ids.discard(event.intent_id)
                if args.until_end and args.id and not open_ids:
                    break
    return exits.OK


async def run_cancel(args: argparse.Namespace) -> int:
    async with options.client_of(args) as client:
        _show_intent(await client.cancel(args.id, request_id=args.request_id), args.json)
    return exits.OK


async def run_info(args: argparse.Namespace) -> int:
    async with options.client_of(args) as client:
        told = await client.info()
    limits = told.limits
    shown: dict[str, Any] = {
        "network": told.network,
        "verifyingContract": told.verifying_contract,
        "standards": list(told.standards),
        "actions": list(told.actions),
        "tokens": list(map(token_to_json, told.tokens)),
        "unknownTokens": list(told.unknown_tokens),
        "registry": told.registry,
        "signatureRequired": told.signature_required,
        "limits": {
            "maxBatch": limits.max_batch,
            "maxRequestBytes": limits.max_request_bytes,
            "maxWatch": limits.max_watch,
            "maxLifetimeMs": limits.max_lifetime.ToMilliseconds(),
            "minLifetimeMs": limits.min_lifetime.ToMilliseconds(),
            "rateLimitMax": limits.rate_limit_max,
            "rateLimitWindowMs": limits.rate_limit_window.ToMilliseconds(),
        },
        "version": told.version,
    }
    if args.json:
        output.emit_json(shown)
        return exits.OK
    rows = {name: value for name, value in shown.items() if name not in ("tokens", "limits")}
    for name in ("standards", "actions", "unknownTokens"):
        rows[name] = ", ".join(shown[name])
    output.pairs({**rows, **shown["limits"]})
    print()
    tokens = [
        (one.id, one.symbol, one.decimals, one.min_amount or "-", one.max_amount or "-",
         "paused" if one.paused else ", ".join(one.pairs) or "any")
        for one in told.tokens
    ]  # fmt: skip
    output.table(tokens, ("TOKEN", "SYMBOL", "DECIMALS", "LEAST", "MOST", "SWAPS FOR"))
    return exits.OK


def _show_intent(intent: types.Intent, as_json: bool) -> None:
    shown = intent_to_json(intent)
    if as_json:
        output.emit_json(shown)
        return
    execution = shown.pop("executionDetails", None)
    failure = shown.pop("errorDetails", None)
    output.pairs(shown)
    if failure is not None:
        print(f"\nfailed: {failure['message']} ({failure['reason']})")
    if execution is not None:
        print()
        output.pairs({name: value for name, value in execution.items() if name != "transactions" and value})
        for one in execution["transactions"]:
            print(f"  {one['hash']}  {one['chain']}  {one['status']}")
