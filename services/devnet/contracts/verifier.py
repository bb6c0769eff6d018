"""The Verifier: keeps every intent it has verified and lets an allow-listed solver execute it once."""

from typing import Any, Final

from orjson import dumps, loads

from services.devnet.contracts import plain, signed
from services.devnet.contracts.admin import ADMIN, refuse_paused
from services.devnet.contracts.admission import admit, check_nonce
from services.devnet.contracts.ledger import LEDGER, credit, use_nonce
from services.devnet.contracts.native import (
    Args,
    Later,
    Method,
    account_arg,
    event,
    load,
    require_owner,
    save,
    text_arg,
)  # fmt: skip
from services.devnet.contracts.port import TGAS, Host, Panic
from services.devnet.contracts.signed import Signed
from services.devnet.contracts.simulation import simulate

VERIFIED: Final = "verified"
EXECUTING: Final = "executing"
COMPLETED: Final = "completed"
FAILED: Final = "failed"
MAX_FAILURES: Final = 3
MOST_ASKED: Final = 50
SOLVE_GAS: Final = 30 * TGAS
CALLBACK_GAS: Final = 20 * TGAS
Kept = dict[str, Any]
"""`{intent, fields, deadline, status, failures, reason?, solver_account?, output_amount?}`."""


def _kept(host: Host, intent_id: str) -> Kept | None:
    """What is stored of an intent, with a passed deadline already counted: nobody need call for it to fail."""
    kept: Kept | None = load(host, f"i|{intent_id}")
    if kept and kept["status"] == VERIFIED and _late(host, kept):
        return {**kept, "status": FAILED, "reason": "deadline has passed"}
    return kept


def _late(host: Host, kept: Kept) -> bool:
    return kept["deadline"] is not None and host.timestamp >= int(kept["deadline"])


def _comparable(intent: plain.Plain) -> list[object]:
    return [
        intent.id, intent.user_account, intent.action, intent.input_token, str(intent.input_amount),
        intent.output_token, None if intent.min_output_amount is None else str(intent.min_output_amount),
        intent.max_slippage,
    ]  # fmt: skip


def _require_same(kept: Kept, intent: plain.Plain) -> None:
    """A body may leave its deadline out or repeat the one in force; every other field is equal."""
    same_time = intent.deadline is None or str(intent.deadline) == kept["deadline"]
    if kept["fields"] != _comparable(intent) or not same_time:
        raise Panic(f"intent {intent.id} is kept with another content")


def _verify(host: Host, intent: plain.Plain, deadline: int | None, by: str) -> None:
    kept = {
        "intent": intent.shown,
        "fields": _comparable(intent),
        "deadline": None if deadline is None else str(deadline),
        "status": VERIFIED,
        "failures": 0,
    }
    save(host, f"i|{intent.id}", kept)
    event(host, "intent_verified", {"intent_id": intent.id, "account_id": intent.user_account, "by": by})


def verify_intent(host: Host, args: Args) -> bool:
    """`{intent}` from the user's own account -> true. An intent without a deadline never expires."""
    refuse_paused(host)
    intent = plain.read(args.get("intent"))
    if host.predecessor_id != intent.user_account:
        raise Panic("only user_account may verify its intent this way")
    if intent.deadline is not None and intent.deadline <= host.timestamp:
        raise Panic("deadline has expired")
    kept = _kept(host, intent.id)
    if kept is not None:
        _require_same(kept, intent)
        return True
    _verify(host, intent, intent.deadline, "account")
    return True


def verify_signed_intent(host: Host, args: Args) -> bool:
    """`{intent, signed}` from anyone -> true: the user's signature is checked here."""
    refuse_paused(host)
    _act(host, args.get("signed"), plain.read(args.get("intent")))
    return True


def _act(host: Host, body: object, intent: plain.Plain | None) -> tuple[Signed, int, bool]:
    """Verifies `intent` by the signed message in `body`; None stands for the message's own. The message, its deadline
    in Unix ns, and whether it was not verified yet. Raises Panic."""
    host.burn(210_000_000_000)
    message = signed.read(body)
    if intent is None:
        if isinstance(message.intent, Panic):
            raise message.intent
        intent = message.intent
    deadline = admit(host, message, intent)
    kept = _kept(host, intent.id)
    if kept is not None:
        _require_same(kept, intent)
        return message, deadline, False
    check_nonce(host, message, deadline)
    use_nonce(host, message.signer_id, message.nonce)
    _verify(host, intent, deadline, "signature")
    return message, deadline, True


def simulate_intents(host: Host, args: Args) -> dict[str, Any]:
    """`{signed: [MultiPayload, …]}` -> what verify_signed_intent would do with them, as `simulate` tells it."""
    refuse_paused(host)
    return simulate(host, args, lambda trial, body: _act(trial, body, None))


def verify_and_solve(host: Host, args: Args) -> Later:
    """`{intent, solver_account}` on a verified intent -> true when completed, false when put back or failed."""
    refuse_paused(host)
    intent, solver = plain.read(args.get("intent")), account_arg(args, "solver_account")
    kept = _kept(host, intent.id)
    if kept is None:
        raise Panic(f"intent {intent.id} is not verified")
    _require_same(kept, intent)
    if kept["status"] != VERIFIED:
        raise Panic(f"intent {intent.id} is {kept['status']}: {kept.get('reason', 'no solving now')}")
    if load(host, f"s|{solver}") is None:
        raise Panic(f"{solver} is not an allowed solver")
    save(host, f"i|{intent.id}", {**kept, "status": EXECUTING, "solver_account": solver})
    event(host, "intent_executing", {"intent_id": intent.id, "solver_account": solver})
    order = {
        "intent_id": intent.id, "user": intent.user_account, "input_amount": str(intent.input_amount),
        "input_token": intent.input_token, "output_token": intent.output_token,
    }  # fmt: skip
    first = host.promise(solver, "solve_intent", dumps(order), SOLVE_GAS)
    callback = dumps({"intent_id": intent.id})
    return Later(host.promise(host.account_id, "on_solved", callback, CALLBACK_GAS, after=first))


