"""The first thing a new user sees: an intent signed with a fresh key, on its way to its end."""

import secrets
import time
from collections.abc import Callable
from contextlib import aclosing
from datetime import timedelta

from intents.v1 import types_pb2 as types
from intents_client import TERMINAL, Account, Keypair, SigningInfo, connect, event_of, sign_plain
from intents_client.shown import status_word

WAIT = 60.0
"""Seconds the example may take before something is wrong."""

FEE_UNITS = 10**24


async def run(target: str, say: Callable[[str], None], *, token: str | None = None) -> bool:
    """Signs "100 USDC for at least 95 NEAR", submits it at `target`, tells each step; True if it completed.

    Raises IntentsError when the suite refuses, TimeoutError after WAIT seconds.
    """
    keypair = Keypair.generate()
    account = Account(account_id=keypair.implicit_account, keypair=keypair)
    intent_id = f"example-{secrets.token_hex(4)}"
    fields = {
        "id": intent_id,
        "user_account": account.account_id,
        "action": "swap",
        "input_token": "USDC",
        "input_amount": str(100 * 10**6),
        "output_token": "NEAR",
        "min_output_amount": str(95 * 10**24),
        "max_slippage": 0.5,
    }
    async with connect(target, token=token) as client:
        info = SigningInfo.of(await client.info())
        submission = sign_plain(fields, info, account, lifetime=timedelta(minutes=10))
        say(f"{intent_id}: swap 100 USDC for at least 95 NEAR, signed by a fresh key for {info.network}")
        started = time.monotonic()
        await client.submit(submission)
        seen: types.IntentEvent | None = None
        async with aclosing(client.watch([intent_id], patience=WAIT)) as messages:
            async for message in messages:
                if message.WhichOneof("message") == "snapshot":
                    for version in range(message.snapshot.from_version, message.snapshot.latest.version):
                        say(f"  {'':>6}    version {version}")
                event = event_of(message)
                if event is None:
                    if time.monotonic() - started > WAIT:
                        raise TimeoutError(f"{intent_id} did not reach its end in {WAIT:.0f} s")
                    continue
                seen = event
                say(f"  {time.monotonic() - started:6.2f} s  {status_word(event.status)}")
                if event.status in TERMINAL:
                    break
    return seen is not None and _ending(seen, say)


def _ending(event: types.IntentEvent, say: Callable[[str], None]) -> bool:
    if event.status != types.INTENT_STATUS_COMPLETED:
        say(f"  {event.error_details.reason}: {event.error_details.message}")
        return False
    details = event.execution_details
    say(
        f"  by {details.solver_id} in {len(details.transactions)} transactions, "
        f"{int(details.gas_used) / 10**12:.1f} TGas, {int(details.total_cost) / FEE_UNITS:.5f} NEAR"
    )
    return True
