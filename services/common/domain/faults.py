"""Collects what is wrong with a body, field by field."""

from services.common.domain.strictjson import Number
from services.common.errors import IntentError, Reason, Violation


class Faults:
    """Each is an INVALID_FIELD that names its field. One that was read instead stands for what could not be."""

    def __init__(self) -> None:
        self.found: list[Violation] = []

    def add(self, name: str, why: str) -> None:
        """`why` goes on from the field's name."""
        self.found.append(Violation(field=name, reason=Reason.INVALID_FIELD, message=f"{name} {why}"))

    def text(self, name: str, value: object) -> str:
        """A string of JSON; empty if it is none."""
        if isinstance(value, str) and not isinstance(value, Number):
            return value
        self.add(name, "must be a string")
        return ""

    def check(self) -> None:
        """Raises IntentError INVALID_FIELD with everything found."""
        if self.found:
            raise IntentError(Reason.INVALID_FIELD, self.found[0].message, violations=tuple(self.found))
