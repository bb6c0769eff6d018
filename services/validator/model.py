"""What the validator knows: the rule book, and one submission on its way through the stages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum
from typing import Final

from services.common.domain.explanation import RuleOutcome
from services.common.domain.intent import PlainIntent, SignedData, Submission
from services.common.domain.outcomes import Rules
from services.common.domain.signing import STANDARDS
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
)
from services.common.errors import Reason, Violation
from services.validator.ids import TOKEN_STANDARDS
from services.validator.message import NO_MESSAGE, SignedMessage
from services.validator.messages.model import DEFAULT_BOUNDS, Bounds, Reading
from services.validator.ports import NO_PRICES, Prices
from services.validator.registry import WORKSHOP, Registry
from services.validator.standards.keys import Typed
from services.validator.standards.standard import Standard

MAX_BATCH: Final = 256
"""Submissions in one call."""

MAX_EXPLAINED: Final = 32
"""Submissions in one call that asks for explanations: each costs many times a verdict."""

MAX_TOLD: Final = 32
"""Violations that a verdict tells. A message can break rules in thousands of places, and callers share an answer."""

MAX_TOLD_OF_RULE: Final = 8
"""Those of one rule that its explanation tells."""


VIEWS: Final[Mapping[type, str]] = {
    HasPublicKey: "has_public_key",
    IsNonceUsed: "is_nonce_used",
    IsValidSalt: "is_valid_salt",
    CurrentSalt: "current_salt",
    BalanceOf: "mt_balance_of",
    IsRegistered: "storage_balance_of",
    Simulation: "simulate_intents",
    IsKept: "get_intent",
}
"""The views by the names that contracts have for them."""

AGAIN: Final = " again"
"""Behind a rule's name: its second question."""

