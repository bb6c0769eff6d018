"""Options that several commands share, and what becomes of them."""

import argparse
import os
import re
import secrets
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias

from intents_client import Account, Client, KeyFileError, SigningInfo, connect, sign_body
from intents_client.plain import PLAIN_FIELDS
from services.cli import exits
from services.cli.exits import Failure
from services.common.clock import from_ns
from services.common.domain import strictjson
from services.common.domain.plainjson import deadline_ns
from services.common.domain.strictjson import Number
from services.common.domain.submissionjson import submission_from_json
from services.common.errors import IntentError

Commands: TypeAlias = "argparse._SubParsersAction[Any]"
"""What `add_subparsers` gives; each module adds its commands to it."""

DEFAULT_TARGET: Final = "127.0.0.1:50051"
MAX_BODY_BYTES: Final = 1 << 20
_LIFETIME: Final = re.compile(r"(\d{1,9})(ms|s|m|h|d)", re.ASCII)
_LONGEST: Final = timedelta(days=3650)
_WHOLE: Final = re.compile(r"0|[1-9][0-9]{0,8}")
_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def add_command(commands: Commands, name: str, *, help: str) -> argparse.ArgumentParser:
    """A command whose own --help begins with what the list of commands says of it."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=help, description=f"{help[0].upper()}{help[1:]}."
    )
    return parser


def add_common(parser: argparse.ArgumentParser) -> None:
    """Of every command that calls the edge."""
    parser.add_argument(
        "--target",
        default=os.environ.get("INTENTS_TARGET", DEFAULT_TARGET),
        help="address of the edge's gRPC port (INTENTS_TARGET; default 127.0.0.1:50051)",
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        default=os.environ.get("INTENTS_TOKEN_FILE") or None,
        help="file that holds your token (INTENTS_TOKEN_FILE); a token itself is never an argument",
    )
    parser.add_argument("--tls", action="store_true", help="speak TLS, trusting the system's authorities")
    parser.add_argument(
        "--deadline", type=seconds, default=5.0, help="longest wait for an answer, such as 5s (default)"
    )
    add_json(parser)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Of every command."""
    parser.add_argument("--json", action="store_true", help="JSON for programs in place of a table")


def add_intent(parser: argparse.ArgumentParser) -> None:
    """An intent: from a file, or field by field."""
    parser.add_argument(
        "file", nargs="?", help='JSON file with the intent\'s fields, signed or not; "-" reads standard input'
    )
    group = parser.add_argument_group("fields (in place of a file, or over what it holds)")
    group.add_argument(
        "--id",
        help="your name for it: 1 to 128 characters of A-Za-z0-9._:@- (default: made up, for fields given here)",
    )
    group.add_argument("--user-account", help="the user's account (default: the key's)")
    group.add_argument("--action", help="swap or transfer, or what `intents info` lists")
    group.add_argument("--input-token", help="token given")
    group.add_argument("--input-amount", help="amount given, in the token's smallest unit")
    group.add_argument("--output-token", help="token wanted")
    group.add_argument("--min-output-amount", help="least amount accepted, in the smallest unit")
    group.add_argument("--max-slippage", help="most slippage accepted, in percent, such as 0.5")
    group.add_argument("--intent-deadline", help="instant after which nothing may happen, RFC 3339")


def add_signing(parser: argparse.ArgumentParser) -> None:
    """Who signs, and for how long."""
    group = parser.add_argument_group("signing")
    group.add_argument(
        "--key",
        type=Path,
        default=os.environ.get("INTENTS_KEY_FILE") or None,
        help="key file from `intents keygen` (INTENTS_KEY_FILE)",
    )
    group.add_argument(
        "--lifetime", type=lifetime, default=timedelta(minutes=10), help="such as 30s, 10m, 2h (default 10m)"
    )
    group.add_argument(
        "--standard", choices=("nep413", "raw_ed25519"), default="nep413", help="default nep413"
    )


def lifetime(text: str) -> timedelta:
    """30s, 10m, 2h; argparse's error otherwise."""
    match = _LIFETIME.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 30s, 10m or 2h")
    found = timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    if found > _LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is longer than {_LONGEST.days}d")
    return found


def seconds(text: str) -> float:
    """As `lifetime`, in seconds; a bare number counts as seconds."""
    return lifetime(text if not text.isdecimal() else f"{text}s").total_seconds()


