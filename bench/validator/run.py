"""The bench `validator`: a batch of 64 against the bare signature checks of the same messages, in turns."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from btclib_secp256k1 import recovery
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from nacl.bindings import crypto_sign_open

from bench.frame import BenchError, Options, Report, Row, median_ratio, progress, turns
from services.common.clock import SystemClock
from services.common.domain.intent import Submission
from services.common.domain.signing import STANDARDS
from services.common.domain.views import ChainView, HasPublicKey, ViewAnswer
from services.common.errors import IntentError
from services.validator.model import MAX_EXPLAINED, Case, RuleBook
from services.validator.prepare import prepare
from services.validator.rules import TABLE
from services.validator.service import Validator
from services.validator.signatures import check, check_all
from services.validator.standards.keys import implicit_account, read_key
from services.validator.walk import Brisk
from tests.harness.signing import to_domain
from tests.harness.standards import StandardWallet

BATCH: Final = 64
FULL: Final = (40, 8)
QUICK: Final = (8, 3)
"""Rounds, and batches of each side in one."""

MAX_COST: Final = 1.5
MAX_REFUSAL: Final = 0.1
MAX_RULES_US: Final = 5.0
SPREAD: Final = ("nep413", "erc191", "webauthn")
"""One standard a curve, each behind another library."""
MIN_GAIN: Final = 1.7
LARGE: Final = 4
"""Times BATCH: as many as one call holds."""

_YES: Final = ViewAnswer(value=True, block_height=1)
_NO: Final = ViewAnswer(value=False, block_height=1)


class Answers:
    """The cache's place: every key registered, no nonce used."""

    async def views(self, asked: Sequence[ChainView]) -> Sequence[ViewAnswer | IntentError]:
        return [_YES if isinstance(view, HasPublicKey) else _NO for view in asked]


def run(options: Options) -> Report:
    """Raises BenchError where a verdict is not the one expected."""
    rounds, batches = QUICK if options.quick else FULL
    rows: list[Row] = []
    beside: list[Row] = []
    details: dict[str, object] = {}
    with asyncio.Runner() as runner:
        for standard in STANDARDS:
            progress(f"validator: {standard}")
            spent = _measure(runner, standard, rounds, batches)
            best = {side: min(times) for side, times in spent.items()}
            details[standard] = {f"{side}, µs an intent": round(cost, 2) for side, cost in best.items()}
            rows.append(
                Row(
                    name=f"CPU time of a batch of {BATCH} : its bare signature checks, {standard}",
                    measured=median_ratio(spent["checked"], spent["bare"]),
                    goal=MAX_COST,
                    at_most=True,
                )
            )
            if standard == STANDARDS[0]:
                beside = _beside(spent)
            if standard in SPREAD:
                beside.append(
                    Row(
                        name=f"CPU time of a batch of {BATCH} : its bare signature checks, keys never seen before, "
                        f"{standard}",
                        measured=median_ratio(spent["strangers"], spent["bare"]),
                    )
                )
            if standard in SPREAD:
                progress(f"validator: {standard} over two cores")
                beside.append(_spread(runner, standard, rounds))
    notes = [f"{len(list(TABLE))} rules. What is given in µs is the least of the rounds, on this machine."]
    return Report(bench="validator", rows=[*rows, *beside], notes=notes, details=details)


def _beside(spent: Mapping[str, list[float]]) -> list[Row]:
    """What does not depend on the standard."""
    return [
        Row(
            name="CPU time of a refusal for structure : a full check",
            measured=median_ratio(spent["refused"], spent["checked"]),
            goal=MAX_REFUSAL,
            at_most=True,
        ),
        Row(
            name="rules and registry, µs an intent",
            measured=min(spent["rules"]),
            goal=MAX_RULES_US,
            at_most=True,
        ),
        Row(
            name="CPU time of an explained verdict : one without",
            measured=median_ratio(spent["explained"], spent["checked"]),
        ),
    ]


