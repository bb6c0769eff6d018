"""kill -9 of the database server under a store that stays up; then whether everything acknowledged is there."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from tests.soak.store import soak
from tests.soak.store.soak import shown

__all__ = ["add_options", "run", "shown"]


def add_options(parser: ArgumentParser) -> None:
    soak.add_options(parser)


async def run(folder: Path, **options: Any) -> dict[str, Any]:
    return await soak.run(folder, name="store-server", victim="server", database="mongo-java", **options)
