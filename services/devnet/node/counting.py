"""How many times what happened on chain, per intent: for tests. Part of the state, so a reorg takes it back too."""

import base64
from collections.abc import Iterable
from typing import Any, Final

from orjson import JSONDecodeError, loads

from services.devnet.node.state import Overlay, Reading, count

STEPS: Final = {
    "intent_verified": "verify",
    "intent_executing": "execute",
    "intent_solved": "solve",
    "mt_mint": "transfer",
    "intent_completed": "complete",
    "intent_put_back": "put_back",
    "intent_failed": "fail",
}
"""Event of a successful receipt -> step. `solve` is the Solver's own word, `transfer` what the books credit."""
_LONGEST: Final = 1 << 16
"""Bytes of arguments that are searched for an intent."""
Json = dict[str, Any]


def intents_in(args: bytes) -> tuple[str, ...]:
    """Ids of the intents that a call's JSON arguments name. Never raises: what is no JSON names none."""
    if len(args) > _LONGEST:
        return ()
    try:
        given = loads(args)
    except JSONDecodeError:
        return ()
    if not isinstance(given, dict):
        return ()
    found: list[object] = [given.get("intent_id"), given.get("id")]
    intent = given.get("intent")
    if isinstance(intent, dict):
        found.append(intent.get("id"))
    return tuple(dict.fromkeys(one for one in found if isinstance(one, str) and "|" not in one))


def events_in(logs: Iterable[str]) -> list[tuple[str, Json]]:
    """(event, one item of its data) of every NEP-297 line."""
    found: list[tuple[str, Json]] = []
    for line in logs:
        if line.startswith("EVENT_JSON:"):
            body = loads(line[11:])
            found.extend((str(body.get("event")), item) for item in body.get("data", []))
    return found


def count_receipt(state: Overlay, actions: Iterable[object], logs: Iterable[str], *, failed: bool) -> None:
    """One receipt that ran: calls per intent, and if it succeeded what its events say it did.

    A call that succeeded and changed nothing, as a repeat does, logs no event and has no effect.
    """
    for action in actions:
        if not (isinstance(action, dict) and "FunctionCall" in action):
            continue
        call = action["FunctionCall"]
        method = call["method_name"]
        for intent_id in intents_in(base64.b64decode(call["args"])):
            count(state, f"call|{intent_id}|{method}|{'failed' if failed else 'succeeded'}")
        if failed:
            continue
        count(state, f"method|{method}")
        for name, item in events_in(logs):
            if "intent_id" in item:
                count(state, f"intent|{item['intent_id']}|{method}")
            subject = item.get("intent_id", item.get("memo"))
            if name in STEPS and isinstance(subject, str):
                count(state, f"step|{subject}|{STEPS[name]}")


def effects(state: Reading, wanted: frozenset[str] | None) -> dict[str, Json]:
    """Intent -> `{steps: {step: times}, calls: {method: {succeeded, failed}}}`; None asks for all there are."""
    found: dict[str, Json] = {} if wanted is None else {intent_id: _none() for intent_id in sorted(wanted)}
    for prefix in ("n|call|", "n|step|"):
        for key, value in state.scan(prefix):
            _, kind, intent_id, *what = key.split("|")
            if wanted is not None and intent_id not in wanted:
                continue
            one = found.setdefault(intent_id, _none())
            if kind == "step":
                one["steps"][what[0]] = loads(value)
            else:
                one["calls"].setdefault(what[0], {"succeeded": 0, "failed": 0})[what[1]] = loads(value)
    return found


def _none() -> Json:
    return {"steps": dict.fromkeys(STEPS.values(), 0), "calls": {}}
