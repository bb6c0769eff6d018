"""SEP-53, Stellar's wallets: ed25519 over sha256 of a prefixed text. Source: SEP-53."""

from typing import Final

from services.validator.standards.standard import Standard, ed25519, text_alone

STANDARD: Final = Standard(name="sep53", form=text_alone, prove=ed25519)
