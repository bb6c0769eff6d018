"""What the validator shows of itself."""

import logging
from typing import Any, Final

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

        self._unapplied = metrics.counter(
            observe.registry,
            "validator_rules_not_applied_total",
            "Intents on which a rule could not be applied, and which were judged without it",
            ("rule",),
        )
        self._reads = metrics.counter(
            observe.registry,
            "validator_file_reads_total",
            "Changes of the registry's or the prices' file seen, by outcome",
            ("file", "outcome"),
        )
        self._refused = metrics.gauge(
            observe.registry,
            "validator_file_refused",
            "1 while the file in place cannot be used and what was read before stays in force",
            ("file",),
        )
        self._tokens = metrics.gauge(
            observe.registry, "validator_registry_tokens", "Tokens that the registry in force names"
        )
        self._notes = observe.notes

    def registry(self, tokens: int) -> None:
        """So many tokens are named now."""
        self._tokens().set(tokens)

    def file_watched(self, file: str) -> None:
        """A file was read at the start."""
        self._refused(file).set(0)

    def file_taken(self, file: str, **what: Any) -> None:
        """It changed and is in force."""
        self._reads(file, "taken").inc()
        self._well(file)
        logs.event(logger, logging.INFO, "file.taken", file=file, **what)

    def file_refused(self, file: str, why: str) -> None:
        """It changed and cannot be used; called once for each reason."""
        self._reads(file, "refused").inc()
        self._refused(file).set(1)
        self._notes[file] = f"the last good one is in force: {why}"
        logs.event(logger, logging.ERROR, "file.refused", file=file, why=why)

    def file_settled(self, file: str) -> None:
        """It says again what is in force."""
        self._well(file)
        logs.event(logger, logging.INFO, "file.settled", file=file)

    def _well(self, file: str) -> None:
        self._refused(file).set(0)
        self._notes.pop(file, None)

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

    def not_applied(self, rule: str) -> None:
        """That rule could not be applied to an intent."""
        self._unapplied(rule).inc()

    def views_unavailable(self, error: IntentError) -> None:
        """The contract's views could not be had."""
        logs.event(logger, logging.WARNING, "chain.views_unavailable", reason=str(error.reason))
