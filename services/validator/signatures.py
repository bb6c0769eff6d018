"""Checking many signatures without holding up the event loop."""

import asyncio
import os
import threading
from collections.abc import Sequence
from typing import Final

from services.validator.model import Case

INLINE: Final = 4
"""Up to so many are checked at once where they are (about 0.1 ms each); a thread's hand-over costs as much."""


def check(cases: Sequence[Case], stop: threading.Event | None = None) -> None:
    """Sets `proven` of each whose signature holds, and `key` where the signature yields it; ends early at `stop`."""
    for case in cases:
        if stop is not None and stop.is_set():
            return
        standard, signature = case.standard, case.signature
        if standard is None or signature is None:
            continue
        key = standard.prove(case.signed_bytes, case.key, signature)
        if key is not None:
            case.key, case.proven = key, True


async def check_all(cases: Sequence[Case]) -> None:
    """As `check`, spread over the machine's cores: the C code lets go of the interpreter.

    Cancelled, it ends with the signatures that are being checked: nobody waits for the others.
    """
    if len(cases) <= INLINE:
        check(cases)
        return
    size = -(-len(cases) // min(os.cpu_count() or 1, len(cases) // INLINE))
    parts = [cases[start : start + size] for start in range(0, len(cases), size)]
    stop = threading.Event()
    try:
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(None, check, part, stop) for part in parts))
    finally:
        stop.set()
