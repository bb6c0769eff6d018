"""`python -m services.notifier`."""

from services.common.rpc.runtime import main
from services.notifier.app import build
from services.notifier.config import NotifierSettings

if __name__ == "__main__":
    main("notifier", NotifierSettings, build)
