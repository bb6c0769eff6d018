"""Stage 4 of a message, about keys: whose the signing key is, and what the message does to keys."""

from typing import Final

from services.common.domain.views import HasPublicKey
from services.common.errors import Reason
from services.validator.messages.model import AddPublicKey, RemovePublicKey
from services.validator.messages.rules.faults import INTENT, intents_of, payload_of
from services.validator.model import Case, Reach
from services.validator.rules.chain import key_field, named_key
from services.validator.rules.rule import Kind, Rule, rule

_KEY: Final = "signed_data.public_key"
_SIGNATURE: Final = "signed_data.signature"


def _registered(case: Case) -> HasPublicKey | None:
    payload = payload_of(case)
    return None if payload is None or case.key is None else HasPublicKey(payload.signer_id, case.key.text)


@rule(
    "key-registered",
    Kind.PROTOCOL,
    Reason.SIGNER_MISMATCH,
    (_KEY, _SIGNATURE),
    asks="The contract has the key for the signer; an implicit account has its own from the start.",
    mend="Register the key at the contract (add_public_key), or sign with a key of that account.",
    needs=Reach.MESSAGE,
    view=_registered,
    seen=lambda case: None if case.key is None else case.key.text,
)
def key_registered(case: Case) -> None:
    payload = payload_of(case)
    if payload is not None and case.said("key-registered") is False:
        case.add(
            key_field(case),
            Reason.SIGNER_MISMATCH,
            f"{named_key(case)} is not registered for {payload.signer_id} at {case.book.verifying_contract}",
        )


def _changes(case: Case) -> str | None:
    changes = (
        f"{'add' if isinstance(intent, AddPublicKey) else 'remove'} {intent.public_key}"
        for _, intent in _of_keys(case)
    )
    return ", ".join(changes) or None


def _of_keys(case: Case) -> list[tuple[str, AddPublicKey | RemovePublicKey]]:
    return [
        (where, intent)
        for where, intent in intents_of(case)
        if isinstance(intent, AddPublicKey | RemovePublicKey)
    ]


@rule(
    "key-changes",
    Kind.PROTOCOL,
    Reason.INVALID_MESSAGE,
    f"{INTENT}.public_key",
    asks="No key is added that is there already, or removed that is not: the one that signs is there.",
    mend="Leave out the change that is not needed.",
    needs=Reach.MESSAGE,
    reads=(),
    seen=_changes,
)
def key_changes(case: Case) -> None:
    changes = _of_keys(case)
    if not changes:
        return
    # whether a key that is not named before is there only the chain knows
    there = {case.key.text: True} if case.key is not None and case.proven else {}
    for where, intent in changes:
        adds = isinstance(intent, AddPublicKey)
        if there.get(intent.public_key) is adds:
            field = f"{where}.public_key"
            done = "is added, but is there already" if adds else "is removed, but is not there"
            case.add(field, Reason.INVALID_MESSAGE, f"{field} {done} by then: {intent.public_key}")
        there[intent.public_key] = adds


RULES: Final[tuple[Rule, ...]] = (key_registered, key_changes)
