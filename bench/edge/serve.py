"""python -m bench.edge.serve naive|cache|notifier|bare: the processes that the product itself has no command for."""

import sys

from services.common.config import ServiceSettings
from services.common.rpc.runtime import main

if __name__ == "__main__":
    name = sys.argv.pop(1)
    if name == "naive":
        from bench.edge.naive import build
        from services.edge.config import Settings

        main("bench.naive", Settings, build)
    elif name == "cache":
        from bench.edge.standin import build_cache
        from services.cache.config import CacheSettings

        main("bench.cache", CacheSettings, build_cache)
    elif name == "notifier":
        from bench.edge.standin import build_notifier

        main("bench.notifier", ServiceSettings, build_notifier)
    else:
        from bench.edge.standin import build_bare

        main("bench.bare", ServiceSettings, build_bare)
