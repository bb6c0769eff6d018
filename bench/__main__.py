"""python -m bench NAME [--quick] [--json FILE]. Exit codes: 0 every goal met, 1 one missed or no valid run, 2 usage."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.edge.run import run as edge
from bench.frame import BenchError, Report

BENCHES: Final[dict[str, Callable[..., Report]]] = {"edge": edge}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Paired measurements of the suite.")
    parser.add_argument("name", choices=sorted(BENCHES), help="which one")
    parser.add_argument("--quick", action="store_true", help="few rounds: for a look, not for the record")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there as well")
    parser.add_argument(
        "--profile", type=Path, metavar="DIR", help="run the service processes under cProfile, stats in DIR"
    )
    options = parser.parse_args(argv)
    try:
        report = BENCHES[options.name](quick=options.quick, profile=options.profile)
    except BenchError as error:
        print(f"bench {options.name}: {error}", file=sys.stderr)
        return 1
    print(report.table())
    if options.json is not None:
        options.json.write_text(report.to_json(), encoding="utf-8")
    return 0 if report.met else 1


if __name__ == "__main__":
    sys.exit(main())
