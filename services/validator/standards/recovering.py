"""Standards of secp256k1 whose signature yields the key."""

from services.common.domain.intent import SignedData
from services.validator.standards.curves import secp256k1_key
from services.validator.standards.keys import SECP256K1, Typed
from services.validator.standards.standard import Standard, text_alone


def recovering(name: str) -> Standard:
    """The standard of that name; its digest is `intent_digest`'s."""
    return Standard(name=name, form=_form, prove=_prove, curves=(SECP256K1,), recovers=True)


def _form(signed: SignedData) -> str:
    if signed.public_key:
        return f"signed_data.public_key must be empty: the signature of {signed.standard} yields it"
    return text_alone(signed)


def _prove(signed_bytes: bytes, key: Typed | None, signature: Typed) -> Typed | None:
    found = secp256k1_key(signed_bytes, signature.data)
    return None if found is None else Typed(SECP256K1, found)
