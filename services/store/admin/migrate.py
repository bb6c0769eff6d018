"""`migrate`: makes the database what this version of the store expects."""

import argparse
from typing import TYPE_CHECKING

from services.store.app import migrate
from services.store.config import StoreSettings

if TYPE_CHECKING:
    from services.store.admin.main import Verbs


def add(verbs: "Verbs") -> None:
    """No options."""
    help_ = "make collections and indexes, as every start does; may be repeated, also while stores serve"
    verbs.add_parser("migrate", help=help_, description=help_).set_defaults(run=run)


async def run(args: argparse.Namespace, settings: StoreSettings) -> int:
    """Says what is there now."""
    print(await migrate(settings))
    return 0
