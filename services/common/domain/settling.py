"""What a person, or the processor in a person's place, does with an intent that nobody ends; each act is kept."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from services.common.domain.intent import IntentRecord

BY_PROCESSOR: Final = "processor"
"""Who acts where no person does."""
BY_OPERATOR: Final = "operator:"
"""What a person's name stands behind."""
MAX_BY: Final = 64
MAX_REASON: Final = 1_024
MAX_EVIDENCE: Final = 4_096


class Act(StrEnum):
    """What is done."""

    NOTE = "note"  # an entry for people to read, nothing else
    WAKE = "wake"  # due at once, unless somebody is at work on it
    FAIL = "fail"  # ended as failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """An act on one intent. `seen_version` is the version it was judged by; `by` and `reason` are never empty."""

    intent_id: str
    act: Act
    by: str
    reason: str
    evidence: str = ""
    seen_version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what when and why, and what was seen. `act` is an Act, or a choice of `intents admin resolve`."""

    at: datetime
    by: str
    act: str
    reason: str
    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """An intent as it stands, and the newest of what was done with it, oldest first."""

    record: IntentRecord
    entries: tuple[AuditEntry, ...] = ()
