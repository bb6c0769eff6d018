"""Errors on an intent's way, as the seed names them: what is logged, who is told, what a caller is answered.

The record's own end is written by the steps (`service.py`): `handle_validation_error`, `handle_verification_error` and
`track_execution`. What nobody foresaw ends here, and never ends an intent (P4).
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from services.common.domain.intent import IntentRecord
from services.common.domain.lifecycle import Status
from services.common.errors import IntentError, Reason
from services.processor.alerts import Alerts
from services.processor.lane import AWAY
from services.processor.observe import Vocabulary

UNEXPECTED: Final = "Unexpected error processing intent"
VALIDATION_FAILED: Final = "Intent validation failed"
VERIFICATION_FAILED: Final = "Intent verification failed"
EXECUTION_FAILED: Final = "Intent execution failed"

MAX_REMEMBERED: Final = 1_024
"""Intents whose last unexpected error is kept for whoever asks."""
MAX_DETAILS: Final = 1_000
_OF_THE_CHAIN: Final = frozenset({Reason.VERIFICATION_FAILED, Reason.ID_TAKEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The seed's answer to whoever had an intent processed. `details` None where they are not for callers."""

    error: str
    details: str | None = None


class Failures:
    """`development` tells the details of unexpected errors."""

    def __init__(self, observe: Vocabulary, alerts: Alerts, *, development: bool = False) -> None:
        self._observe = observe
        self._alerts = alerts
        self._development = development
        self._last: OrderedDict[str, Answer] = OrderedDict()

    def unexpected(self, intent_id: str, error: Exception) -> Answer:
        """Logs it with its stack, tells people, and gives the answer. `intent_id` empty for the work as a whole."""
        self.log_error(intent_id, error)
        self.notify_if_critical(intent_id, error)
        details = f"{type(error).__name__}: {error}"[:MAX_DETAILS] if self._development else None
        answer = Answer(error=UNEXPECTED, details=details)
        self._last[intent_id] = answer
        self._last.move_to_end(intent_id)
        if len(self._last) > MAX_REMEMBERED:
            self._last.popitem(last=False)
        return answer

    def log_error(self, intent_id: str, error: Exception) -> None:
        """The one place where the stack is told."""
        self._observe.unexpected(intent_id, error)

    def notify_if_critical(self, intent_id: str, error: Exception) -> None:
        """Critical is whatever does not pass by itself: all but a dependency that is away."""
        if isinstance(error, IntentError):
            if error.reason in AWAY:
                return
            self._alerts.tell(str(error.reason), intent_id, f"{UNEXPECTED}: {error.message}")
            return
        # the error's own text stays in the log: it may hold anything
        self._alerts.tell(
            "UNEXPECTED", intent_id, f"{UNEXPECTED}: {type(error).__name__}; the log has its stack"
        )

    def answer(self, record: IntentRecord) -> Answer | None:
        """What its caller is told: why it failed, always whole; else the last unexpected error; None if all is well."""
        if record.status is not Status.FAILED:
            return None if record.terminal else self._last.get(record.intent_id)
        error = record.error_details
        details = None if error is None else f"{error.reason}: {error.message}"
        before = record.history[-2].status if len(record.history) > 1 else Status.PENDING
        if before is not Status.PENDING:
            return Answer(error=EXECUTION_FAILED, details=details)
        # nothing was ever sent: it is our own refusal, unless the contract keeps something else
        of_chain = bool(record.transactions) or (error is not None and error.reason in _OF_THE_CHAIN)
        return Answer(error=VERIFICATION_FAILED if of_chain else VALIDATION_FAILED, details=details)
