"""Stage 4, last part: what the contract knows of this account, its keys and its nonces.

The chain is asked only about what a key really signed: anything else would be a stranger's errand.
"""

import struct
from typing import Final

from services.common.domain.plainjson import MAX_DEADLINE_NS, rfc3339
from services.common.domain.views import HasPublicKey, IsKept, IsNonceUsed, IsValidSalt
from services.common.errors import Reason
from services.validator.message import NONCE_BYTES
from services.validator.model import Case, Reach
from services.validator.rules.rule import Kind, Rule, Well, rule
from services.validator.standards.keys import IMPLICIT, IMPLICIT_LENGTHS, implicit_account

VERSIONED: Final = bytes.fromhex("5628f6c600")
"""First bytes of a nonce of version 1; any other 32 bytes are a legacy one, as the contract reads them."""

_NONCE: Final = "signed_data.payload.nonce"
_KEY: Final = "signed_data.public_key"
_SIGNATURE: Final = "signed_data.signature"


def _derived(case: Case) -> str | None:
    account = case.intent.user_account
    if IMPLICIT.fullmatch(account) is None:
        return None
    return account if case.key is None else f"{account}, key derives {implicit_account(case.key)}"


@rule(
    "key-derives-account",
    Kind.PROTOCOL,
    Reason.SIGNER_MISMATCH,
    (_KEY, _SIGNATURE),
    asks="An implicit account is the one that the key derives.",
    mend="Set user_account to the account of the key that signs, or sign with the account's key.",
    needs=Reach.MESSAGE,
    reads=("user_account", _KEY, _SIGNATURE),
    seen=_derived,
)
def key_derives_account(case: Case) -> None:
    account = case.intent.user_account
    if case.key is None or len(account) not in IMPLICIT_LENGTHS or implicit_account(case.key) == account:
        return
    if IMPLICIT.fullmatch(account) is None:
        return
    case.add(key_field(case), Reason.SIGNER_MISMATCH, f"{named_key(case)} does not derive {account}")


def _registered(case: Case) -> HasPublicKey | None:
    account = case.intent.user_account
    if case.key is None or (len(account) in IMPLICIT_LENGTHS and IMPLICIT.fullmatch(account) is not None):
        return None
    return HasPublicKey(account, case.key.text)


@rule(
    "key-registered",
    Kind.PROTOCOL,
    Reason.SIGNER_MISMATCH,
    (_KEY, _SIGNATURE),
    asks="A named account has registered the key at the contract.",
    mend="Call add_public_key at the contract from that account, or sign with a key it has registered.",
    needs=Reach.MESSAGE,
    reads=("user_account", _KEY, _SIGNATURE),
    view=_registered,
)
def key_registered(case: Case) -> None:
    if case.said("key-registered") is False:
        case.add(
            key_field(case),
            Reason.SIGNER_MISMATCH,
            f"{named_key(case)} is not registered for {case.intent.user_account} at {case.book.verifying_contract}",
        )


def _salted(case: Case) -> IsValidSalt | None:
    nonce = _versioned(case)
    return None if nonce is None else IsValidSalt(nonce[5:9])


def _salt_text(case: Case) -> str | None:
    nonce = _versioned(case)
    return None if nonce is None else nonce[5:9].hex()


def _until_text(case: Case) -> str | None:
    """The nonce's own deadline, which may be any 64 bits."""
    nonce = _versioned(case)
    if nonce is None:
        return None
    until = _until(nonce)
    return rfc3339(until) if 0 <= until <= MAX_DEADLINE_NS else f"{until} ns"


@rule(
    "nonce-salt",
    Kind.PROTOCOL,
    Reason.INVALID_NONCE,
    _NONCE,
    asks="A versioned nonce carries a salt that the contract takes.",
    mend="Ask the contract for current_salt, and sign again with it.",
    needs=Reach.MESSAGE,
    seen=_salt_text,
    view=_salted,
)
def nonce_salt(case: Case) -> None:
    if case.said("nonce-salt") is False and not case.excused:
        case.add(
            _NONCE,
            Reason.INVALID_NONCE,
            "the nonce has an invalid salt; ask the contract for current_salt",
        )


