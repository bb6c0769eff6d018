"""`python -m services.devnet`: the node. `python -m services.devnet keys [FILE]`: the relayer's secret keys."""

import sys
from pathlib import Path
from typing import NoReturn

from orjson import OPT_INDENT_2, dumps

from services.common.config import load
from services.common.rpc.runtime import main as run
from services.devnet.app import build_app
from services.devnet.config import Settings
from services.devnet.genesis import credential, relayer_keys, write_secret

KEYS_HELP = """\
devnet keys [FILE]: write the relayer's access keys as a list of NEAR credentials to FILE (mode 0600),
or to standard output without FILE. SEED, RELAYER_ACCOUNT and RELAYER_KEYS are the node's own settings.
"""


def keys(argv: list[str]) -> int:
    """Exit code 0, 2 for wrong arguments or settings, 1 if the file cannot be written."""
    if any(argument in ("-h", "--help") for argument in argv):
        print(KEYS_HELP, end="")
        return 0
    if len(argv) > 1:
        print("devnet keys: at most one FILE is taken, see --help", file=sys.stderr)
        return 2
    settings = load(Settings, prog="devnet", argv=[])
    found = [credential(settings.relayer_account, pair) for pair in relayer_keys(settings)]
    text = dumps(found, option=OPT_INDENT_2).decode() + "\n"
    if not argv:
        sys.stdout.write(text)
        return 0
    try:
        write_secret(Path(argv[0]), text)
    except OSError as error:
        print(f"devnet keys: {argv[0]}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def main(argv: list[str]) -> NoReturn:
    if argv[:1] == ["keys"]:
        raise SystemExit(keys(argv[1:]))
    run("devnet", Settings, build_app, argv=argv)


if __name__ == "__main__":
    main(sys.argv[1:])
