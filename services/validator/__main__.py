"""`python -m services.validator`."""

from services.common.rpc.runtime import main
from services.validator.app import build
from services.validator.config import ValidatorSettings

if __name__ == "__main__":
    main("validator", ValidatorSettings, build)
