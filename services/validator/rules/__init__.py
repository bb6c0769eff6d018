"""The rules, in the order they are applied: this table is that order, and docs/rules.md is written from it.

The last stage keeps the contract's order: signature, payload, recipient, network, deadline, fields, signer, key,
nonce rules, nonce unused; what an account holds comes after.
"""

from typing import Final

from services.validator.rules import amounts, chain, holdings, price, signature, structure, terms, tokens
from services.validator.rules.rule import SECURITY, Table

TABLE: Final = Table(
    {
        "structure": structure.RULES,
        "tokens": tokens.RULES,
        "amounts": (*amounts.RULES, *price.RULES),
        SECURITY: (*signature.RULES, *terms.RULES, *chain.RULES, *holdings.RULES),
    },
    wells=(
        structure.WELL, tokens.WELL, amounts.WELL, price.WELL, signature.WELL, terms.WELL, chain.WELL, holdings.WELL,
    ),
)  # fmt: skip
"""All of them."""

STAGES: Final = tuple(TABLE.stages)
"""The stages in order; a later one is looked at only if the earlier ones pass."""
