"""`intents admin`: work on the store's database, done by the store's own program."""

import argparse
import os
import sys

from services.cli import options


def add(commands: options.Commands) -> None:
    """Everything after `admin` is the store's to understand."""
    admin = commands.add_parser(
        "admin",
        help="work on the store's database (DATABASE_URL): migrate, verify, backup and more",
        add_help=False,
        prefix_chars="\0",  # of no argument: else argparse looks at a first one with a dash, `--help`, itself
    )
    admin.add_argument("arguments", nargs=argparse.REMAINDER)
    admin.set_defaults(run=run_admin, json=False)


async def run_admin(args: argparse.Namespace) -> int:
    """Becomes `python -m services.store`."""
    os.environ["INTENTS_PROG"] = "intents admin"
    arguments = args.arguments or ["--help"]
    os.execv(sys.executable, [sys.executable, "-m", "services.store", "admin", *arguments])  # noqa: S606
