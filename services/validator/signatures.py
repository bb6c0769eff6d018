"""Checking many ed25519 signatures without holding up the event loop."""

import asyncio
import os
from collections.abc import Sequence
from typing import Final

from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from services.validator.model import Case

INLINE: Final = 4
"""Up to so many are checked at once where they are (about 0.1 ms each); a thread's hand-over costs as much."""


def check(cases: Sequence[Case]) -> None:
    """Sets `proven` of each. libsodium refuses non-canonical signatures and keys of small order itself."""
    for case in cases:
        try:
            crypto_sign_open(case.signature + case.signed_bytes, case.key)
        except BadSignatureError:
            continue
        case.proven = True


async def check_all(cases: Sequence[Case]) -> None:
    """As `check`, spread over the machine's cores: the C code lets go of the interpreter."""
    if len(cases) <= INLINE:
        check(cases)
        return
    size = -(-len(cases) // min(os.cpu_count() or 1, len(cases) // INLINE))
    parts = [cases[start : start + size] for start in range(0, len(cases), size)]
    await asyncio.gather(*(asyncio.to_thread(check, part) for part in parts))
