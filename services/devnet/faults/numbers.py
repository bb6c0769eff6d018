"""The short form of faults: names and numbers. Each is a rule whose id is that name."""

from typing import Any, Final

COUNTS: Final = (
    "solver_fail_next", "solver_panic_next", "solver_low_next",
    "drop_next", "timeout_send_next", "refuse_next", "delay_next",
)  # fmt: skip
"""Each says how many times yet; the first three count calls of the Solver, the others RPC requests."""
VALUES: Final = ("delay_ms", "lag_blocks", "stall")
"""`delay_ms` is how long `delay_next` answers wait, `lag_blocks` how far reads stay behind, `stall` 1 stops blocks."""

_RULES: Final[dict[str, dict[str, Any]]] = {
    "solver_fail_next": {"fault": "solver_fail"},
    "solver_panic_next": {"fault": "fail_receipt", "method": "solve_intent"},
    "solver_low_next": {"fault": "solver_low"},
    "drop_next": {"fault": "drop_answer"},
    "timeout_send_next": {"fault": "timeout", "rpc": ["send_tx", "broadcast_tx_commit"]},
    "refuse_next": {"fault": "refuse"},
    "delay_next": {"fault": "slow"},
}


def rule_of(name: str, value: int, delay_ms: int) -> dict[str, Any]:
    """The rule that `name: value` stands for."""
    match name:
        case "lag_blocks":
            return {"fault": "lag", "id": name, "blocks": value}
        case "stall":
            return {"fault": "stall", "id": name}
    rule = {**_RULES[name], "id": name, "count": value}
    return rule | {"ms": delay_ms} if name == "delay_next" else rule
