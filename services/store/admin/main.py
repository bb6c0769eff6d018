"""Runs one verb on the database that the store's settings name."""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NoReturn, Protocol, TypeAlias

from services.common.config import load
from services.common.errors import IntentError
from services.common.rpc.runtime import one_line
from services.store.admin import (
    archive,
    backup,
    importing,
    migrate,
    new_identity,
    overdue,
    resolve,
    restore,
    verify,
)
from services.store.backup.copy import BackupRefused
from services.store.config import StoreSettings
from services.store.ports import CannotOpen

Verbs: TypeAlias = "argparse._SubParsersAction[Any]"
Run: TypeAlias = Callable[[argparse.Namespace, StoreSettings], Awaitable[int]]

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2


class Verb(Protocol):
    """A module of this package."""

    def add(self, verbs: Verbs) -> None:
        """Adds its parser, whose default `run` is a Run: it prints what it did and gives the exit code."""
        ...


VERBS: Final[Sequence[Verb]] = (
    migrate,
    importing,
    verify,
    overdue,
    resolve,
    backup,
    restore,
    new_identity,
    archive,
)


class _Parser(argparse.ArgumentParser):
    """A wrong argument is one sentence, and code 2."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}; see `{self.prog} --help`", file=sys.stderr)
        raise SystemExit(USAGE)


def parser(prog: str) -> argparse.ArgumentParser:
    """Every verb and its options. `intents admin` says what else it has."""
    more = f"{told}; " if (told := os.environ.get("INTENTS_ADMIN_MORE")) else ""
    root = _Parser(
        prog=prog,
        description="Work on the store's database, named by DATABASE_URL (all settings: python -m services.store "
        "--help).",
        epilog=f"{more}exit codes: 0 done, 1 could not be done or something was found, 2 wrong arguments or "
        "settings, or a database that cannot be used",
    )
    verbs = root.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=_Parser)
    for verb in VERBS:
        verb.add(verbs)
    return root


async def _run(run: Run, args: argparse.Namespace, settings: StoreSettings) -> int:
    return await run(args, settings)


def main(argv: Sequence[str], *, prog: str | None = None) -> int:
    """The exit code; what went wrong is one line on stderr."""
    prog = prog or os.environ.get("INTENTS_PROG", "store")
    args = parser(prog).parse_args(argv)
    settings = load(StoreSettings, prog=f"{prog} {args.verb}", argv=[])
    try:
        return asyncio.run(_run(args.run, args, settings))
    except KeyboardInterrupt:
        return 130
    except (BackupRefused, CannotOpen, IntentError, OSError) as error:
        print(f"{prog} {args.verb}: {one_line(error)}", file=sys.stderr)
        return USAGE if isinstance(error, CannotOpen) else FAILED
