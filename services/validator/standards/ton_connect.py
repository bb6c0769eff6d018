"""TON Connect signData of type "text", TON's wallets: ed25519 over sha256. Source: TON Connect, near/intents' code.

The contract does not look whether the address is this key's, nor which domain asked: both are signed, neither is used.
"""

from typing import Final

from services.common.domain.intent import SignedData, TonConnectPayload
from services.validator.standards.standard import Standard, ed25519


def _form(signed: SignedData) -> str:
    if not isinstance(signed.payload, TonConnectPayload):
        return 'signed_data.payload must be the object {type: "text", text}, address, domain and timestamp beside it'
    return "" if signed.webauthn is None else "signed_data must hold no webauthn assertion"


STANDARD: Final = Standard(name="ton_connect", form=_form, prove=ed25519)
