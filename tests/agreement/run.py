"""Mixed submissions through the whole embedded shape, and those it refused straight to the chain."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from services.common.domain.intent import IntentRecord
from services.common.errors import Reason, Violation
from services.validator.rules import TABLE
from services.validator.rules.rule import Kind
from tests.differential.compare import kinds
from tests.differential.generate import NAMED, bodies, registered
from tests.harness import shapes
from tests.harness.near import Sender, call_action, encoded, tx_hash
from tests.harness.shapes import VERIFIER, Shape
from tests.harness.wait import eventually

GAS: Final = 100 * 10**12
LANES: Final = 8
AT_ONCE: Final = 50
TIME: Final = 300.0
UNKNOWABLE: Final = frozenset({Reason.SOLVER_FAILED, Reason.EXECUTION_FAILED, Reason.EXPIRED})
"""What an intent may end with on chain that nobody could have known: what solvers give, and when."""


@dataclass
class Report:
    """What came of a run."""

    completed: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    """Accepted, and failed for a reason that could not be known."""
    refused: Counter[str] = field(default_factory=Counter)
    """By a rule of the protocol; the chain was asked and refused too."""
    policy: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    """No submission at all; the chain refused it too."""
    held: int = 0
    """Refused by the store: the id or the nonce is another's."""
    differences: list[str] = field(default_factory=list)


async def run(
    folder: Path, count: int, seed: int, progress: Callable[[str], None] = lambda said: None
) -> Report:
    """`count` submissions of `seed`."""
    report = Report()
    async with shapes.embedded(folder) as shape:
        await _register(shape)
        salt = bytes.fromhex(await _view(shape, "current_salt"))
        accepted: dict[str, str] = {}
        refused: list[tuple[str, dict[str, Any], str]] = []
        gate = asyncio.Semaphore(LANES)

        async def submit(what: str, body: dict[str, Any]) -> None:
            async with gate, shape.session.post(f"{shape.http}/api/intents", json=body) as response:
                answer = await response.json()
            if response.status == 202:
                accepted[answer["intentId"]] = what
            elif (why := await _why(shape, body, answer, report)) is not None:
                refused.append((what, body, why))

        cases = bodies(count, seed, salt, datetime.now(UTC).replace(microsecond=0))
        await asyncio.gather(*(submit(what, body) for what, body in cases))
        progress(f"{len(accepted):,} accepted, {len(refused):,} refused by the protocol's rules")
        await _on_chain(shape, refused, report)
        progress("those refused were sent to the chain")
        await _ends(shape, accepted, report)
    return report


async def _why(shape: Shape, body: dict[str, Any], answer: dict[str, Any], report: Report) -> str | None:
    """The protocol's rule that refused it, "" if it could not be read; None where ours did, or the store."""
    details = answer.get("details") or []
    if answer.get("reason") in (Reason.NONCE_HELD, Reason.ID_TAKEN, Reason.ALREADY_EXISTS):
        report.held += 1
        return None
    if not details or all(one["reason"] == Reason.INVALID_FIELD for one in details):
        report.unreadable += 1
        return ""
    found = [Violation(field=one["field"], reason=Reason(one["reason"]), message="") for one in details]
    stage = next(
        stage
        for stage, rules in TABLE.stages.items()
        if any(found[0].reason in rule.reasons for rule in rules)
    )
    told = [kinds(stage, one) for one in found]
    named = [str(one.reason) for one, kind in zip(found, told, strict=True) if Kind.PROTOCOL in kind]
    if named and any(len(kind) > 1 for kind in told):
        # only an explanation tells whose rule it was
        named = await _named(shape, body)
    if not named:
        report.policy[str(found[0].reason)] += 1
        return None
    report.refused[named[0]] += 1
    return named[0]


