"""EIP-191 version 0x45, Ethereum's personal_sign: the key is recovered from the signature. Source: EIP-191."""

from typing import Final

from services.validator.standards.recovering import recovering

STANDARD: Final = recovering("erc191")
