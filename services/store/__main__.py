"""`python -m services.store` serves; with a verb, such as `migrate`, it works on the database and ends."""

import sys

from services.common.rpc.runtime import main
from services.store.admin import main as admin
from services.store.app import build
from services.store.config import StoreSettings

if __name__ == "__main__":
    if sys.argv[1:2] == ["admin"]:
        raise SystemExit(admin.main(sys.argv[2:]))
    if sys.argv[1:2] and not sys.argv[1].startswith("-"):
        raise SystemExit(admin.main(sys.argv[1:]))
    main("store", StoreSettings, build)
