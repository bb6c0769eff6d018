"""`python -m services.store`; `python -m services.store migrate` only prepares the database and ends."""

import asyncio
import sys

from services.common.config import load
from services.common.errors import IntentError
from services.common.rpc.runtime import main, one_line
from services.store.app import build, migrate
from services.store.config import StoreSettings
from services.store.ports import CannotOpen


def _migrate() -> int:
    settings = load(StoreSettings, prog="store migrate", argv=sys.argv[2:])
    try:
        print(asyncio.run(migrate(settings)))
    except (CannotOpen, IntentError) as error:
        print(f"store migrate: {one_line(error)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["migrate"]:
        raise SystemExit(_migrate())
    main("store", StoreSettings, build)
