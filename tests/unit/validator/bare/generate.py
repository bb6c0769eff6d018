"""Signed messages on their own by chance: every kind of intent, well formed, in each of the standards."""

import json
import random
from typing import Any, Final

from services.validator.messages.model import ALL_KINDS
from tests.harness.standards import STANDARDS, StandardWallet
from tests.unit.validator.bare.support import UNTIL, message

_KEYS: Final = tuple(StandardWallet(standard, "generated").public_key for standard in STANDARDS)
_TOKENS: Final = ("nep141:a.near", "nep141:b.near", "nep171:n.near:1", "nep245:m.near:x:y", "imt:a.near:z")
_CODE: Final = ({"account_id": "c.near"}, {"hash": "4reLvkAWfqk5fsqio1KLudk46cqRz9erQdaHkWZKMJDZ"})


def intent(chance: random.Random) -> dict[str, Any]:
    """One of any kind."""
    kind = chance.choice(ALL_KINDS)
    return {"intent": kind, **_fields(kind, chance)}


def body(chance: random.Random, *, deadline: str = UNTIL) -> dict[str, Any]:
    """What is posted: signed data and nothing beside it."""
    wallet = StandardWallet(chance.choice(STANDARDS), str(chance.randrange(3)))
    made = message(
        *(intent(chance) for _ in range(chance.choice((0, 1, 1, 2, 4)))), wallet=wallet, deadline=deadline
    )
    return {"signed_data": wallet.sign_text(json.dumps(made), nonce=chance.randbytes(32))}


def _fields(kind: str, chance: random.Random) -> dict[str, Any]:
    def some(**fields: Any) -> dict[str, Any]:
        return {name: value for name, value in fields.items() if chance.random() < 0.5}

    def tokens() -> dict[str, str]:
        return {token: amount() for token in chance.sample(_TOKENS, 2)}

    def amount() -> str:
        return str(chance.choice((1, 1, 10**18, 2**100)))

    gas = chance.choice(("5", 7, str(10**13)))
    init = {"V1": {"code": chance.choice(_CODE), "data": {"AAEC": "AwQF"}}}
    notified = some(memo="m") | (
        some(state_init=init, min_gas=gas) | {"msg": "x"} if chance.random() < 0.5 else {}
    )
    way = {"token": "a.near", "receiver_id": "bob.near"} | some(
        memo="m", msg="x", storage_deposit="1", min_gas=gas
    )
    match kind:
        case "add_public_key" | "remove_public_key":
            return {"public_key": chance.choice(_KEYS)}
        case "transfer":
            return {"receiver_id": "bob.near", "tokens": tokens()} | notified
        case "ft_withdraw":
            return way | {"amount": amount()}
        case "nft_withdraw":
            return way | {"token_id": "1"}
        case "mt_withdraw":
            return way | {"token_ids": ["x", "y"], "amounts": [amount(), amount()]}
        case "native_withdraw":
            return {"receiver_id": "bob.near", "amount": amount()}
        case "storage_deposit":
            name = chance.choice(("account_id", "deposit_for_account_id"))
            return {"contract_id": "a.near", name: "bob.near", "amount": amount()}
        case "token_diff":
            diff = {token: chance.choice(("-", "")) + amount() for token in chance.sample(_TOKENS, 3)}
            return {"diff": diff} | some(memo="m", referral="ref.near")
        case "set_auth_by_predecessor_id":
            return {"enabled": chance.random() < 0.5}
        case "auth_call":
            return {"contract_id": "c.near", "msg": "x"} | some(
                state_init=init, attached_deposit="5", min_gas=gas
            )
        case "imt_mint":
            return {"receiver_id": "bob.near", "tokens": {"t": amount()}} | notified
        case _:
            return {"minter_id": "a.near", "tokens": {"t": amount()}} | some(memo="m")