Answer = bool | bytes | int | str
"""What a view may be answered by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBook:
    """What is accepted. Lifetimes and ages in nanoseconds.

    `accept_without` names the views whose absence holds up no new intent. `messages` bounds signed messages
    on their own.
    """

    network: str = "localnet"
    verifying_contract: str = "verifier.near"
    actions: tuple[str, ...] = ("swap", "transfer")
    registry: Registry = WORKSHOP
    signature_required: bool = True
    max_lifetime_ns: int = 24 * 3600 * 10**9
    min_lifetime_ns: int = 0
    clock_skew_ns: int = 0
    price_max_age_ns: int = 60 * 10**9
    price_margin_bps: int = 100
    check_balance: bool = False
    check_registration: bool = False
    simulate: bool = False
    accept_without: frozenset[str] = frozenset(("mt_balance_of", "storage_balance_of"))
    default_lifetime_ns: int = 3600 * 10**9
    messages: Bounds = DEFAULT_BOUNDS

    @property
    def rules(self) -> Rules:
        """As GetInfo shows it."""
        return Rules(
            network=self.network,
            verifying_contract=self.verifying_contract,
            standards=STANDARDS,
            actions=self.actions,
            tokens=self.registry.usable,
            signature_required=self.signature_required,
            max_lifetime=timedelta(microseconds=self.max_lifetime_ns // 1000),
            min_lifetime=timedelta(microseconds=self.min_lifetime_ns // 1000),
            unknown_tokens=tuple(name for name in TOKEN_STANDARDS if name in self.registry.unknown),
            registry=self.registry.digest,
        )


class Reach(IntEnum):
    """How far a submission can be read; a rule that needs more than there is has nothing to look at."""

    INTENT = 0  # the plain fields
    SIGNED = 1  # signed data beside them
    DECODED = 2  # of a standard that can be checked
    MESSAGE = 3  # whose message can be read


@dataclass(slots=True, kw_only=True)
class Case:
    """A submission on its way through the stages. `prepare` fills it before the last, every rule reads it.

    `key` and `signature` are None where their text cannot be read, `key` also where the signature yields it, until it
    is `proven`; `signed_bytes` are what the key must have signed. `assertion_fault` is webauthn's, with the field it
    speaks of; client data that is `client_too_deep` is not read. `message` is there from `Reach.MESSAGE` on;
    `deadline_ns` is None where no instant is known. A `..._fault` says why something cannot be read, for people.
    `asked` are the views of the contract that rules need, by rule, with AGAIN behind its name where a rule asked once
    more; `answers` are the chain's, None where it gave none.
    `failed_stage` is the first that found something; `blocked` are the fields it refused, which later stages leave
    alone. `outcomes` stays empty unless an explanation is asked for. `worth` is what one rule on prices found, for the
    next. `unapplied` says, by rule, why it could not be applied though there was something to look at. `reading` is
    there for a signed message on its own: `intent` then has its signer as user and nothing else.
    """

    intent: PlainIntent
    signed: SignedData | None
    book: RuleBook
    now_ns: int
    stored: bool
    found: list[Violation] = field(default_factory=list)
    reach: Reach = Reach.INTENT
    standard: Standard | None = None
    form_fault: str = ""
    key: Typed | None = None
    key_fault: str = ""
    signature: Typed | None = None
    signature_fault: str = ""
    assertion_fault: tuple[str, str] | None = None
    client_too_deep: bool = False
    signed_bytes: bytes = b""
    proven: bool = False
    message_bytes: int = 0
    message: SignedMessage = NO_MESSAGE
    message_fault: str = ""
    deadline_ns: int | None = None
    deadline_fault: str = ""
    asked: Mapping[str, ChainView] = field(default_factory=dict)
    answers: Mapping[str, Answer | None] = field(default_factory=dict)
    prices: Prices = NO_PRICES
    worth: tuple[int, int, int] | str | None = None
    unapplied: dict[str, str] = field(default_factory=dict)
    reading: Reading | None = None
    failed_stage: str = ""
    blocked: frozenset[str] = frozenset()
    outcomes: tuple[RuleOutcome, ...] = ()

    @property
    def excused(self) -> bool:
        """Whether the contract keeps this very intent, so that it says yes again and asks nothing of the nonce. True
        also where it was asked in vain, which the verdict tells."""
        asked = f"nonce-unused{AGAIN}"
        return asked in self.asked and self.answers.get(asked) is not False

    @property
    def provable(self) -> bool:
        """Whether there is all that a proof takes."""
        return self.standard is not None and not (self.form_fault or self.key_fault or self.signature_fault)

    def add(self, name: str, reason: Reason, message: str) -> None:
        """Note a violation."""
        self.found.append(Violation(field=name, reason=reason, message=message))

    def leave(self, rule: str, why: str) -> None:
        """Note that a rule could not be applied: it neither passed nor refused."""
        self.unapplied.setdefault(rule, why)

    def answer(self, rule: str) -> Answer | None:
        """What the chain said to the view of that rule; None if it was not asked or could not be."""
        return self.answers.get(rule)

    def said(self, rule: str) -> bool | None:
        """Such an answer to a question of yes or no."""
        answer = self.answer(rule)
        return answer if isinstance(answer, bool) else None

    def units(self, rule: str) -> int | None:
        """Such an answer to a question of how much."""
        answer = self.answer(rule)
        return answer if isinstance(answer, int) and not isinstance(answer, bool) else None


def plain_of(submission: Submission) -> PlainIntent:
    """The plain intent, one without any field where none was sent."""
    return submission.intent or _NOTHING


_NOTHING: Final = PlainIntent(
    id="", user_account="", action="", input_token="", input_amount="", output_token=""
)


def pattern_of(field: str) -> str:
    """A violation's field as rules name it: without the place of an intent in its message."""
    return _PLACES.sub("[]", field) if "[" in field else field


_PLACES: Final = re.compile(r"\[\d+\]")


def shown(text: str, limit: int = 60) -> str:
    """A stranger's text as messages quote it: printable ASCII, cut short."""
    quoted = ascii(text if len(text) <= limit else text[: limit - 3] + "...")
    # what is not ASCII grows as it is escaped; messages have a bound on every transport
    return quoted if len(quoted) <= 2 * limit else f"{quoted[: 2 * limit - 4]}...{quoted[0]}"
