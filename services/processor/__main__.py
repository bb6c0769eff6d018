"""`python -m services.processor`."""

from services.common.rpc.runtime import main
from services.processor.app import build
from services.processor.config import ProcessorSettings

if __name__ == "__main__":
    main("processor", ProcessorSettings, build)
