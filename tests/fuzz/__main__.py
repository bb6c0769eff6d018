"""`python -m tests.fuzz --count 1000000 --seed 1 --json FILE`: exit 1 if one got no typed answer or cost too much."""

import argparse
import json
import multiprocessing
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

from tests.fuzz.run import part

GROWTH_MIB: Final = 20.0
"""Of a process, from a fifth of the run to its end."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="inputs (100000)")
    parser.add_argument("--seed", type=int, default=1, help="the first process's; each has the next (1)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="each does its share")
    parser.add_argument("--json", type=Path, metavar="FILE", help="what came of it, for programs")
    args = parser.parse_args()
    parts = [(args.count // args.processes, args.seed + number) for number in range(args.processes)]
    with ProcessPoolExecutor(args.processes, multiprocessing.get_context("spawn")) as pool:
        reports = list(pool.map(part, parts))
    answers = sum((one.answers for one in reports), Counter[str]())
    found = [what for one in reports for what in one.found]
    for (_, seed), one in zip(parts, reports, strict=True):
        if one.resident_mib and one.resident_mib[-1] - one.resident_mib[0] > GROWTH_MIB:
            found.append(f"seed {seed}: resident memory grew: {one.resident_mib} MiB")
    if args.json is not None:
        args.json.write_text(json.dumps([vars(one) for one in reports], indent=2))
    for what in found[:20]:
        print(what[:1_000])
    print(f"{answers.total():,} answers, seeds {[seed for _, seed in parts]}: {len(found):,} found")
    print(f"longest {max(one.longest_ms for one in reports)} ms of CPU")
    print(
        "resident MiB at each fifth: "
        + "; ".join(str([round(m) for m in one.resident_mib]) for one in reports)
    )
    print(", ".join(f"{name} {number:,}" for name, number in answers.most_common()))
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
