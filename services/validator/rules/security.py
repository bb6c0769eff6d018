"""Stage 4: did this user sign exactly this, for here, for now, and never before?

The order is the contract's: signature, payload, recipient, network, deadline, fields, signer, key, nonce rules,
nonce unused. What follows from the submission alone comes in `RULES`; `CHAIN_RULES` need the contract's views.
"""

import re
import struct
from collections.abc import Callable
from typing import Final

from services.common.domain.plainjson import PLAIN_FIELDS, deadline_ns, rfc3339, slippage_percent
from services.common.domain.signing import intent_digest
from services.common.domain.views import ChainView, HasPublicKey, IsNonceUsed, IsValidSalt
from services.common.encoding import format_key, parse_key
from services.common.errors import Reason
from services.validator.message import NONCE_BYTES, MessageError, fields_of, read
from services.validator.model import STANDARDS, Case, shown

VERSIONED: Final = bytes.fromhex("5628f6c600")
"""First bytes of a nonce of version 1; any other 32 bytes are a legacy one, as the contract reads them."""

_IMPLICIT: Final = re.compile(r"[0-9a-f]{64}|0x[0-9a-f]{40}", re.ASCII)
_DATA: Final = "signed_data"


def prepare(case: Case) -> None:
    """Decodes what the signature check and the rules need; notes what has no readable form."""
    signed = case.signed
    if signed is None:
        case.deadline_ns = case.intent.deadline_ns
        if case.book.signature_required:
            case.add(
                _DATA, Reason.SIGNATURE_REQUIRED, "signed_data is required: the user must sign the intent"
            )
        return
    if signed.standard not in STANDARDS:
        case.add(
            f"{_DATA}.standard",
            Reason.UNSUPPORTED_STANDARD,
            f"signed_data.standard must be one of {', '.join(STANDARDS)}, not {shown(signed.standard)}",
        )
        return
    try:
        case.key = parse_key(signed.public_key, length=32)
    except ValueError as error:
        case.add(
            f"{_DATA}.public_key", Reason.INVALID_SIGNATURE, f"signed_data.public_key cannot be read: {error}"
        )
    try:
        case.signature = parse_key(signed.signature, length=64)
    except ValueError as error:
        case.add(
            f"{_DATA}.signature", Reason.INVALID_SIGNATURE, f"signed_data.signature cannot be read: {error}"
        )
    if isinstance(signed.payload, str):
        case.signed_bytes = signed.payload.encode("utf-8", "surrogatepass")
    else:
        case.signed_bytes = intent_digest(signed)


def signature(case: Case) -> None:
    """The key signed these bytes; checked beforehand, many at once."""
    if case.key and case.signature and not case.proven:
        case.add(
            f"{_DATA}.signature",
            Reason.INVALID_SIGNATURE,
            "signed_data.signature is not this key's signature over this payload",
        )


def payload(case: Case) -> None:
    """The signed message can be read, and holds one plain intent."""
    if case.signed is None or case.signed.standard not in STANDARDS:
        return
    if isinstance(case.signed.payload, str) is (case.signed.standard == "nep413"):
        case.add(
            f"{_DATA}.payload",
            Reason.INVALID_MESSAGE,
            f"signed_data.payload has not the form of {case.signed.standard}",
        )
        return
    try:
        case.message = read(case.signed)
    except MessageError as error:
        case.add(f"{_DATA}.payload", Reason.INVALID_MESSAGE, f"the signed message {error}")


def recipient(case: Case) -> None:
    """It was signed for our contract."""
    if case.message is not None and case.message.recipient != case.book.verifying_contract:
        case.add(
            f"{_DATA}.payload.recipient",
            Reason.WRONG_RECIPIENT,
            f"the message was signed for {_quoted(case.message.recipient, 'no contract')}, "
            f"not for {case.book.verifying_contract}",
        )


def network(case: Case) -> None:
    """It was signed for our network."""
    if case.message is not None and case.message.network != case.book.network:
        case.add(
            f"{_DATA}.payload.network",
            Reason.WRONG_NETWORK,
            f"the message was signed for {_quoted(case.message.network, 'no network')}, not for {case.book.network}",
        )


def deadline(case: Case) -> None:
    """It names an instant ahead, not too far, and the intent names no other."""
    if case.message is not None:
        if case.message.deadline is None:
            case.add("deadline", Reason.INVALID_DEADLINE, "the signed message lacks a deadline")
            return
        try:
            case.deadline_ns = deadline_ns(case.message.deadline)
        except ValueError as error:
            case.add("deadline", Reason.INVALID_DEADLINE, f"the signed message's deadline {error}")
            return
    until = case.deadline_ns
    if until is None:
        return
    if until <= case.now_ns:
        case.add("deadline", Reason.DEADLINE_EXPIRED, f"the deadline {rfc3339(until)} has passed")
    elif until > case.now_ns + case.book.max_lifetime_ns:
        limit = case.book.max_lifetime_ns // 10**9
        case.add(
            "deadline",
            Reason.DEADLINE_TOO_FAR,
            f"the deadline {rfc3339(until)} lies more than {limit} seconds ahead",
        )
    inner = None if case.message is None else case.message.fields.get("deadline")
    if inner is not None and inner != until:
        case.add(
            "deadline",
            Reason.INVALID_DEADLINE,
            f"the signed intent's deadline {rfc3339(int(inner))} is not the message's {rfc3339(until)}",
        )


