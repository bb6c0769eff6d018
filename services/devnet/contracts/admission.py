"""What a signed message must meet to be acted on, in the order of near/intents; and the view that only tries it."""

import base64
from datetime import UTC, datetime
from typing import Any, Final

from services.devnet.contracts import plain, signed
from services.devnet.contracts.ledger import key_belongs, nonce_is_used, salt_is_valid
from services.devnet.contracts.native import Args, Method, load
from services.devnet.contracts.port import Host, Panic
from services.devnet.contracts.signed import Signed

SIMULATED: Final = 64
"""Messages of one simulation."""


def admit(host: Host, message: Signed, intent: plain.Plain) -> int:
    """All but the nonce -> the deadline, Unix ns. Raises Panic with the first fault."""
    if message.recipient != host.account_id:
        raise Panic("the message names another contract")
    if message.network != load(host, "config")["network"]:
        raise Panic("the message is for another network")
    deadline = plain.instant(message.deadline, "message deadline")
    if deadline <= host.timestamp:
        raise Panic("deadline has expired")
    if message.inner_deadline is not None and message.inner_deadline != deadline:
        raise Panic("deadline: the intent's and the message's differ")
    said = message.intent
    if isinstance(said, Panic) or not intent.same_as(said) or intent.deadline != said.deadline:
        raise Panic("the intent is not the one that was signed")
    if message.signer_id != intent.user_account:
        raise Panic("signer_id is not user_account")
    if not key_belongs(host, intent.user_account, message.key):
        raise Panic("public key doesn't exist for user_account")
    return deadline


def check_nonce(host: Host, message: Signed, deadline: int) -> None:
    """A versioned nonce keeps its own terms; each is used once. Raises Panic."""
    nonce = signed.versioned(message.nonce)
    if nonce is not None:
        if not salt_is_valid(host, nonce.salt.hex()):
            raise Panic("invalid salt")
        if deadline > nonce.deadline:
            raise Panic("deadline is later than the nonce's")
        if nonce.deadline <= host.timestamp:
            raise Panic("nonce has expired")
    if nonce_is_used(host, message.signer_id, message.nonce):
        raise Panic("nonce was already used")


def simulate_intents(host: Host, args: Args) -> dict[str, Any]:
    """`{signed: [MultiPayload, …]}` -> what verifying them now, one after the other, would do; nothing is kept.

    `{intents_executed: [{intent_hash, account_id, nonce}], logs: [], min_deadline, state: {fee, current_salt}}`.
    Panics with the first fault, as verifying would.
    """
    given = args.get("signed")
    if not isinstance(given, list) or len(given) > SIMULATED:
        raise Panic(f"signed: a list of at most {SIMULATED} messages is needed")
    used: set[tuple[str, bytes]] = set()
    executed, earliest = [], None
    for body in given:
        message = signed.read(body)
        if isinstance(message.intent, Panic):
            raise message.intent
        deadline = admit(host, message, message.intent)
        check_nonce(host, message, deadline)
        if (message.signer_id, message.nonce) in used:
            raise Panic("nonce was already used")
        used.add((message.signer_id, message.nonce))
        earliest = deadline if earliest is None else min(earliest, deadline)
        executed.append({
            "intent_hash": message.intent_hash,
            "account_id": message.signer_id,
            "nonce": base64.b64encode(message.nonce).decode(),
        })  # fmt: skip
    return {
        "intents_executed": executed,
        "logs": [],
        "min_deadline": None if earliest is None else _rfc3339(earliest),
        "state": {"fee": 0, "current_salt": load(host, "salt")},
    }


def _rfc3339(ns: int) -> str:
    moment = datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{ns % 10**9:09d}Z"


ADMISSION: Final = {"simulate_intents": Method(simulate_intents, view=True)}
