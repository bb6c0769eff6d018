"""Stored intents as a long-used store holds them, and the submissions and moves they stem from."""

import hashlib
import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from services.common.domain.intent import (
    Nep413Payload,
    NewIntent,
    PlainIntent,
    SignedData,
    SignedTransaction,
    Submission,
)
from services.common.domain.lifecycle import TERMINAL, Status
from services.common.domain.outcomes import Transition
from services.store.document import execution_from, move_entry, new_document, transaction_to
from services.store.ports import Document

OWNER: Final = "bench"
MAKER: Final = "maker.near"
"""One user has a tenth of all intents."""
APPS: Final = ("app-1", "app-2", "app-3")
"""Principals; each holds a third."""
PER_USER: Final = 30
WAYS: Final = (
    (Status.VERIFIED, Status.EXECUTING, Status.COMPLETED),
    (Status.VERIFIED, Status.EXECUTING, Status.FAILED),
    (Status.VERIFIED, Status.EXECUTING),
    (Status.VERIFIED,),
    (),
)
SHARES: Final = (0.90, 0.06, 0.02, 0.01, 0.01)
"""How many intents went each of the ways."""
OF_AGE: Final = timedelta(days=90)


def user(number: int) -> str:
    """An ordinary user's account."""
    return f"user-{number}.near"


def users(count: int) -> int:
    """Ordinary users of a store of `count`."""
    return max(1, count // PER_USER)


def new_intent(
    intent_id: str, *, now: datetime, account: str = MAKER, principal: str = APPS[0], action: str = "swap"
) -> NewIntent:
    """A signed submission, as the edge hands it over; nobody checks its signature again."""
    plain = PlainIntent(
        id=intent_id,
        user_account=account,
        action=action,
        input_token="USDC",
        input_amount="100000000",
        output_token="NEAR",
        min_output_amount="95000000000000000000000000",
        max_slippage_bps=50,
    )
    message = {
        "signer_id": account,
        "deadline": "2030-01-01T00:00:00Z",
        "intents": [{"intent": "swap", "id": intent_id}],
    }
    payload = Nep413Payload(
        message=json.dumps(message),
        nonce=hashlib.sha256(intent_id.encode()).digest(),
        recipient="verifier.near",
    )
    signed = SignedData(
        standard="nep413",
        payload=payload,
        public_key="ed25519:8hSHprDq2StXwMtNd43wDTXQYsjXcD4MJxUTvwtnmM4T",
        signature="ed25519:" + "3" * 88,
    )
    return NewIntent(
        principal=principal,
        submission=Submission(intent=plain, signed_data=signed, request_id=intent_id),
        expires_at=now + timedelta(hours=1),
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )


def document(new: NewIntent, now: datetime) -> Document:
    """As created, but its creation told already: nothing waits in the outbox."""
    plain = new.submission.intent
    assert plain is not None
    made = new_document(new, plain, content_hash="0" * 64, nonce_key=f"bench,{plain.id}", now=now)
    return made | {"outbox": []}


def stored(count: int, *, now: datetime, seed: int = 1) -> Iterator[Document]:
    """`count` intents, oldest first, in ids without order: most at their end, half of the others due."""
    chance = random.Random(seed)
    many = users(count)
    for number in range(count):
        born = now - OF_AGE * (1 - number / count)
        account = MAKER if number % 10 == 0 else user(chance.randrange(many))
        principal = APPS[number % len(APPS)]
        action = "transfer" if chance.random() < 0.2 else "swap"
        made = document(
            new_intent(intent_id(number), now=born, account=account, principal=principal, action=action), born
        )
        (way,) = chance.choices(WAYS, SHARES)
        yield _gone(made, way, due=now + timedelta(hours=1) * (1 if number % 2 else -1))


def intent_id(number: int) -> str:
    """Of the stored one with this number."""
    return hashlib.blake2b(number.to_bytes(8, "big"), digest_size=16).hexdigest()


def _gone(made: Document, way: tuple[Status, ...], *, due: datetime) -> Document:
    """The document after its moves, three seconds each, as services/store/moving.py would have written it."""
    at = made["createdAt"]
    for version, status in enumerate(way, start=2):
        at += timedelta(seconds=3)
        execution = None
        if status is not Status.VERIFIED:
            made["chainTransactions"] = [_transaction(made["_id"], ended=status is not Status.EXECUTING)]
            made["chainRevision"] += 1
            made["executionDetails"] = execution = execution_from(made["chainTransactions"])
        made["history"].append(
            move_entry(version=version, status=status, at=at, actor="processor", execution=execution)
        )
        made |= {"status": status.value, "versionStatus": status.value, "version": version, "updatedAt": at}
    if Status(made["status"]) in TERMINAL:
        return made | {"nextActionAt": None, "openUntil": None}
    return made | {"nextActionAt": due}


def _transaction(of: str, *, ended: bool) -> Document:
    return transaction_to(
        SignedTransaction(
            purpose="solve",
            hash=of[:22] + of[:22],
            signed_bytes=bytes.fromhex(of) * 20,
            signer_id="relayer.near",
            public_key="ed25519:8hSHprDq2StXwMtNd43wDTXQYsjXcD4MJxUTvwtnmM4T",
            nonce=123_456_789,
            block_hash=of + "0" * 12,
            block_height=123_456_789,
            chain="localnet",
            status="success" if ended else "signed",
            gas_used=7 * 10**12 if ended else 0,
            total_cost=7 * 10**20 if ended else 0,
            solver_id=f"solver-{int(of[0], 16)}.near",
        )
    )


def subjects(prefix: str, count: int, *, now: datetime) -> Iterator[Document]:
    """Pending intents under a lease of this bench's own, with fence 1, for moves."""
    until = now + timedelta(days=1)
    lease = {"owner": OWNER, "fence": 1, "expiresAt": until}
    for number in range(count):
        made = document(new_intent(f"{prefix}-{number}", now=now), now)
        yield made | {"lease": dict(lease), "nextActionAt": until}


def move(intent_id: str) -> Transition:
    """The one move of a subject."""
    return Transition(
        intent_id=intent_id,
        seen_version=1,
        seen_status=Status.PENDING,
        to=Status.VERIFIED,
        actor=OWNER,
        fence=1,
        reason="VERIFIED_ON_CHAIN",
    )


def moved(before: Document, now: datetime) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Filter, $set and $push that a bare update needs for the same move of `before`."""
    where = {
        "_id": before["_id"],
        "version": 1,
        "status": "pending",
        "versionStatus": "pending",
        "lease.fence": 1,
    }
    change = {"status": "verified", "versionStatus": "verified", "version": 2, "updatedAt": now}
    entry = move_entry(version=2, status=Status.VERIFIED, at=now, actor=OWNER, reason="VERIFIED_ON_CHAIN")
    return where, change, {"history": entry}
