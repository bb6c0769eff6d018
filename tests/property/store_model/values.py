"""What calls are made of: strategies that collide often, and the model's values as the store takes them."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from services.common.domain.intent import NewIntent
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import (
    AlreadyThere,
    Applied,
    Conflict,
    ListQuery,
    Refused,
    Transition,
    WriteOutcome,
)
from tests.property.store_model.model import ALREADY, APPLIED, CONFLICT, Answer, Intent, Sent, Step
from tests.unit.store.support import new, nonce_of, transaction

REPLICAS = 2
IDS = [f"i-{number}" for number in range(5)]
PRINCIPALS = ["alice", "bob"]
USERS = ["ann.near", "ben.near"]
OWNERS = ["p-1", "p-2"]
FAR = datetime(9000, 1, 1, tzinfo=UTC)

replicas = st.integers(0, REPLICAS - 1)
ids = st.sampled_from(IDS)
owners = st.sampled_from(OWNERS)
submissions = st.builds(
    Sent,
    id=ids,
    principal=st.sampled_from(PRINCIPALS),
    user=st.sampled_from(USERS),
    amount=st.sampled_from(["1", "1", "1", "2"]),
    request=st.sampled_from(["", "r-1", "r-2", "r-3"]),
    nonce=st.sampled_from(["", "n-1", "n-2", "n-3", "n-4", "n-5"]),
)
signed = st.tuples(st.sampled_from(["t-1", "t-2", "t-3"]), st.sampled_from(["signed", "success"]))
some = signed.map(lambda one: (one,)) | st.tuples(signed, st.just(("t-4", "signed")))
leases = st.sampled_from([1, 1_000, 60_000])
queries = st.builds(
    ListQuery,
    principal=st.sampled_from(["", *PRINCIPALS]),
    user_id=st.sampled_from(["", *USERS]),
    status=st.none() | st.sampled_from(Status),
    page_size=st.integers(1, 3),
)

Added = tuple[tuple[str, str], ...]
"""Hashes and statuses of transactions."""


def apart(batch: list[Sent]) -> list[Sent]:
    """Those that share nothing with one before: what a batch does to itself is not what this is about."""
    taken: list[Sent] = []
    for one in batch:
        alike = (
            one.id == other.id
            or (one.request and (one.principal, one.request) == (other.principal, other.request))
            or (one.nonce and (one.user, one.nonce) == (other.user, other.nonce))
            for other in taken
        )
        if not any(alike):
            taken.append(one)
    return taken


def submitted(sent: Sent) -> NewIntent:
    return new(
        sent.id,
        principal=sent.principal,
        request_id=sent.request,
        signed=bool(sent.nonce),
        nonce=nonce_of(sent.nonce),
        user_account=sent.user,
        input_amount=sent.amount,
    )


def next_step(intent: Intent, to: Status, fence: int | None, added: Added) -> Step:
    return Step(
        id=intent.sent.id,
        version=intent.version,
        status=intent.status,
        to=to,
        fence=fence,
        actor="processor",
        reason="CANCELLED" if to is Status.FAILED else "",
        transactions=added,
    )


def asked(step: Step) -> Transition:
    return Transition(
        intent_id=step.id,
        seen_version=step.version,
        seen_status=step.status,
        to=step.to,
        actor=step.actor,
        fence=step.fence,
        reason=step.reason,
        transactions=signed_by(step),
    )


def word(outcome: WriteOutcome) -> Answer:
    if isinstance(outcome, Refused):
        return outcome.error.reason
    return {Applied: APPLIED, AlreadyThere: ALREADY, Conflict: CONFLICT}[type(outcome)]


def signed_by(step: Step) -> tuple[Any, ...]:
    return tuple(transaction(hash, status=status) for hash, status in step.transactions)