def moment(text: str) -> datetime:
    """RFC 3339 with an offset, or how long ago, such as 7d; argparse's error otherwise."""
    if _LIFETIME.fullmatch(text):
        return datetime.now(UTC) - lifetime(text)
    try:
        return from_ns(deadline_ns(text))
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a time such as 2026-11-26T12:00:00Z nor how long ago, such as 7d"
        ) from None


def whole(text: str) -> int:
    """0 to 999999999; argparse's error otherwise."""
    if _WHOLE.fullmatch(text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 999999999")
    return int(text)


def client_of(args: argparse.Namespace) -> Client:
    """The client these options ask for."""
    token = None
    if args.token_file is not None:
        try:
            token = Path(args.token_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Failure(
                exits.USAGE, f"the token file {args.token_file} cannot be read: {_why(error)}"
            ) from None
        if not token or not token.isascii() or not token.isprintable():
            raise Failure(
                exits.USAGE, f"the token file {args.token_file} does not hold one token on one line"
            )
    if not args.target.strip():
        raise Failure(exits.USAGE, "name the edge with --target, such as 127.0.0.1:50051")
    return connect(args.target, token=token, deadline=args.deadline, tls=args.tls or None)


def account_of(args: argparse.Namespace) -> Account:
    """The account of --key."""
    if args.key is None:
        raise Failure(
            exits.USAGE, "name your key file with --key or INTENTS_KEY_FILE; make one with `intents keygen`"
        )
    try:
        return Account.from_file(Path(args.key))
    except KeyFileError as error:
        raise Failure(exits.USAGE, str(error)) from None


def body_of(args: argparse.Namespace) -> dict[str, Any]:
    """The intent these options name, as JSON reads it; fields given as options come over the file's."""
    body: dict[str, Any] = {}
    if args.file is not None:
        try:
            raw = (
                sys.stdin.buffer.read(MAX_BODY_BYTES + 1)
                if args.file == "-"
                else Path(args.file).read_bytes()
            )
            found = strictjson.loads(raw, max_bytes=MAX_BODY_BYTES)
        except OSError as error:
            raise Failure(exits.USAGE, f"{args.file} cannot be read: {_why(error)}") from None
        except strictjson.StrictJsonError as error:
            raise Failure(
                exits.USAGE, f"{args.file} is not JSON that can be sent: {error}", reason="MALFORMED_REQUEST"
            ) from None
        if not isinstance(found, dict):
            raise Failure(exits.USAGE, f"{args.file} must hold one JSON object", reason="MALFORMED_REQUEST")
        body = found
    given = {name: getattr(args, name) for name in PLAIN_FIELDS if name != "deadline"}
    given["deadline"] = args.intent_deadline
    if given["max_slippage"] is not None:
        given["max_slippage"] = _number(given["max_slippage"])
    changed = {name: value for name, value in given.items() if value is not None}
    if changed and body.get("signed_data") is not None:
        raise Failure(exits.USAGE, f"{args.file} is signed: its fields cannot be changed any more")
    body |= changed
    if not body:
        raise Failure(exits.USAGE, "name a file with the intent, or its fields with --id, --action and so on")
    return check(body)


def check(body: dict[str, Any]) -> dict[str, Any]:
    """`body` if it has the form of a submission. Raises Failure naming each field that has not."""
    try:
        submission_from_json(body)
    except IntentError as error:
        details = [
            {"field": one.field, "reason": str(one.reason), "message": one.message}
            for one in error.violations
        ]
        raise Failure(
            exits.USAGE, "the intent cannot be sent as it is", reason=str(error.reason), details=details
        ) from None
    return body


def signed(args: argparse.Namespace, body: Mapping[str, Any], info: SigningInfo) -> dict[str, Any]:
    """`body` with this key's signature; `request_id` stays outside of it."""
    fields = {
        name: _plain(value) for name, value in body.items() if name not in ("request_id", "signed_data")
    }
    if args.file is None:
        # spelled out by hand, once: a file's id is its author's business, as its repeat must be the same intent
        fields.setdefault("id", f"intent-{secrets.token_hex(8)}")
    made = sign_body(fields, info, account_of(args), lifetime=args.lifetime, standard=args.standard)
    if body.get("request_id") is not None:
        made["request_id"] = body["request_id"]
    return made


def _number(text: str) -> object:
    return int(text) if _WHOLE.fullmatch(text) else Number(text)


def _plain(value: object) -> object:
    return float(value) if isinstance(value, Number) else value


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or "it is not text"
