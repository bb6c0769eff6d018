"""Signed messages on their own: good ones, in any standard, and a chain that knows their keys."""

import json
from typing import Any, Final

from services.common.domain.intent import Submission
from services.common.domain.outcomes import Verdict
from services.common.domain.signedjson import signed_from_json
from services.common.encoding import b64encode
from services.validator.ids import TOKEN_STANDARDS
from services.validator.messages.model import ALL_KINDS, Bounds
from services.validator.messages.rules import TABLE
from services.validator.model import RuleBook
from services.validator.registry import Registry
from services.validator.rules.rule import Table
from services.validator.service import Validator
from tests.harness.signing import VERIFIER
from tests.harness.standards import StandardWallet
from tests.unit.validator.support import FakeViews, StoppedClock

CAROL: Final = StandardWallet("raw_ed25519", "carol")
NONCE: Final = bytes(range(32))
UNTIL: Final = "2026-11-23T12:10:00Z"
TOKENS: Final = Registry(unknown=frozenset(TOKEN_STANDARDS))
BOUNDS: Final = Bounds(kinds=frozenset(ALL_KINDS))

SWAP: Final = {"intent": "token_diff", "diff": {"nep141:a.near": "-1000", "nep141:b.near": "998"}}
TRANSFER: Final = {"intent": "transfer", "receiver_id": "bob.near", "tokens": {"nep141:a.near": "5"}}
WITHDRAW: Final = {"intent": "ft_withdraw", "token": "a.near", "receiver_id": "bob.near", "amount": "5"}


def message(*intents: Any, wallet: StandardWallet = CAROL, **changes: Any) -> dict[str, Any]:
    """A DefusePayload of that wallet; `changes` replace keys, None removes one."""
    made: dict[str, Any] = {
        "signer_id": wallet.account_id,
        "verifying_contract": VERIFIER,
        "deadline": UNTIL,
        "nonce": b64encode(NONCE),
        "intents": list(intents),
    }
    if wallet.standard == "nep413":
        del made["verifying_contract"], made["nonce"]
    return {name: value for name, value in (made | changes).items() if value is not None}


def bare(text: str | dict[str, Any], wallet: StandardWallet = CAROL, **envelope: Any) -> Submission:
    """That text signed, and nothing beside it."""
    raw = text if isinstance(text, str) else json.dumps(text)
    data = wallet.sign_text(raw, **({"nonce": NONCE} | envelope))
    return Submission(intent=None, signed_data=signed_from_json(data))


def chain(*wallets: StandardWallet, **known: Any) -> FakeViews:
    """A contract that has the keys of these, and Carol's."""
    keys = {(wallet.account_id, wallet.public_key) for wallet in (CAROL, *wallets)}
    return FakeViews(keys=keys, **known)


async def judged(
    submission: Submission,
    views: FakeViews | None = None,
    *,
    table: Table = TABLE,
    full: bool = False,
    explain: bool = False,
    stored: bool = False,
    **book: Any,
) -> Verdict:
    """Under a rule book that takes every kind and every well-formed token, unless told otherwise."""
    rules = RuleBook(**({"registry": TOKENS, "messages": BOUNDS} | book))
    validator = Validator(rules, views or chain(), StoppedClock(), messages=table)
    (verdict,) = await validator.validate([submission], full=full, explain=explain, stored=stored)
    return verdict
