"""python -m bench NAME [--quick] [--json FILE]. Exit codes: 0 every goal met, 1 one missed or no valid run, 2 usage."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.cache.run import run as cache
from bench.edge.run import run as edge
from bench.frame import BenchError, Options, Report
from bench.processor.run import run as processor
from bench.store.run import PARTS
from bench.store.run import run as store
from bench.validator.run import run as validator

BENCHES: Final[dict[str, Callable[[Options], Report]]] = {
    "cache": cache,
    "edge": edge,
    "processor": processor,
    "store": store,
    "validator": validator,
}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Paired measurements of the suite.")
    parser.add_argument("name", choices=sorted(BENCHES), help="which one")
    parser.add_argument("--quick", action="store_true", help="few rounds: for a look, not for the record")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there as well")
    parser.add_argument(
        "--profile", type=Path, metavar="DIR", help="run the service processes under cProfile, stats in DIR"
    )
    parser.add_argument(
        "--url",
        default=os.environ.get("MONGODB_URL", ""),
        metavar="mongodb://HOST",
        help="store: this MongoDB-protocol server too, in databases of its own (default: MONGODB_URL)",
    )
    parser.add_argument(
        "--only", action="append", default=[], choices=PARTS, help="store: this part, again for more"
    )
    given = parser.parse_args(argv)
    options = Options(quick=given.quick, profile=given.profile, url=given.url, only=given.only)
    # gRPC's own lines about the processes that a bench starts say nothing
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        report = BENCHES[given.name](options)
    except BenchError as error:
        print(f"bench {given.name}: {error}", file=sys.stderr)
        return 1
    print(report.table())
    if given.json is not None:
        given.json.write_text(report.to_json(), encoding="utf-8")
    return 0 if report.met else 1


if __name__ == "__main__":
    sys.exit(main())
