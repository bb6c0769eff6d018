"""TIP-191, Tron's wallets: as EIP-191 under a prefix of Tron's. Source: TIP-191."""

from typing import Final

from services.validator.standards.recovering import recovering

STANDARD: Final = recovering("tip191")
