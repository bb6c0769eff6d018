"""NEP-413, NEAR wallets: ed25519 over sha256 of an envelope with nonce and recipient. Source: NEP-413."""

from typing import Final

from services.common.domain.intent import Nep413Payload, SignedData
from services.validator.standards.standard import Standard, ed25519


def _form(signed: SignedData) -> str:
    if not isinstance(signed.payload, Nep413Payload):
        return "signed_data.payload must be the object {message, nonce, recipient, callbackUrl?}"
    return "" if signed.webauthn is None else "signed_data must hold no webauthn assertion"


STANDARD: Final = Standard(name="nep413", form=_form, prove=ed25519)
