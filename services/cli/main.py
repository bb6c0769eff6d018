"""`intents`: the suite from a terminal."""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, NoReturn

from intents_client import IntentsError
from services.cli import exits, output
from services.cli.cluster import command as cluster
from services.cli.commands import admin, keys, look, past, submit
from services.cli.exits import Failure


class _Parser(argparse.ArgumentParser):
    """A wrong argument is one sentence, and code 2."""

    def error(self, message: str) -> NoReturn:
        print(f"intents: {message}; see `{self.prog} --help`", file=sys.stderr)
        raise SystemExit(exits.USAGE)


def parser() -> argparse.ArgumentParser:
    """Every command and option."""
    codes = "\n".join(f"  {code:<4} {meaning}" for code, meaning in exits.MEANING.items())
    root = _Parser(
        prog="intents",
        description="Sign, submit and follow intents.",
        epilog=f"exit codes:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = root.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    keys.add(commands)
    submit.add(commands)
    look.add(commands)
    past.add(commands)
    cluster.add(commands)
    admin.add(commands)
    return root


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code. Never a traceback for what a user or a server did."""
    given = sys.argv[1:] if argv is None else list(argv)
    if any("\ud800" <= character <= "\udfff" for text in given for character in text):
        print("intents: an argument holds bytes that are not UTF-8 text; type it anew", file=sys.stderr)
        return exits.USAGE
    args = parser().parse_args(given)
    try:
        code: int = asyncio.run(_interruptible(args.run(args)))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:
        # whoever read the output has seen enough
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.OK
    except Failure as failure:
        output.complain(failure, target="", as_json=args.json)
        return failure.code
    except IntentsError as error:
        output.complain(error, target=args.target, as_json=args.json)
        return exits.code_of(error)
    return code


async def _interruptible(command: Coroutine[Any, Any, int]) -> int:
    """Ctrl-C ends it wherever the signal arrives: the kernel may give it to a thread of gRPC's, and then only a handler
    of the loop's wakes this one."""
    task, interrupted = asyncio.current_task(), False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        if task is not None:
            task.cancel()

    if threading.current_thread() is threading.main_thread():
        with contextlib.suppress(NotImplementedError):  # no such handlers on Windows
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupt)
    try:
        return await command
    except asyncio.CancelledError:
        if interrupted:
            raise KeyboardInterrupt from None
        raise


if __name__ == "__main__":
    sys.exit(main())
