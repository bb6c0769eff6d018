"""Wall time of this process, ahead or behind by what a file says; imported by Python itself before anything else.

SKEW_FILE holds nanoseconds as a signed 64-bit number, written by whoever plays with the clock. Monotonic time goes on
as it does when an operator sets a machine's clock.
"""

import mmap
import os
import struct
import time


def _skew(path: str) -> None:
    with open(path, "rb") as file:
        shared = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    real, offset = time.time_ns, struct.Struct("<q")

    def time_ns() -> int:
        return real() + int(offset.unpack_from(shared)[0])

    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1e9


if "SKEW_FILE" in os.environ:
    _skew(os.environ["SKEW_FILE"])
