"""A validator over a clock and a chain that tests own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from services.common.domain.intent import PlainIntent, Submission
from services.common.domain.outcomes import Verdict
from services.common.domain.views import (
    BalanceOf,
    ChainView,
    HasPublicKey,
    IsKept,
    IsNonceUsed,
    IsRegistered,
    IsValidSalt,
    Simulation,
    ViewAnswer,
)
from services.common.errors import IntentError, Reason, unavailable
from services.validator.model import RuleBook
from services.validator.service import Validator
from tests.harness.signing import Wallet, to_domain
from tests.harness.stopped import NOW as NOW
from tests.harness.stopped import StoppedClock as StoppedClock

SOON: Final = NOW + timedelta(minutes=10)
ALICE: Final = Wallet("alice")


@dataclass
class FakeViews:
    """A contract that knows these keys, nonces and salts; `away` cannot be reached, `mute` leaves views out."""

    keys: set[tuple[str, str]] = field(default_factory=set)
    used: set[tuple[str, bytes]] = field(default_factory=set)
    salts: set[bytes] = field(default_factory=set)
    balances: dict[tuple[str, str], int] = field(default_factory=dict)
    registered: set[tuple[str, str]] = field(default_factory=set)
    kept: dict[str, PlainIntent] = field(default_factory=dict)
    words: str = ""
    away: bool = False
    mute: type | None = None
    calls: list[Sequence[ChainView]] = field(default_factory=list)

    async def views(self, asked: Sequence[ChainView]) -> Sequence[ViewAnswer | IntentError]:
        self.calls.append(asked)
        if self.away:
            raise unavailable("cache")
        return [self._answer(view) for view in asked]

    def _answer(self, view: ChainView) -> ViewAnswer | IntentError:
        if self.mute is not None and isinstance(view, self.mute):
            return unavailable("chain")
        match view:
            case HasPublicKey(account, key):
                known = (account, key) in self.keys
            case IsNonceUsed(account, nonce):
                known = (account, nonce) in self.used
            case IsValidSalt(salt):
                known = salt in self.salts
            case BalanceOf(account, token):
                return ViewAnswer(value=self.balances.get((account, token), 0), block_height=7)
            case Simulation():
                return ViewAnswer(value=self.words, block_height=7)
            case IsKept(intent):
                known = self.kept.get(intent.id) == intent
            case IsRegistered(contract, account):
                known = (contract, account) in self.registered
            case _:
                raise AssertionError(f"not asked for by any rule: {view}")
        return ViewAnswer(value=known, block_height=7)


def validator(views: FakeViews | None = None, **book: Any) -> Validator:
    return Validator(RuleBook(**book), views or FakeViews(), StoppedClock())


def signed(wallet: Wallet = ALICE, **changes: Any) -> dict[str, Any]:
    """A valid body; changes go into the fields before signing."""
    return wallet.sign_plain(wallet.fields(**changes), deadline=SOON)


async def judge(
    body: dict[str, Any] | Submission, views: FakeViews | None = None, *, stored: bool = False, **book: Any
) -> Verdict:
    submission = body if isinstance(body, Submission) else to_domain(body)
    (verdict,) = await validator(views, **book).validate([submission], stored=stored)
    return verdict


def found(verdict: Verdict) -> list[tuple[str, Reason]]:
    """What was wrong, as (field, reason), in order."""
    return [(violation.field, violation.reason) for violation in verdict.violations]


def only(verdict: Verdict, stage: str, field: str, reason: Reason) -> None:
    """That rule and no other refused it."""
    assert not verdict.valid
    assert not verdict.unavailable
    assert (verdict.failed_stage, found(verdict)) == (stage, [(field, reason)]), verdict
