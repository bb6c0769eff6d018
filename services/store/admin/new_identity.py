"""`new-identity`: after a database was put back by its own tools."""

import argparse
from typing import TYPE_CHECKING

from services.store.app import open_storage
from services.store.config import StoreSettings

if TYPE_CHECKING:
    from services.store.admin.main import Verbs


def add(verbs: "Verbs") -> None:
    """No options."""
    help_ = "give a store that was restored by its database's own tools a new identity, before any store serves it"
    verbs.add_parser(
        "new-identity",
        help=help_,
        description=f"{help_[0].upper()}{help_[1:]}. Cursors of before are refused from then on, so that watchers "
        "start over from the latest states: the restored log gives sequences out again. `restore` does it by itself.",
    ).set_defaults(run=run)


async def run(args: argparse.Namespace, settings: StoreSettings) -> int:
    """Says both."""
    async with open_storage(settings, there=True) as storage:
        before = storage.meta.store_id
        await storage.renew_identity()
        print(f"store {before} is store {storage.meta.store_id} from now on")
    return 0
