"""`python -m tests.differential --count 100000 --seed 1 --json FILE`: exit 1 if the judges differ about anything."""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

from tests.differential.compare import compare

EVERY = 5.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="messages (10000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same messages (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="what came of it, for programs")
    args = parser.parse_args()
    last = time.monotonic()

    def progress(done: int) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            print(f"{done:,} of {args.count:,}", file=sys.stderr, flush=True)

    report = asyncio.run(compare(args.count, args.seed, progress))
    if args.json is not None:
        args.json.write_text(json.dumps(vars(report), indent=2))
    for one in report.differences[:20]:
        print(one)
    print(f"{args.count:,} messages of seed {args.seed}: {len(report.differences):,} differences")
    print(
        f"taken by both {report.accepted:,}, refused by both {report.refused:,}, "
        f"by our policy alone {report.policy:,}, by the contract for an id that it keeps {report.ids:,}"
    )
    print(", ".join(f"{reason} {count:,}" for reason, count in report.reasons.most_common()))
    print(
        "taken: " + ", ".join(f"{standard} {count:,}" for standard, count in report.standards.most_common())
    )
    return 1 if report.differences else 0


if __name__ == "__main__":
    raise SystemExit(main())
