"""`python -m services.edge`, and `python -m services.edge hash-token [PRINCIPAL]` for a line of the tokens file."""

import sys

from services.common.rpc.runtime import main
from services.edge.app import build
from services.edge.auth import token_line
from services.edge.config import Settings


def hash_token(arguments: list[str]) -> int:
    """Reads a token on stdin, prints its line; the token itself shows nowhere."""
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        print("usage: python -m services.edge hash-token [PRINCIPAL] < token", file=sys.stderr)
        return 2
    try:
        print(token_line(arguments[0] if arguments else "client", sys.stdin.readline().rstrip("\r\n")))
    except ValueError as error:
        print(f"edge: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["hash-token"]:
        raise SystemExit(hash_token(sys.argv[2:]))
    main("edge", Settings, build)
