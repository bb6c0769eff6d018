"""Creating: requests, then nonces, then the intent with its outbox; the last is acceptance.

What was refused before anything was written leaves nothing behind. A reservation is never deleted or taken
over; whoever finds one with the same content goes on, so a creation cut off after any step is finished by
its repeat.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.common.domain.intent import NewIntent, Receipt
from services.common.domain.outcomes import Accepted, RequestIdentity
from services.common.domain.signing import content_hash
from services.common.errors import IntentError, Reason, not_implemented
from services.store.document import new_document
from services.store.fit import odd
from services.store.model import nonce_key, request_key, unfit
from services.store.ports import Document, Found, Insert, Look, Program, Reservation, Reserve, Standing

Outcome = Accepted | IntentError


@dataclass(slots=True)
class Draft:
    """A submission on its way in."""

    intent_id: str
    principal: str
    content: str
    request: Reservation | None
    nonce: Reservation | None
    document: Document
    standing: Standing | None = None
    outcome: Outcome | None = None


def draft(new: NewIntent, now: datetime) -> Draft | IntentError:
    """Everything a creation writes, or why nothing can be."""
    plain = new.submission.intent
    if plain is None:
        return not_implemented("Storing a signed message that carries no plain intent")
    wrong = unfit(new.principal, plain.id, new.submission.request_id) or odd(new)
    if wrong is not None:
        return wrong
    try:
        nonce = nonce_key(new.submission)
    except IntentError as error:
        return error
    content = content_hash(new.submission)
    request = None
    if new.submission.request_id:
        identity = RequestIdentity(
            principal=new.principal, method=new.method, request_id=new.submission.request_id
        )
        request = Reservation(request_key(identity), plain.id, content)
    return Draft(
        intent_id=plain.id,
        principal=new.principal,
        content=content,
        request=request,
        nonce=None if nonce is None else Reservation(nonce, plain.id, content),
        document=new_document(new, plain, content_hash=content, nonce_key=nonce, now=now),
    )


def creating(drafts: Sequence[Draft]) -> Program[list[Outcome]]:
    """One outcome for each, in the order sent."""
    found: Found = yield Look(
        [one.request.key for one in drafts if one.request],
        [one.nonce.key for one in drafts if one.nonce],
        [one.intent_id for one in drafts],
    )
    for one in drafts:
        if one.request and (request := found.requests.get(one.request.key)):
            one.outcome = _request_refusal(one, request)
        if one.outcome is None and one.nonce and (nonce := found.nonces.get(one.nonce.key)):
            one.outcome = _nonce_refusal(one, nonce)
        if one.outcome is None:
            one.standing = found.intents.get(one.intent_id)
            if one.standing is not None:
                settled = _settled(one, one.standing)
                one.outcome = settled if isinstance(settled, IntentError) else None
    open_requests = [
        one for one in drafts if one.outcome is None and one.request and one.request.key not in found.requests
    ]
    if open_requests:
        held: Sequence[Reservation] = yield Reserve(
            "requests", [one.request for one in open_requests if one.request]
        )
        for one, reservation in zip(open_requests, held, strict=True):
            one.outcome = _request_refusal(one, reservation)
    open_nonces = [
        one
        for one in drafts
        if one.outcome is None and one.standing is None and one.nonce and one.nonce.key not in found.nonces
    ]
    if open_nonces:
        held = yield Reserve("nonces", [one.nonce for one in open_nonces if one.nonce])
        for one, reservation in zip(open_nonces, held, strict=True):
            one.outcome = _nonce_refusal(one, reservation)
    new = [one for one in drafts if one.outcome is None and one.standing is None]
    if new:
        standing: Sequence[Standing | None] = yield Insert([one.document for one in new])
        for one, other in zip(new, standing, strict=True):
            one.standing = other
            if other is None:
                receipt = Receipt(intent_id=one.intent_id, created_at=one.document["createdAt"])
                one.outcome = Accepted(receipt=receipt, created=True)
    return [one.outcome if one.outcome is not None else _settled(one, one.standing) for one in drafts]


def _request_refusal(one: Draft, held: Reservation) -> IntentError | None:
    if held.content_hash == one.content and held.intent_id == one.intent_id:
        return None
    return IntentError(Reason.REQUEST_REUSED, "This request_id was used for another intent.")


def _nonce_refusal(one: Draft, held: Reservation) -> IntentError | None:
    if held.content_hash == one.content and held.intent_id == one.intent_id:
        return None
    if held.intent_id == one.intent_id:
        return _id_taken(one)
    return IntentError(
        Reason.NONCE_HELD, "The nonce of this signature is held by another intent of the signer."
    )


def _settled(one: Draft, standing: Standing | None) -> Outcome:
    assert standing is not None
    if standing.content_hash != one.content:
        return _id_taken(one)
    if standing.principal != one.principal:
        return IntentError(Reason.ALREADY_EXISTS, "This intent was submitted by somebody else.")
    receipt = Receipt(intent_id=standing.intent_id, created_at=standing.created_at)
    return Accepted(receipt=receipt, created=False)


def _id_taken(one: Draft) -> IntentError:
    return IntentError(
        Reason.ID_TAKEN, "Another intent has this id.", metadata={"intent_id": one.intent_id[:128]}
    )