@rule(
    "nonce-outlives-deadline",
    Kind.PROTOCOL,
    Reason.INVALID_NONCE,
    _NONCE,
    asks="A versioned nonce's own deadline is not before the message's.",
    mend="Give the nonce a deadline at or after the message's.",
    needs=Reach.MESSAGE,
    reads=("deadline", _NONCE),
    seen=_until_text,
)
def nonce_outlives_deadline(case: Case) -> None:
    # with the deadline ahead this also says that the nonce has not expired, which the contract asks afterwards
    if _outlived(case) and not case.excused:
        case.add(_NONCE, Reason.INVALID_NONCE, "the deadline lies after the nonce's own deadline")


def _used(case: Case) -> IsNonceUsed | None:
    nonce = case.message.nonce
    if case.stored or nonce is None or len(nonce) != NONCE_BYTES:
        return None
    return IsNonceUsed(case.intent.user_account, nonce)


def _kept(case: Case) -> IsKept | None:
    # to what it keeps already the contract says yes again, whatever the nonce
    answers = case.answers
    refused = answers.get("nonce-unused") is True or answers.get("nonce-salt") is False or _outlived(case)
    return IsKept(case.intent) if refused and case.reading is None else None


@rule(
    "nonce-unused",
    Kind.PROTOCOL,
    Reason.NONCE_USED,
    _NONCE,
    asks="No message of this user with this nonce was executed, but for one of this very intent or of a stored one.",
    mend="Sign again with a fresh nonce.",
    needs=Reach.MESSAGE,
    reads=("user_account", _NONCE),
    view=_used,
    again=_kept,
)
def nonce_unused(case: Case) -> None:
    if case.said("nonce-unused") is True and not case.excused:
        case.add(_NONCE, Reason.NONCE_USED, "the nonce was already used by this account")


def key_field(case: Case) -> str:
    """Where the key came from."""
    return _SIGNATURE if case.standard is not None and case.standard.recovers else _KEY


def named_key(case: Case) -> str:
    """As messages speak of it."""
    if case.standard is None or case.key is None or not case.standard.recovers:
        return "the key"
    # any text under a signature of this kind yields some key: it may be the text that is not what was signed
    return f"the key that the signature yields, {case.key.text},"


def _versioned(case: Case) -> bytes | None:
    nonce = case.message.nonce
    return nonce if nonce is not None and len(nonce) == NONCE_BYTES and nonce.startswith(VERSIONED) else None


def _outlived(case: Case) -> bool:
    """Whether the deadline lies after the nonce's own."""
    nonce, until = _versioned(case), case.deadline_ns
    return nonce is not None and until is not None and until > _until(nonce)


def _until(nonce: bytes) -> int:
    (until,) = struct.unpack_from("<q", nonce, 9)
    return int(until)


NONCE: Final[tuple[Rule, ...]] = (nonce_salt, nonce_outlives_deadline, nonce_unused)
"""Those on nonces alone."""

RULES: Final[tuple[Rule, ...]] = (key_derives_account, key_registered, *NONCE)


def _well(case: Case) -> bool:
    answers, account, nonce = case.answers, case.intent.user_account, case.message.nonce
    return (
        answers.get("key-registered") is not False
        and answers.get("nonce-salt") is not False
        and answers.get("nonce-unused") is not True
        and nonce is not None
        and not nonce.startswith(VERSIONED)
        and (
            len(account) not in IMPLICIT_LENGTHS  # nor is it implicit then
            or case.key is None
            or implicit_account(case.key) == account
            or IMPLICIT.fullmatch(account) is None
        )
    )


WELL: Final = Well(RULES, _well)
"""All of them at once."""
