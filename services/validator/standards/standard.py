"""What a signature standard is."""

from collections.abc import Callable
from dataclasses import dataclass

from services.common.domain.intent import SignedData
from services.common.domain.signing import intent_digest
from services.validator.standards.curves import ed25519_signed
from services.validator.standards.keys import ED25519, Typed

Prove = Callable[[bytes, Typed | None, Typed], Typed | None]
"""(signed bytes, key or None, signature) -> the key that made this signature over them, or None. Takes time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """One standard.

    `curves` are those of its keys and signatures, the first meant where a text names none. `recovers` says that the
    signature yields the key, so that none may be sent. `form` says what is wrong with the payload's form, empty if
    nothing; the rest is only asked of a payload in that form. `signed_bytes` are what the key must have signed.
    """

    name: str
    form: Callable[[SignedData], str]
    prove: Prove
    signed_bytes: Callable[[SignedData], bytes] = intent_digest
    curves: tuple[str, ...] = (ED25519,)
    recovers: bool = False


def text_alone(signed: SignedData) -> str:
    """The form of most: the text, and nothing beside it."""
    if signed.webauthn is not None and isinstance(signed.payload, str):
        return "signed_data must hold no webauthn assertion"
    return text_of(signed)


def text_of(signed: SignedData) -> str:
    """The form of those that have something beside the text."""
    return "" if isinstance(signed.payload, str) else "signed_data.payload must be the signed text"


def text_bytes(signed: SignedData) -> bytes:
    """The text itself."""
    return signed.text.encode("utf-8", "surrogatepass")


def ed25519(signed_bytes: bytes, key: Typed | None, signature: Typed) -> Typed | None:
    """Proof by an ed25519 key."""
    return key if key is not None and ed25519_signed(key.data, signed_bytes, signature.data) else None
