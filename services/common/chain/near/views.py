"""The Verifier's views, and what its answers mean."""

import re
from typing import Any, Final

from services.common.chain.near.errors import NearError, panic_of
from services.common.chain.near.questions import Questions, no_answer
from services.common.chain.port import Block
from services.common.domain.intent import PlainIntent, SignedData
from services.common.domain.plainjson import same_intent
from services.common.domain.signedjson import signed_to_json
from services.common.domain.views import (
    BalanceOf,
    ChainView,
    CurrentSalt,
    HasPublicKey,
    IsKept,
    IsNonceUsed,
    IsRegistered,
    IsValidSalt,
    Simulation,
    ViewAnswer,
)
from services.common.encoding import b64encode
from services.common.errors import IntentError, unavailable

_SALT: Final = re.compile(r"[0-9a-fA-F]{8}", re.ASCII)
_UNITS: Final = re.compile(r"0|[1-9][0-9]{0,38}", re.ASCII)


async def ask(node: Questions, verifier_id: str, view: ChainView, at: Block | None) -> ViewAnswer:
    """`view` at block `at`, else at the final one. Raises IntentError."""
    method, args = "current_salt", dict[str, Any]()
    match view:
        case HasPublicKey(account_id, public_key):
            method, args = "has_public_key", {"account_id": account_id, "public_key": public_key}
        case IsNonceUsed(account_id, nonce):
            method, args = "is_nonce_used", {"account_id": account_id, "nonce": b64encode(nonce)}
        case IsValidSalt(salt):
            method, args = "is_valid_salt", {"salt": salt.hex()}
        case BalanceOf(account_id, token):
            method, args = "mt_balance_of", {"account_id": account_id, "token_id": token}
        case IsRegistered(contract_id, account_id):
            return await _registered(node, contract_id, account_id, at)
        case Simulation(signed):
            return await _simulated(node, verifier_id, signed, at)
        case IsKept(intent):
            return await _kept(node, verifier_id, intent, at)
    value, height = await node.json_view(verifier_id, method, args, at)
    answer = _answer(view, value)
    if answer is None:
        raise unavailable("chain node")
    return ViewAnswer(value=answer, block_height=height)


async def _registered(node: Questions, contract_id: str, account_id: str, at: Block | None) -> ViewAnswer:
    try:
        value, height = await node.json_view(
            contract_id, "storage_balance_of", {"account_id": account_id}, at
        )
    except IntentError as error:
        # nothing can be sent by a contract that is not there; one without this view says nothing by that
        if error.metadata.get("cause") not in ("UNKNOWN_ACCOUNT", "NO_CONTRACT_CODE"):
            raise
        return ViewAnswer(value=False, block_height=0 if at is None else at.height)
    if value is not None and not isinstance(value, dict):
        raise unavailable("chain node")
    return ViewAnswer(value=value is not None, block_height=height)


async def _kept(node: Questions, verifier_id: str, intent: PlainIntent, at: Block | None) -> ViewAnswer:
    kept, height = await node.json_view(verifier_id, "get_intent", {"intent_id": intent.id}, at)
    if kept is not None and not isinstance(kept, dict):
        raise unavailable("chain node")
    return ViewAnswer(value=kept is not None and same_intent(kept, intent), block_height=height)


async def _simulated(node: Questions, verifier_id: str, signed: SignedData, at: Block | None) -> ViewAnswer:
    try:
        _, height = await node.view(verifier_id, "simulate_intents", {"signed": [signed_to_json(signed)]}, at)
    except NearError as error:
        # a contract that lacks the method has said nothing of the message
        words = panic_of(error)
        if words is None:
            raise no_answer(error) from None
        return ViewAnswer(value=words, block_height=0 if at is None else at.height)
    return ViewAnswer(value="", block_height=height)


def _answer(view: ChainView, value: object) -> bool | bytes | int | None:
    """What a contract's return value says to a view; None if it is not of the view's kind."""
    match view:
        case CurrentSalt():
            return bytes.fromhex(value) if isinstance(value, str) and _SALT.fullmatch(value) else None
        case BalanceOf():
            return int(value) if isinstance(value, str) and _UNITS.fullmatch(value) else None
        case _:
            return value if isinstance(value, bool) else None
