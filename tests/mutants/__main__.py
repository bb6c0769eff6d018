"""usage: python -m tests.mutants [NAME ...]   (all without names; exit code 1 if one survives)"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.mutants.mutant import Mutant
from tests.mutants.table import MUTANTS

LIMIT = 180.0
"""Seconds the tests may take; a hang counts as noticed only if the test itself times out."""


def run(tests: Sequence[str], *, out: str = "", workers: int = 0) -> tuple[int, str]:
    """pytest's exit code and output, with the mutant named `out` or with every protection in place."""
    environment = {key: value for key, value in os.environ.items() if key != "MUTANT"}
    if out:
        environment["MUTANT"] = out
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
    try:
        done = subprocess.run(
            [*command, "-n", str(workers), *tests],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired:
        return -1, f"not done within {LIMIT:g} s"
    return done.returncode, done.stdout


def judge(mutant: Mutant) -> tuple[Mutant, str, float]:
    """What became of it: "" if caught, else why not."""
    started = time.monotonic()
    code, output = run(mutant.tests, out=mutant.name)
    why = ""
    if code == 0:
        why = "SURVIVED: its test passes without the protection"
    elif code != 1 or " failed" not in output.splitlines()[-1] or " error" in output.splitlines()[-1]:
        # a mutant that could not be made ends pytest with 1 as well
        why = f"pytest ended with {code}, not with a failed test:\n{output[-2000:]}"
    return mutant, why, time.monotonic() - started


def main(names: list[str]) -> int:
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    unknown = set(names) - {mutant.name for mutant in MUTANTS}
    if unknown or not chosen:
        print(f"no such mutant: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    tests = sorted({test for mutant in chosen for test in mutant.tests})
    code, output = run(tests, workers=2)
    if code != 0 or "skipped" in output.splitlines()[-1]:
        print(f"FAILED  with every protection in place the tests must pass, all of them:\n{output[-4000:]}")
        return 1
    print(f"{len(tests)} tests pass with every protection in place", flush=True)
    bad = 0
    with ThreadPoolExecutor(2) as pool:
        for mutant, why, seconds in pool.map(judge, chosen):
            bad += bool(why)
            word = "FAILED " if why else "CAUGHT "
            print(f"{word} {mutant.promise:4} {mutant.name:36} {seconds:5.1f} s  {why}", flush=True)
    print(f"{len(chosen) - bad} caught, {bad} not")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
