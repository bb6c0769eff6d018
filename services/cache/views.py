"""Views of the chain's contracts, remembered for as long as their answer can be relied on."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from services.cache.adapters.bounded import Bounded, text_bytes
from services.cache.flights import Flights
from services.cache.levels import away
from services.cache.observe import Meters
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
    ViewAnswer,
)
from services.common.errors import IntentError, Reason, Violation, unavailable

NONCE_BYTES: Final = 32
SALT_BYTES: Final = 4
MAX_TEXT: Final = 256
MAX_SIGNED: Final = 65_536
FOREVER: Final = float("inf")
SLOT_BYTES: Final = 850
"""What a view and its answer take in memory beside its texts (a test measures it)."""
TEXT_BYTES: Final = 60
"""What a text takes beside its characters."""


class Views(Protocol):
    """Of the chain, what is needed here."""

    async def views(self, asked: Sequence[ChainView]) -> Sequence[ViewAnswer | IntentError]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewTrust:
    """Seconds that an answer is kept; 0 asks the chain each time.

    A registered key may be removed; one not registered yet may be in the next block. A nonce used at a final block
    stays used, and what is kept under an id there stays the same: these are held until there is no room. An unused
    nonce or id may be used now. An account that may be sent a token seldom gives that up; a balance changes with any
    block.
    """

    key_present: float
    key_absent: float = 0.0
    unused: float = 0.0
    salt: float
    registered: float
    unregistered: float = 0.0
    balance: float

    def seconds(self, view: ChainView, answer: ViewAnswer) -> float:
        match view:
            case HasPublicKey():
                return self.key_present if answer.value else self.key_absent
            case IsNonceUsed() | IsKept():
                return FOREVER if settled(view, answer) else self.unused
            case CurrentSalt() | IsValidSalt():
                return self.salt
            case BalanceOf():
                return self.balance
            case IsRegistered():
                return self.registered if answer.value else self.unregistered
            case Simulation():
                return 0.0  # what would happen now is asked now


def settled(view: ChainView, answer: ViewAnswer) -> bool:
    """No later block says otherwise."""
    return isinstance(view, IsNonceUsed | IsKept) and answer.value is True and answer.final


@dataclass(slots=True)
class _Kept:
    """`until`: monotonic; afterwards the answer is only a floor for heights. `mark`, `size` are for `Bounded`."""

    answer: ViewAnswer
    until: float
    size: int
    mark: int = 0


class ViewCache:
    """Satisfies `common.ports.ChainViews`. Bounded by entries and bytes; one question per view at a time.

    An answer from below the height that was answered before (a node that lags) does not count: what is held does.
    """

    def __init__(
        self,
        chain: Views | None,
        trust: ViewTrust,
        *,
        max_entries: int,
        max_bytes: int,
        now: Callable[[], float],
        timeout: float,
        meters: Meters,
    ) -> None:
        self._chain = chain
        self._trust = trust
        self._now = now
        self._meters = meters
        self._bounded: Bounded[ChainView, _Kept] = Bounded(max_entries, max_bytes)
        self._flights: Flights[ChainView, ViewAnswer] = Flights(
            self._load, name="cache.views", now=now, timeout=timeout
        )

    async def views(self, asked: Sequence[ChainView]) -> Sequence[ViewAnswer | IntentError]:
        now = self._now()
        answers = [_refusal(view) or self._kept(view, now) for view in asked]
        missing = [index for index, answer in enumerate(answers) if answer is None]
        if missing:
            landed = await self._flights.get([asked[index] for index in missing])
            for index, (answer, _) in zip(missing, landed, strict=True):
                answers[index] = answer
        self._meters.viewed("memory", len(asked) - len(missing))
        self._meters.viewed("chain", len(missing))
        return [answer for answer in answers if answer is not None]

    async def close(self) -> None:
        await self._flights.close()

    def _kept(self, view: ChainView, now: float) -> ViewAnswer | None:
        held = self._bounded.held.get(view)
        if held is None or held.until <= now:
            return None
        self._bounded.use(held)
        return held.answer

    async def _load(self, asked: Sequence[ChainView]) -> Sequence[ViewAnswer | IntentError]:
        if self._chain is None:
            return [unavailable("chain")] * len(asked)
        self._meters.loaded("chain")
        try:
            given = await self._chain.views(asked)
        except IntentError as error:
            return [away(error, "chain")] * len(asked)
        now = self._now()
        return [
            away(answer, "chain") if isinstance(answer, IntentError) else self._keep(view, answer, now)
            for view, answer in zip(asked, given, strict=True)
        ]

    def _keep(self, view: ChainView, answer: ViewAnswer, now: float) -> ViewAnswer:
        """What stands afterwards."""
        if isinstance(view, Simulation):
            return answer
        held = self._bounded.held.get(view)
        if held is not None and (
            settled(view, held.answer) or 0 < answer.block_height < held.answer.block_height
        ):
            return held.answer
        kept = _Kept(answer, now + self._trust.seconds(view, answer), _size(view))
        for gone in self._bounded.put(view, kept):
            self._bounded.drop(gone)
        self._meters.views(len(self._bounded.held), self._bounded.bytes)
        return answer


def _size(view: ChainView) -> int:
    match view:
        case IsNonceUsed(account_id, nonce):
            return SLOT_BYTES + text_bytes(account_id) + len(nonce)
        case HasPublicKey(one, other) | BalanceOf(one, other) | IsRegistered(one, other):
            return SLOT_BYTES + text_bytes(one) + text_bytes(other)
        case IsKept(intent):
            return SLOT_BYTES + sum(
                text_bytes(str(value)) + TEXT_BYTES for value in dataclasses.astuple(intent)
            )
        case _:
            return SLOT_BYTES


def _refusal(view: ChainView) -> IntentError | None:
    match view:
        case IsNonceUsed(account_id, nonce) if len(nonce) != NONCE_BYTES or len(account_id) > MAX_TEXT:
            return _invalid("is_nonce_used", f"takes an account and a nonce of {NONCE_BYTES} bytes")
        case IsValidSalt(salt) if len(salt) != SALT_BYTES:
            return _invalid("is_valid_salt", f"takes a salt of {SALT_BYTES} bytes")
        case HasPublicKey(account_id, public_key) if len(account_id) > MAX_TEXT or len(public_key) > MAX_TEXT:
            return _invalid("has_public_key", f"takes texts of at most {MAX_TEXT} characters")
        case BalanceOf(account_id, token) if len(account_id) > MAX_TEXT or len(token) > MAX_TEXT:
            return _invalid("balance_of", f"takes texts of at most {MAX_TEXT} characters")
        case IsKept(intent) if len(intent.id) > MAX_TEXT:
            return _invalid("is_kept", f"takes an id of at most {MAX_TEXT} characters")
        case Simulation(signed) if len(signed.text) > MAX_SIGNED:
            return _invalid("simulation", f"takes a message of at most {MAX_SIGNED} characters")
        case IsRegistered(contract_id, account_id) if max(len(contract_id), len(account_id)) > MAX_TEXT:
            return _invalid("is_registered", f"takes texts of at most {MAX_TEXT} characters")
        case _:
            return None


def _invalid(field: str, what: str) -> IntentError:
    message = f"{field} {what}"
    return IntentError(
        Reason.INVALID_FIELD, message, [Violation(field=field, reason=Reason.INVALID_FIELD, message=message)]
    )
