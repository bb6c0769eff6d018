"""The rules for a signed message on its own, in the order they are applied; docs/rules.md is written from this table.

The last stage keeps the contract's order: signature, the message as its JSON and its types, recipient, deadline, key,
nonce rules, nonce unused, and then what executing it does to keys. What executing it would refuse whatever the
contract's state stands in the stages before.
"""

from typing import Final

from services.validator.messages.rules import amounts, execution, readable, structure, tokens
from services.validator.rules import chain, holdings, signature, terms
from services.validator.rules.rule import SECURITY, Table

TABLE: Final = Table({
    "structure": structure.RULES,
    "tokens": tokens.RULES,
    "amounts": amounts.RULES,
    SECURITY: (
        *signature.PROOF, *readable.RULES, signature.timestamp_before_deadline, terms.recipient, *terms.LIFETIME,
        execution.key_registered, *chain.NONCE, execution.key_changes, holdings.simulation,
    ),
})  # fmt: skip
"""All of them."""
