"""The text itself, signed by an ed25519 key, as Solana's wallets do."""

from typing import Final

from services.validator.standards.standard import Standard, ed25519, text_alone, text_bytes

STANDARD: Final = Standard(name="raw_ed25519", form=text_alone, prove=ed25519, signed_bytes=text_bytes)
