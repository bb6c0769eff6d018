"""`python -m services.cache`."""

from services.cache.app import build
from services.cache.config import CacheSettings
from services.common.rpc.runtime import main

if __name__ == "__main__":
    main("cache", CacheSettings, build)