async def _named(shape: Shape, body: dict[str, Any]) -> list[str]:
    """Reasons of the protocol's rules that refuse it."""
    async with shape.session.post(f"{shape.http}/api/intents/validate?explain=true", json=body) as response:
        rules = (await response.json())["explanation"]["rules"]
    refused = [one for one in rules if one["kind"] == Kind.PROTOCOL]
    return [violation["reason"] for one in refused for violation in one.get("violations", ())]


async def _on_chain(shape: Shape, refused: Sequence[tuple[str, dict[str, Any], str]], report: Report) -> None:
    """Each as a transaction of its own, that must fail."""
    calls = []
    for _, body, _ in refused:
        sent = {name: value for name, value in body.items() if name not in ("signed_data", "request_id")}
        calls.append(("verify_signed_intent", {"intent": sent, "signed": body.get("signed_data")}))
    taken = await _failures(shape, Sender.of("owner.near"), calls)
    for (what, body, why), failure in zip(refused, taken, strict=True):
        if failure is None:
            report.differences.append(
                f"{what}: refused ({why or 'unreadable'}), the chain takes {json.dumps(body)}"
            )


async def _register(shape: Shape) -> None:
    calls = [("add_public_key", {"public_key": key}) for key in registered()]
    # until it is final, the validator's views of the chain do not show it
    assert set(await _failures(shape, Sender.of(NAMED), calls, "FINAL")) == {None}


async def _failures(
    shape: Shape,
    sender: Sender,
    calls: Sequence[tuple[str, dict[str, Any]]],
    until: str = "EXECUTED_OPTIMISTIC",
) -> list[str | None]:
    """Why each call failed, None where it went through."""
    sender.nonce = await _key_nonce(shape, sender)
    found: list[str | None] = []
    for start in range(0, len(calls), AT_ONCE):
        block = (await shape.devnet("block", finality="final"))["header"]["hash"]
        hashes = []
        for method, args in calls[start : start + AT_ONCE]:
            signed = sender.sign(VERIFIER, [call_action(method, args, gas=GAS)], block)
            await shape.devnet("send_tx", signed_tx_base64=encoded(signed), wait_until="NONE")
            hashes.append(tx_hash(signed))
        found += [await _failure(shape, sender, one, until) for one in hashes]
    return found


async def _failure(shape: Shape, sender: Sender, hash_: str, until: str) -> str | None:
    answer = await shape.devnet("tx", tx_hash=hash_, sender_account_id=sender.account_id, wait_until=until)
    statuses = [answer["status"], *(one["outcome"]["status"] for one in answer["receipts_outcome"])]
    failures = [json.dumps(one["Failure"]) for one in statuses if isinstance(one, dict) and "Failure" in one]
    return failures[0] if failures else None


async def _key_nonce(shape: Shape, sender: Sender) -> int:
    found = await shape.devnet(
        "query", request_type="view_access_key", finality="optimistic", account_id=sender.account_id,
        public_key=sender.pair.public_key,
    )  # fmt: skip
    return int(found["nonce"])


async def _view(shape: Shape, method: str) -> Any:
    found = await shape.devnet(
        "query", request_type="call_function", finality="optimistic", account_id=VERIFIER, method_name=method,
        args_base64="e30=",
    )  # fmt: skip
    return json.loads(bytes(found["result"]))


async def _ends(shape: Shape, accepted: dict[str, str], report: Report) -> None:
    ids = list(accepted)

    async def all_ended() -> list[IntentRecord] | None:
        records: list[IntentRecord] = []
        for start in range(0, len(ids), 200):
            records += await shape.store.get(ids[start : start + 200])
        return records if all(one.status in ("completed", "failed") for one in records) else None

    for record in await eventually(all_ended, TIME) or ():
        if record.status == "completed":
            report.completed += 1
            continue
        details = record.error_details
        assert details is not None
        report.failed[details.reason] += 1
        if details.reason not in UNKNOWABLE:
            report.differences.append(
                f"{accepted[record.intent_id]}: accepted, then failed on chain: {details.reason}: {details.message}"
            )
