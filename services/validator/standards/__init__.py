"""The seven signature standards: what each signs, with which keys, and whether a signature holds."""

from collections.abc import Mapping
from typing import Final

from services.common.domain.signing import STANDARDS
from services.validator.standards import erc191, nep413, raw_ed25519, sep53, tip191, ton_connect, webauthn
from services.validator.standards.standard import Standard

_MADE: Final = (nep413, erc191, tip191, raw_ed25519, webauthn, ton_connect, sep53)

TABLE: Final[Mapping[str, Standard]] = {one.STANDARD.name: one.STANDARD for one in _MADE}
"""Each by its name, in the contract's order."""

assert tuple(TABLE) == STANDARDS
