"""`python -m tests.agreement --count 1000 --seed 1 --json FILE`: exit 1 if validator and chain disagree."""

import argparse
import asyncio
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.agreement.run import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.agreement", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000, help="submissions (1000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same submissions (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="what came of it, for programs")
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        report = asyncio.run(
            run(Path(folder), args.count, args.seed, lambda said: print(said, file=sys.stderr, flush=True))
        )
    if args.json is not None:
        args.json.write_text(json.dumps(vars(report), indent=2))
    for one in report.differences[:20]:
        print(one)
    print(f"{args.count:,} submissions of seed {args.seed}: {len(report.differences):,} differences")
    print(f"completed {report.completed:,}; failed as nobody could know: {dict(report.failed)}")
    print(f"refused by the protocol's rules, and by the chain: {dict(report.refused)}")
    print(f"unreadable, and refused by the chain: {report.unreadable:,}; id or nonce held: {report.held:,}")
    print(f"refused by our policy alone: {dict(report.policy)}")
    return 1 if report.differences else 0


if __name__ == "__main__":
    raise SystemExit(main())
