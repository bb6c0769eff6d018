"""Asks both judges about each message and says where they differ."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from services.common.domain import strictjson
from services.common.domain.intent import Submission
from services.common.domain.outcomes import Verdict
from services.common.domain.plainjson import plain_to_json
from services.common.domain.signedjson import signed_to_json
from services.common.errors import IntentError, Reason, Violation
from services.validator.model import RuleBook
from services.validator.rules import TABLE
from services.validator.rules.rule import SECURITY, Kind
from services.validator.service import Validator
from tests.differential import edges
from tests.differential.contract import Contract
from tests.differential.generate import NAMED, USED_NONCE, bodies, registered, wallet
from tests.harness.signing import to_domain
from tests.harness.standards import STANDARDS
from tests.harness.stopped import NOW_NS, StoppedClock

BATCH: Final = 200

OTHER_CONTENT: Final = "kept with another content"
"""The contract knows every id; the validator is told of no id that the store does not know."""

CONTRACTS_WORDS: Final[Sequence[tuple[str, frozenset[Reason]]]] = (
    ("standard: this contract", frozenset({Reason.UNSUPPORTED_STANDARD})),
    ("invalid signature", frozenset({Reason.INVALID_SIGNATURE})),
    ("another contract", frozenset({Reason.WRONG_RECIPIENT})),
    ("another network", frozenset({Reason.WRONG_NETWORK})),
    ("message deadline", frozenset({Reason.INVALID_DEADLINE})),
    ("deadline: the intent's", frozenset({Reason.INVALID_DEADLINE})),
    ("deadline has expired", frozenset({Reason.DEADLINE_EXPIRED})),
    ("not the one that was signed", frozenset({Reason.FIELD_MISMATCH})),
    ("signer_id is not", frozenset({Reason.SIGNER_MISMATCH})),
    ("public key doesn't exist", frozenset({Reason.SIGNER_MISMATCH})),
    ("invalid salt", frozenset({Reason.INVALID_NONCE})),
    ("later than the nonce's", frozenset({Reason.INVALID_NONCE})),
    ("nonce has expired", frozenset({Reason.INVALID_NONCE})),
    ("nonce was already used", frozenset({Reason.NONCE_USED})),
    ("nonce: not base64", frozenset({Reason.INVALID_NONCE})),
    (OTHER_CONTENT, frozenset({Reason.NONCE_USED, Reason.INVALID_NONCE})),
)
"""How the contract says it, and which reason that is. Any other panic is of a message that cannot be read."""
_UNREADABLE: Final = frozenset({Reason.INVALID_MESSAGE})


@dataclass
class Report:
    """What came of a run."""

    accepted: int = 0
    refused: int = 0
    policy: int = 0
    """Refused by our rules alone: the contract may take them."""
    ids: int = 0
    """Taken by the validator; the contract keeps another intent of that id."""
    reasons: Counter[str] = field(default_factory=Counter)
    standards: Counter[str] = field(default_factory=Counter)
    """Accepted, by standard."""
    differences: list[str] = field(default_factory=list)


def contract() -> Contract:
    """With keys registered, nonces used and intents kept, as the generated messages suppose."""
    made = Contract(NOW_NS)
    for key in registered():
        made.keep("add_public_key", {"public_key": key}, by=NAMED)
    for standard in STANDARDS:
        for who in range(12):
            signer = wallet(standard, who)
            if signer.account_id == signer.key.account or who in (1, 4):
                _use(made, signer, signer.fields(), USED_NONCE)
                _use(made, signer, *edges.kept(standard, who, signer))
    return made


def _use(made: Contract, signer: Any, fields: dict[str, Any], nonce: bytes) -> None:
    body = signer.sign_plain(fields, deadline=edges.KEPT_UNTIL, nonce=nonce)
    args = {"signed": body.pop("signed_data"), "intent": body}
    if "already used" not in made.refusal(args["intent"], args["signed"]):
        made.keep("verify_signed_intent", args)


async def compare(
    count: int, seed: int, progress: Callable[[int], None] = lambda done: None, book: RuleBook | None = None
) -> Report:
    """`count` messages of `seed`."""
    chain, report = contract(), Report()
    validator = Validator(book or RuleBook(), chain, StoppedClock())
    cases = bodies(count, seed, chain.salt)
    done = 0
    while batch := list(islice(cases, BATCH)):
        read = [_read(body) for _, body in batch]
        submissions = [one for one in read if isinstance(one, Submission)]
        verdicts = iter(await validator.validate(submissions) if submissions else ())
        for (what, body), one in zip(batch, read, strict=True):
            verdict = next(verdicts) if isinstance(one, Submission) else None
            if isinstance(one, Submission) and verdict is not None and _doubtful(verdict):
                (verdict,) = await validator.validate([one], explain=True)
            _judge(report, what, body, one, verdict, chain)
        done += len(batch)
        progress(done)
    return report


def _read(body: dict[str, Any]) -> Submission | str:
    """As the edge's HTTP port reads it, or why it does not."""
    try:
        return to_domain(body)
    except (IntentError, strictjson.StrictJsonError) as error:
        return str(error)


