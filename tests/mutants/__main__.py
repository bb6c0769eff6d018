"""usage: python -m tests.mutants [NAME ...]   (all without names; exit code 1 if one survives)"""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from tests.mutants.table import MUTANTS, Mutant

LIMIT = 180.0
"""Seconds a test may take with its protection out; a hang counts as noticed only if the test itself times out."""


def run(mutant: Mutant, *, out: bool) -> tuple[int, str]:
    """pytest's exit code and output for the mutant's test, with the protection out or in place."""
    environment = {key: value for key, value in os.environ.items() if key != "MUTANT"}
    if out:
        environment["MUTANT"] = mutant.name
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "tests.mutants.plugin",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, "-p", "no:xdist", *mutant.tests],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
    )
    return done.returncode, done.stdout


def judge(mutant: Mutant) -> tuple[Mutant, str, float]:
    """What became of it: "" if caught, else why not."""
    started = time.monotonic()
    code, output = run(mutant, out=False)
    if code != 0:
        return mutant, f"its test fails even with the protection in place:\n{output[-2000:]}", 0.0
    code, output = run(mutant, out=True)
    if code == 0:
        return mutant, "SURVIVED: its test passes without the protection", time.monotonic() - started
    if code != 1:
        return mutant, f"pytest ended with {code}, not with a failed test:\n{output[-2000:]}", 0.0
    return mutant, "", time.monotonic() - started


def main(names: list[str]) -> int:
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    unknown = set(names) - {mutant.name for mutant in MUTANTS}
    if unknown or not chosen:
        print(f"no such mutant: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    bad = 0
    with ThreadPoolExecutor(2) as pool:
        for mutant, why, seconds in pool.map(judge, chosen):
            bad += bool(why)
            print(
                f"{'CAUGHT ' if not why else 'FAILED '} {mutant.promise:4} {mutant.name:34} {seconds:5.1f} s  {why}",
                flush=True,
            )
    print(f"{len(chosen) - bad} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
