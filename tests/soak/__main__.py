"""usage: python -m tests.soak [NAME --seconds N --seed S --json FILE]   (without a name: the list)

Exit codes: 0 all held, 1 something did not, 2 wrong usage.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.soak import chaos

SOAKS: Final = {"chaos": chaos}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Long runs under faults.")
    parser.add_argument("name", nargs="?", choices=sorted(SOAKS), help="which; none lists them")
    parser.add_argument("--seconds", type=_seconds, default=300, help="how long faults go on (default 300)")
    parser.add_argument("--seed", type=int, default=1, help="of the plan of faults (default 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the whole account goes there too")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="data and logs are kept there")
    given = parser.parse_args(arguments)
    if given.name is None:
        for name, soak in SOAKS.items():
            print(f"{name:10} {(soak.__doc__ or '').splitlines()[0]}")
        return 0
    soak = SOAKS[given.name]
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        told = asyncio.run(soak.run(given.keep or Path(folder), seconds=given.seconds, seed=given.seed))
    if given.json is not None:
        given.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    print(soak.shown(told))
    return 0 if told["met"] else 1


def _seconds(text: str) -> float:
    value = float(text)
    if not 1 <= value <= 86_400:
        raise argparse.ArgumentTypeError("from 1 to 86400")
    return value


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