def _judge(
    report: Report,
    what: str,
    body: dict[str, Any],
    one: Submission | str,
    verdict: Verdict | None,
    chain: Contract,
) -> None:
    sent = {name: value for name, value in body.items() if name != "signed_data"}
    said = chain.refusal(sent, body["signed_data"])

    def differ(why: str) -> None:
        report.differences.append(f"{what}: {why}: contract: {said!r}; body {json.dumps(body)}")

    if verdict is None:
        report.refused += 1
        report.reasons["unreadable"] += 1
        if not said:
            differ(f"the edge cannot read it ({one}), the contract takes it")
        return
    assert isinstance(one, Submission) and one.intent is not None and one.signed_data is not None
    if verdict.valid and OTHER_CONTENT in said:
        report.ids += 1
        return
    if verdict.valid:
        report.accepted += 1
        report.standards[one.signed_data.standard] += 1
        # as it came, and as the processor sends it on
        again = chain.refusal(plain_to_json(one.intent), signed_to_json(one.signed_data))
        if said or again:
            differ(f"the validator takes it, the contract does not ({again!r})")
        return
    ours = _protocol(verdict)
    if not ours:
        report.policy += 1
        return
    report.refused += 1
    report.reasons[ours[0].reason] += 1
    if not said:
        differ(f"the validator refuses it ({ours[0].reason}: {ours[0].message}), the contract takes it")
    elif said.startswith("arguments:"):
        return  # a node reads all of a call's arguments before the contract judges any
    elif verdict.failed_stage == SECURITY and ours[0].reason not in reasons(said):
        differ(f"the validator says {ours[0].reason} first ({ours[0].message})")


def _doubtful(verdict: Verdict) -> bool:
    """Whether its violations alone do not tell whose rules refused it."""
    return any(len(kinds(verdict.failed_stage, one)) > 1 for one in verdict.violations)


def _protocol(verdict: Verdict) -> list[Violation]:
    """The violations of rules of the protocol, in order."""
    if verdict.explanation is not None:
        refused = [one for one in verdict.explanation.rules if one.kind is Kind.PROTOCOL]
        return [violation for one in refused for violation in one.violations]
    return [one for one in verdict.violations if Kind.PROTOCOL in kinds(verdict.failed_stage, one)]


def kinds(stage: str, violation: Violation) -> set[Kind]:
    """Of the rules of a stage that may have said it."""
    rules = TABLE.stages[stage]
    return {
        rule.kind for rule in rules if violation.reason in rule.reasons and violation.field in rule.fields
    } or {Kind.PROTOCOL}


def reasons(panic: str) -> frozenset[Reason]:
    """Which reasons of ours this panic of the contract is."""
    return next((found for words, found in CONTRACTS_WORDS if words in panic), _UNREADABLE)
