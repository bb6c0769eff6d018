"""The handle of the submitters' process."""

import json
import subprocess
import sys
from typing import Any

from bench.frame import BenchError
from bench.processes import STOP_TIMEOUT


class DriverProcess:
    """The submitters' process. Every call raises BenchError where it answers a failure."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.edge.driver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, command: str, **given: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({command: given}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise BenchError("the submitters' process ended")
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise BenchError(f"a submission failed: {answer['failed']}")
        return answer

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
