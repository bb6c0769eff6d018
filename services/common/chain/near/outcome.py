"""Reading a final execution outcome: when it is final, what it cost, how it ended."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

from services.common.chain.port import TxOutcome, TxState

FINAL = "FINAL"


def read(answer: Mapping[str, Any], *, height: int = 0) -> TxOutcome:
    """An EXPERIMENTAL_tx_status answer -> TxOutcome. Raises KeyError, TypeError or ValueError if it is none."""
    outcomes = all_outcomes(answer)
    bodies = [outcome["outcome"] for outcome in outcomes]
    gas = sum(int(body["gas_burnt"]) for body in bodies)
    cost = sum(int(body["tokens_burnt"]) for body in bodies)
    logs = tuple(str(line) for body in bodies for line in body.get("logs", ()))
    status = answer["status"]
    state, value, failure = TxState.PENDING, None, ""
    if answer.get("final_execution_status") == FINAL and complete(outcomes) and isinstance(status, Mapping):
        if "SuccessValue" in status:
            state, value = TxState.SUCCEEDED, return_value(status["SuccessValue"])
        elif "Failure" in status:
            state, failure = TxState.FAILED, failure_text(status["Failure"])
    return TxOutcome(
        state=state,
        gas_used=gas,
        total_cost=cost,
        value=value,
        failure=failure,
        logs=logs,
        block_height=height,
    )


def all_outcomes(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The transaction's outcome, then every receipt's."""
    return [answer["transaction_outcome"], *answer["receipts_outcome"]]


def complete(outcomes: Sequence[Mapping[str, Any]]) -> bool:
    """Whether every receipt that an outcome brought forth has an outcome too.

    A node calls a transaction FINAL once the outcomes it has are in final blocks; receipts that are still to
    run are not among them.
    """
    have = {outcome["id"] for outcome in outcomes}
    return all(receipt in have for outcome in outcomes for receipt in outcome["outcome"]["receipt_ids"])


def return_value(encoded: str) -> Any:
    """Base64 of the returned bytes -> JSON value, None for no bytes; bytes that are no JSON stay base64 text."""
    try:
        raw = base64.b64decode(encoded, validate=True)
        return json.loads(raw) if raw else None
    except (binascii.Error, ValueError):
        return encoded


def failure_text(failure: object) -> str:
    """The chain's own words: the contract's panic where there is one, else the whole failure as JSON."""
    found = _execution_error(failure)
    return (found or json.dumps(failure, sort_keys=True, separators=(",", ":")))[:1000]


def _execution_error(place: object) -> str:
    if isinstance(place, Mapping):
        said = place.get("ExecutionError")
        if isinstance(said, str):
            return said
        return next(filter(None, map(_execution_error, place.values())), "")
    return ""
