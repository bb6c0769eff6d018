"""`intents admin`: what operators ask a processor, and work on the store's database, done by its own program."""

import argparse
import os
import sys

from services.cli import options
from services.cli.commands import operate


def add(commands: options.Commands) -> None:
    """Everything after `admin` is the store's to understand, but for the processor's verbs."""
    admin = commands.add_parser(
        "admin",
        help="stuck intents (stuck, retry, resolve, fail), and the store's database: migrate, verify, backup and more",
        add_help=False,
        prefix_chars="\0",  # of no argument: else argparse looks at a first one with a dash, `--help`, itself
    )
    admin.add_argument("arguments", nargs=argparse.REMAINDER)
    admin.set_defaults(run=run_admin, json=False)


async def run_admin(args: argparse.Namespace) -> int:
    """Asks a processor, or becomes `python -m services.store`."""
    arguments = args.arguments or ["--help"]
    if operate.ours(arguments):
        args.json = "--json" in arguments
        return await operate.run(arguments)
    os.environ["INTENTS_PROG"] = "intents admin"
    os.environ["INTENTS_ADMIN_MORE"] = (
        "of a processor, which is asked over gRPC: stuck, retry, resolve ID --reason, fail; each has its own --help"
    )
    os.execv(sys.executable, [sys.executable, "-m", "services.store", "admin", *arguments])  # noqa: S606
