"""Trying signed messages: the Verifier's own way with them, on a host whose writes are thrown away."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from services.devnet.contracts.native import Args, load
from services.devnet.contracts.port import Host, Panic
from services.devnet.contracts.signed import Signed

MOST: Final = 64
"""Messages of one simulation."""

Act = Callable[[Host, object], tuple[Signed, int, bool]]
"""(host, MultiPayload) -> the message, its deadline in Unix ns, whether anything was done. Raises Panic."""


class Trial:
    """Satisfies `port.Host` over a view's host: what is written is read again here, and nowhere else."""

    is_view = False

    def __init__(self, host: Host) -> None:
        self.account_id = host.account_id
        self.predecessor_id = host.predecessor_id
        self.signer_id = host.signer_id
        self.deposit = 0
        self.block_height = host.block_height
        self.timestamp = host.timestamp
        self.logs: list[str] = []
        self._host = host
        self._written: dict[str, bytes | None] = {}

    def read(self, key: str) -> bytes | None:
        return self._written[key] if key in self._written else self._host.read(key)

    def write(self, key: str, value: bytes) -> None:
        self._written[key] = value

    def remove(self, key: str) -> None:
        self._written[key] = None

    def log(self, line: str) -> None:
        self.logs.append(line)

    def burn(self, gas: int) -> None:
        self._host.burn(gas)

    def deploy(self, code: str, method: str, args: bytes, gas: int) -> int:
        raise Panic("a trial deploys nothing")

    def promise_results(self) -> list[bytes | None]:
        return []

    def promise(self, account_id: str, method: str, args: bytes, gas: int, after: int | None = None) -> int:
        raise Panic("a trial calls nobody")


def simulate(host: Host, args: Args, act: Act) -> dict[str, Any]:
    """`{signed: [MultiPayload, …]}` -> what acting on them now, one after the other, would do; nothing is kept.

    `{intents_executed: [{intent_hash, account_id, nonce}], logs, min_deadline, state: {fee, current_salt}}`, of what
    was done already only the deadline. Panics with the first fault, as acting would.
    """
    given = args.get("signed")
    if not isinstance(given, list) or len(given) > MOST:
        raise Panic(f"signed: a list of at most {MOST} messages is needed")
    trial, executed, deadlines = Trial(host), [], list[int]()
    for body in given:
        message, deadline, done = act(trial, body)
        deadlines.append(deadline)
        if done:
            executed.append({
                "intent_hash": message.intent_hash,
                "account_id": message.signer_id,
                "nonce": base64.b64encode(message.nonce).decode(),
            })  # fmt: skip
    return {
        "intents_executed": executed,
        "logs": trial.logs,
        "min_deadline": _rfc3339(min(deadlines)) if deadlines else None,
        "state": {"fee": 0, "current_salt": load(host, "salt")},
    }


def _rfc3339(ns: int) -> str:
    moment = datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{ns % 10**9:09d}Z"
