"""What the validator shows of itself."""

import logging
from typing import Final

from services.common.domain.outcomes import Verdict
from services.common.errors import IntentError
from services.common.observe import Observe, logs, metrics

logger: Final = logging.getLogger(__name__)


class Vocabulary:
    """Its events and metrics. Label values are the four stages, "valid" and "unavailable"."""

    def __init__(self, observe: Observe) -> None:
        self._verdicts = metrics.counter(
            observe.registry, "validator_verdicts_total", "Verdicts given, by outcome", ("outcome",)
        )
        self._reasons = metrics.counter(
            observe.registry, "validator_violations_total", "First violations of refused intents", ("reason",)
        )

    def judged(self, verdict: Verdict) -> None:
        """One verdict was given."""
        if verdict.valid:
            self._verdicts("valid").inc()
            return
        self._verdicts(verdict.failed_stage or "unavailable").inc()
        if verdict.violations:
            reason = str(verdict.violations[0].reason)
            self._reasons(reason).inc()
            logs.event(logger, logging.DEBUG, "intent.refused", stage=verdict.failed_stage, reason=reason)

    def views_unavailable(self, error: IntentError) -> None:
        """The contract's views could not be had."""
        logs.event(logger, logging.WARNING, "chain.views_unavailable", reason=str(error.reason))