def fields(case: Case) -> None:
    """Every field present on one side is present and equal on the other."""
    if case.message is None:
        return
    sent, signed = fields_of(case.intent), case.message.fields
    if sent == signed:
        return
    for name in PLAIN_FIELDS:
        if sent.get(name) != signed.get(name):
            case.add(
                name,
                Reason.FIELD_MISMATCH,
                f"{name} is {_value(name, sent.get(name))} in the intent "
                f"but {_value(name, signed.get(name))} in the signed message",
            )


def signer(case: Case) -> None:
    """The user is who signed."""
    if case.message is not None and case.message.signer_id != case.intent.user_account:
        case.add(
            "user_account",
            Reason.SIGNER_MISMATCH,
            f"the message was signed in the name of {shown(case.message.signer_id)}, "
            f"not of {shown(case.intent.user_account)}",
        )


def wanted_views(case: Case) -> tuple[ChainView, ...]:
    """What the chain must be asked. Nothing for a key that signed nothing: that would be a stranger's errand."""
    message = case.message
    if message is None or not case.proven:
        return ()
    asked: list[ChainView] = []
    if _IMPLICIT.fullmatch(case.intent.user_account) is None:
        asked.append(HasPublicKey(case.intent.user_account, format_key(case.key)))
    nonce = message.nonce
    if nonce is not None and len(nonce) == NONCE_BYTES:
        if nonce.startswith(VERSIONED):
            asked.append(IsValidSalt(_salt(nonce)))
        if not case.stored:
            asked.append(IsNonceUsed(case.intent.user_account, nonce))
    return tuple(asked)


def key(case: Case) -> None:
    """The key belongs to the account: derived from it, or registered for it."""
    if not case.key or case.message is None:
        return
    account = case.intent.user_account
    if _IMPLICIT.fullmatch(account) is not None:
        if case.key.hex() != account:
            case.add(f"{_DATA}.public_key", Reason.SIGNER_MISMATCH, f"the key does not derive {account}")
    elif case.answers.get(HasPublicKey(account, format_key(case.key))) is False:
        case.add(
            f"{_DATA}.public_key",
            Reason.SIGNER_MISMATCH,
            f"the key is not registered for {account} at {case.book.verifying_contract}",
        )


def nonce_form(case: Case) -> None:
    """32 bytes; a versioned one keeps its own terms."""
    if case.message is None:
        return
    where, nonce = f"{_DATA}.payload.nonce", case.message.nonce
    if nonce is None or len(nonce) != NONCE_BYTES:
        case.add(where, Reason.INVALID_NONCE, "the nonce must be base64 of exactly 32 bytes")
        return
    if not nonce.startswith(VERSIONED):
        return
    if case.answers.get(IsValidSalt(_salt(nonce))) is False:
        case.add(
            where, Reason.INVALID_NONCE, "the nonce has an invalid salt; ask the contract for current_salt"
        )
    (until,) = struct.unpack_from("<q", nonce, 9)
    if until <= case.now_ns:
        case.add(where, Reason.INVALID_NONCE, "the nonce's own deadline has passed")
    if case.deadline_ns is not None and case.deadline_ns > until:
        case.add(where, Reason.INVALID_NONCE, "the deadline lies after the nonce's own deadline")


def nonce_unused(case: Case) -> None:
    """No message of this user with this nonce was executed."""
    if case.message is None or case.message.nonce is None or case.stored:
        return
    if case.answers.get(IsNonceUsed(case.intent.user_account, case.message.nonce)) is True:
        case.add(f"{_DATA}.payload.nonce", Reason.NONCE_USED, "the nonce was already used by this account")


Rule = Callable[[Case], None]
RULES: Final[tuple[Rule, ...]] = (signature, payload, recipient, network, deadline, fields, signer)
CHAIN_RULES: Final[tuple[Rule, ...]] = (key, nonce_form, nonce_unused)


def _salt(nonce: bytes) -> bytes:
    return nonce[5:9]


def _quoted(text: str | None, nothing: str) -> str:
    return nothing if text is None else shown(text)


def _value(name: str, value: str | int | None) -> str:
    if value is None:
        return "absent"
    if name == "max_slippage":
        return f"{slippage_percent(int(value))} percent"
    return rfc3339(int(value)) if name == "deadline" else shown(str(value))