def on_solved(host: Host, args: Args) -> bool:
    """The callback: complete, put back with the reason, or fail for good. Works while paused."""
    if host.predecessor_id != host.account_id:
        raise Panic("only this contract may call its callback")
    intent_id = text_arg(args, "intent_id")
    kept: Kept | None = load(host, f"i|{intent_id}")
    if kept is None or kept["status"] != EXECUTING:
        raise Panic(f"intent {intent_id} is not executing")
    given, reason = _outcome(host.promise_results(), kept["fields"][6])
    if reason is None:
        save(host, f"i|{intent_id}", {**kept, "status": COMPLETED, "output_amount": str(given)})
        credit(host, kept["fields"][1], kept["fields"][5], given, intent_id)
        done = {"intent_id": intent_id, "solver_account": kept["solver_account"], "output_amount": str(given)}
        event(host, "intent_completed", done)
        return True
    failures = kept["failures"] + 1
    over = failures >= MAX_FAILURES or _late(host, kept)
    back = {**kept, "status": FAILED if over else VERIFIED, "failures": failures, "reason": reason}
    save(host, f"i|{intent_id}", back)
    what = {"intent_id": intent_id, "reason": reason, "failures": failures}
    event(host, "intent_failed" if over else "intent_put_back", what)
    return False


def _outcome(results: list[bytes | None], least: str | None) -> tuple[int, str | None]:
    """(units delivered, None) or (0, why it does not count). Whatever a solver returns is only data."""
    if len(results) != 1 or results[0] is None:
        return 0, "the solver's call failed"
    try:
        answer = loads(results[0])
    except ValueError:
        return 0, "the solver's answer is not JSON"
    if not isinstance(answer, dict) or answer.get("success") is not True:
        return 0, "the solver reported no success"
    try:
        given = plain.amount(answer, "outputAmount")
    except Panic:
        return 0, "the solver's outputAmount is not an amount"
    if least is not None and given < int(least):
        return 0, f"the solver gave {given}, less than the signed minimum {least}"
    return given, None


def remove_verified_intent(host: Host, args: Args) -> bool:
    """`{intent_id}` by an owner -> true; the intent is failed for good. Refused while executing."""
    require_owner(host)
    intent_id = text_arg(args, "intent_id")
    kept = _kept(host, intent_id)
    if kept is None:
        raise Panic(f"intent {intent_id} is not verified")
    if kept["status"] == FAILED:
        return True
    if kept["status"] != VERIFIED:
        raise Panic(f"intent {intent_id} is {kept['status']}")
    save(host, f"i|{intent_id}", {**kept, "status": FAILED, "reason": "removed by the owner"})
    event(
        host,
        "intent_failed",
        {"intent_id": intent_id, "reason": "removed by the owner", "failures": kept["failures"]},
    )
    return True


def _id(args: Args) -> str:
    return text_arg(args, "intent_id" if "intent_id" in args else "id")


def get_intent_status(host: Host, args: Args) -> str | None:
    kept = _kept(host, _id(args))
    return None if kept is None else str(kept["status"])


def is_intent_verified(host: Host, args: Args) -> bool:
    kept = _kept(host, _id(args))
    return kept is not None and kept["status"] in (VERIFIED, EXECUTING, COMPLETED)


def get_intent(host: Host, args: Args) -> dict[str, object] | None:
    """The kept intent's own fields and beside them `status`, `deadline_ns` (in force), `failures`, `reason`,
    `solver_account`, `output_amount`; null if unknown."""
    kept = _kept(host, _id(args))
    if kept is None:
        return None
    beside = {
        name: kept.get(name) for name in ("status", "failures", "reason", "solver_account", "output_amount")
    }
    return {**kept["intent"], "deadline_ns": kept["deadline"], **beside}


def get_intents(host: Host, args: Args) -> list[dict[str, object] | None]:
    """`get_intent` of each of `intent_ids`, in order. Raises Panic for more than MOST_ASKED."""
    ids = args.get("intent_ids")
    if not isinstance(ids, list) or len(ids) > MOST_ASKED or not all(type(one) is str for one in ids):
        raise Panic(f"intent_ids: missing, or not a list of {MOST_ASKED} strings at most")
    return [get_intent(host, {"intent_id": one}) for one in ids]


METHODS: Final[dict[str, Method]] = {
    **ADMIN,
    **LEDGER,
    "verify_intent": Method(verify_intent, gas=1_900_000_000_000),
    "verify_signed_intent": Method(verify_signed_intent, gas=3_200_000_000_000),
    "verify_and_solve": Method(verify_and_solve, gas=2_700_000_000_000),
    "on_solved": Method(on_solved, gas=1_400_000_000_000),
    "simulate_intents": Method(simulate_intents, view=True),
    "remove_verified_intent": Method(remove_verified_intent),
    "get_intent_status": Method(get_intent_status, view=True),
    "is_intent_verified": Method(is_intent_verified, view=True),
    "get_intent": Method(get_intent, view=True),
    "get_intents": Method(get_intents, view=True),
}
