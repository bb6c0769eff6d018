"""Reading a final execution outcome: whose it is, when it is final, what it cost, how it ended."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from services.common.chain.near.errors import failure_of
from services.common.chain.port import Failure, TxOutcome, TxState
from services.common.domain.strictjson import check_depth

FINAL: Final = "FINAL"
MAX_GAS: Final = 2**64 - 1
MAX_COST: Final = 2**128 - 1
_MAX_DEPTH: Final = 12

Outcome = Mapping[str, Any]


def read(answer: Mapping[str, Any], tx_hash: str, *, height: int = 0) -> TxOutcome:
    """An EXPERIMENTAL_tx_status answer about `tx_hash` -> TxOutcome.

    Raises KeyError, TypeError or ValueError if it is none, or another transaction's.
    """
    outcomes = outcomes_of(answer, tx_hash)
    bodies = [outcome["outcome"] for outcome in outcomes.values()]
    gas = sum(_whole(body["gas_burnt"], MAX_GAS) for body in bodies)
    cost = sum(_whole(body["tokens_burnt"], MAX_COST) for body in bodies)
    logs = tuple(_text(line) for body in bodies for line in body.get("logs", ()))
    status = answer["status"]
    state, value, failure = TxState.PENDING, None, ""
    kind: Failure | None = None
    if answer.get("final_execution_status") == FINAL and complete(outcomes) and isinstance(status, Mapping):
        if _end(outcomes, tx_hash) not in (None, status):
            raise ValueError("the status is not that of the receipt that gave the answer")
        if status.keys() == {"SuccessValue"}:
            state, value = TxState.SUCCEEDED, return_value(_text(status["SuccessValue"]))
        elif status.keys() == {"Failure"}:
            state, failure = TxState.FAILED, failure_text(status["Failure"])
            kind = failure_of(status["Failure"])[1]
    return TxOutcome(
        state=state,
        gas_used=gas,
        total_cost=cost,
        value=value,
        failure=failure,
        failure_kind=kind,
        logs=logs,
        block_height=height,
    )


def outcomes_of(answer: Mapping[str, Any], tx_hash: str) -> Mapping[str, Outcome]:
    """The transaction's outcome, then each that came of it, by id, in the order they came forth.

    Receipts come in any order, some perhaps twice; what did not come of this transaction is none of it.
    """
    first = answer["transaction_outcome"]
    said = answer.get("transaction", {"hash": tx_hash})
    if first["id"] != tx_hash or said["hash"] != tx_hash:
        raise ValueError("an answer about another transaction")
    given: dict[str, Outcome] = {}
    for outcome in [first, *answer["receipts_outcome"]]:
        if given.setdefault(_text(outcome["id"]), outcome) != outcome:
            raise ValueError("one receipt with two outcomes")
    reached, waiting = dict[str, Outcome](), [tx_hash]
    for name in waiting:
        if name in given and name not in reached:
            reached[name] = given[name]
            waiting += _children(given[name])
    return reached


def blocks_of(answer: Mapping[str, Any], tx_hash: str) -> set[str]:
    """Hashes of the blocks that hold the outcomes."""
    return {_text(outcome["block_hash"]) for outcome in outcomes_of(answer, tx_hash).values()}


def complete(outcomes: Mapping[str, Outcome]) -> bool:
    """Whether every receipt that an outcome brought forth has an outcome too.

    A node calls a transaction FINAL once the outcomes it has are in final blocks; receipts that are still to
    run are not among them.
    """
    return all(receipt in outcomes for outcome in outcomes.values() for receipt in _children(outcome))


def return_value(encoded: str) -> Any:
    """Base64 of the returned bytes -> JSON value, None for no bytes; bytes that are no JSON stay base64 text."""
    try:
        text = base64.b64decode(encoded, validate=True).decode()
        check_depth(text)
        return json.loads(text, parse_constant=_not_json) if text else None
    except (binascii.Error, ValueError):
        return encoded


def failure_text(failure: object) -> str:
    """The chain's own words: the contract's panic where there is one, else the whole failure as JSON."""
    found = _execution_error(failure, _MAX_DEPTH)
    if found:
        return found[:1000]
    try:
        return json.dumps(failure, sort_keys=True, separators=(",", ":"))[:1000]
    except RecursionError:
        return "a failure nested too deeply to be told"


def _children(outcome: Outcome) -> list[str]:
    children = outcome["outcome"]["receipt_ids"]
    if not isinstance(children, list):
        raise TypeError("receipt_ids")
    return [_text(child) for child in children]


def _end(outcomes: Mapping[str, Outcome], tx_hash: str) -> object:
    """The status of the receipt whose value is the transaction's; None where the outcomes do not tell."""
    name: object = tx_hash
    for _ in range(len(outcomes) + 1):
        outcome = outcomes.get(name) if isinstance(name, str) else None
        status = None if outcome is None else outcome["outcome"].get("status")
        if not isinstance(status, Mapping) or "SuccessReceiptId" not in status:
            return status
        name = status["SuccessReceiptId"]
    raise ValueError("receipts that answer for each other")


def _whole(value: object, most: int) -> int:
    """A whole number or its decimal text, from 0 to `most`."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 39:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError("not an amount")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _not_json(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _execution_error(place: object, depth: int) -> str:
    if not isinstance(place, Mapping) or depth == 0:
        return ""
    said = place.get("ExecutionError")
    if isinstance(said, str):
        return said
    return next(filter(None, (_execution_error(inner, depth - 1) for inner in place.values())), "")