def _measure(runner: asyncio.Runner, standard: str, rounds: int, batches: int) -> Mapping[str, list[float]]:
    """CPU time of the whole process, µs an intent, by side and round."""
    submissions, wrong = _submissions(standard), _submissions(standard, id="{")
    validator = Validator(RuleBook(), Answers(), SystemClock())
    cases, walk = _cases(validator.book, submissions), Brisk(TABLE)
    bare = [_bare(case) for case in cases]

    def validate(given: Sequence[Submission], valid: bool, explain: bool = False) -> Callable[[], None]:
        most = MAX_EXPLAINED if explain else BATCH

        async def one() -> None:
            for start in range(0, BATCH, most):
                verdicts = await validator.validate(given[start : start + most], explain=explain)
                if any(verdict.valid is not valid for verdict in verdicts):
                    raise BenchError(f"{standard}: a verdict is not the one expected: {verdicts[0]}")

        return lambda: runner.run(one())

    def rules() -> None:
        for case in cases:
            walk.plain(case)
            walk.secure(case)

    def check_bare() -> None:
        for function, given in bare:
            function(*given)

    checked = validate(submissions, valid=True)

    def strangers() -> None:
        read_key.cache_clear()
        implicit_account.cache_clear()
        checked()

    sides: dict[str, Callable[[], None]] = {
        "bare": check_bare,
        "checked": checked,
        "strangers": strangers,
        "refused": validate(wrong, valid=False),
        "explained": validate(submissions, valid=True, explain=True),
        "rules": rules,
    }
    spent: dict[str, list[float]] = {side: [] for side in sides}
    for once in sides.values():
        once()
    for _, order in turns(list(sides), rounds):
        for side in order:
            began = time.process_time_ns()
            for _ in range(batches):
                sides[side]()
            spent[side].append((time.process_time_ns() - began) / 1000 / batches / BATCH)
    if any(case.found for case in cases):
        raise BenchError(f"{standard}: a rule refused what it should not")
    return spent


def _bare(case: Case) -> tuple[Callable[..., object], tuple[object, ...]]:
    """The library's check and what it takes, decoded and hashed. Raises where it does not hold, as the library does."""
    assert case.key is not None and case.signature is not None
    key, signature = case.key.data, case.signature.data
    match case.key.curve:
        case "ed25519":
            return crypto_sign_open, (signature + case.signed_bytes, key)
        case "secp256k1":
            return recovery.recover, (case.signed_bytes, signature[:64], signature[64], False)
    return _p256, (key, signature, hashlib.sha256(case.signed_bytes).digest())


def _p256(key: bytes, signature: bytes, digest: bytes) -> None:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + key)
    public.verify(encode_dss_signature(r, s), digest, ec.ECDSA(Prehashed(SHA256())))


def _spread(runner: asyncio.Runner, standard: str, rounds: int) -> Row:
    """By the clock: it says something only where both cores are free."""
    cases = _cases(RuleBook(), _submissions(standard)) * LARGE
    sides: dict[str, Callable[[], None]] = {
        "one": lambda: check(cases),
        "all": lambda: runner.run(check_all(cases)),
    }
    spent: dict[str, list[float]] = {side: [] for side in sides}
    for _, order in turns(list(sides), rounds):
        for side in order:
            began = time.perf_counter_ns()
            sides[side]()
            spent[side].append(time.perf_counter_ns() - began)
    return Row(
        name=f"signature checks a second of {len(cases)} intents, two cores : one, {standard}",
        measured=min(spent["one"]) / min(spent["all"]),
        goal=MIN_GAIN,
    )


def _submissions(standard: str, **changes: str) -> list[Submission]:
    wallets = [StandardWallet(standard, seed=f"bench {number}") for number in range(BATCH)]
    return [to_domain(wallet.sign_plain(wallet.fields(**changes))) for wallet in wallets]


def _cases(book: RuleBook, submissions: Sequence[Submission]) -> list[Case]:
    """Ready for every rule: read, their signatures checked, the chain's answers there."""
    now_ns = SystemClock().now_ns()
    cases = [
        Case(intent=one.intent, signed=one.signed_data, book=book, now_ns=now_ns, stored=False)
        for one in submissions
        if one.intent is not None
    ]
    for case in cases:
        prepare(case)
    check(cases)
    for case in cases:
        case.asked = Brisk(TABLE).wanted(case)
        case.answers = dict.fromkeys(case.asked, False)
    return cases
