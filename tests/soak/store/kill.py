"""kill -9 of the store under writers and watchers; then whether everything it acknowledged is there."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from tests.soak.store import place, soak
from tests.soak.store.soak import shown

__all__ = ["add_options", "run", "shown"]


def add_options(parser: ArgumentParser) -> None:
    soak.add_options(parser)
    parser.add_argument(
        "--database",
        choices=list(place.DATABASES),
        default="sqlite",
        help=f"what the store stands on: {', '.join(f'{one} ({what})' for one, what in place.DATABASES.items())}",
    )


async def run(folder: Path, **options: Any) -> dict[str, Any]:
    return await soak.run(folder, name="store-kill", victim="store", **options)
