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
from typing import Any, Final

from tests.soak import cache_redis, nemesis
from tests.soak.store import kill, server

SOAKS: Final[dict[str, Any]] = {
    "nemesis": nemesis,
    "store-kill": kill,
    "store-server": server,
    "cache-redis": cache_redis,
}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Long runs under faults.")
    named = parser.add_subparsers(dest="name", metavar="NAME", help="which; none lists them")
    for name, soak in SOAKS.items():
        own = named.add_parser(name, description=soak.__doc__)
        own.add_argument("--seconds", type=_seconds, default=300, help="how long faults go on (default 300)")
        own.add_argument("--seed", type=int, default=1, help="of the plan of faults (default 1)")
        own.add_argument("--json", type=Path, metavar="FILE", help="the whole account goes there too")
        own.add_argument("--keep", type=Path, metavar="DIR", help="data and logs are kept there")
        if hasattr(soak, "add_options"):
            soak.add_options(own)
    options = vars(parser.parse_args(arguments))
    name, file, keep = options.pop("name"), options.pop("json", None), options.pop("keep", None)
    if name is None:
        for each, soak in SOAKS.items():
            print(f"{each:13} {(soak.__doc__ or '').splitlines()[0]}")
        return 0
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        told = asyncio.run(SOAKS[name].run(keep or Path(folder), **options))
    if file is not None:
        file.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    print(SOAKS[name].shown(told))
    return 0 if told["met"] else 1


def _seconds(text: str) -> float:
    value = float(text)
    if not 1 <= value <= 86_400:
        raise argparse.ArgumentTypeError("from 1 to 86400")
    return value


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
