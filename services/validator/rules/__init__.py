"""The rules, stage by stage; a later stage is looked at only if the earlier ones pass."""

from collections.abc import Mapping
from typing import Final

from services.validator.rules import amounts, structure, tokens

PLAIN_STAGES: Final[Mapping[str, tuple[structure.Rule, ...]]] = {
    "structure": structure.RULES,
    "tokens": tokens.RULES,
    "amounts": amounts.RULES,
}
"""The stages that need nothing but the intent, in order."""

SECURITY: Final = "security"
"""The last stage; its rules are in `security.RULES` and `security.CHAIN_RULES`."""

STAGES: Final = (*PLAIN_STAGES, SECURITY)
