"""Which part of what is overdue a backend is asked for."""

from dataclasses import dataclass
from datetime import datetime

from services.common.domain.outcomes import OverdueCause


@dataclass(frozen=True, slots=True)
class OverdueKey:
    """A place in the range of a cause: by time, then id; of writes past the store by our status, theirs, creation,
    id."""

    at: datetime
    intent_id: str
    ours: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class OverdueRange:
    """Up to `limit` documents of a cause after a key: openUntil, nextActionAt or held.since before `before`, or a text
    as status that is not versionStatus. `brief`: no more of them is needed than these fields and their times."""

    cause: OverdueCause
    before: datetime
    after: OverdueKey | None
    limit: int
    brief: bool = False
