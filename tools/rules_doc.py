"""Writes docs/rules.md: every rule of the validator, in the order they are applied.

`python -m tools.rules_doc` writes the file, `--check` only says whether it is current (exit code 1: it is not).
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from services.validator.messages.rules import TABLE as MESSAGES
from services.validator.messages.rules.faults import INTENT
from services.validator.rules import TABLE
from services.validator.rules.rule import Rule, Table

TARGET: Final = Path(__file__).resolve().parent.parent / "docs" / "rules.md"
HEAD: Final = """\
# Rules

<!-- Written by `python -m tools.rules_doc` from the validator's table; a test says when it is not current. -->

What an intent must meet, in the order it is asked. A stage is looked at only if the ones before it found nothing; of
the first stage that finds something, everything is reported. A *protocol* rule is one that the contract keeps too: what
it refuses would have been refused on chain, for gas. A *policy* rule is this installation's own. Names and reasons are
stable.

A submission that has no form to be judged in (a field of a wrong type, a key that is none of an intent's) is refused
before the rules, with `INVALID_FIELD` and the field. Where a rule needs a view of the contract that cannot be had, the
answer is `DEPENDENCY_UNAVAILABLE`: neither valid nor refused.

`intents validate --explain` shows for one intent what became of each of them, and what it saw; `--full` goes on after
the first stage that refuses. HTTP and gRPC have [the same](http.md#validating).

Two tables: what is asked of an intent with its fields, and what of [a signed message on its own](messages.md).
"""
ALONE: Final = """\
# Rules for a signed message on its own

The contract here is near/intents'. A rule on an intent names a field of it, with the intent's place between the
brackets. Whatever the contract would refuse of the intents by itself stands in the first three stages, and what it
cannot read in the last, after the signature, as the contract meets it.
"""


def document() -> str:
    """The whole file."""
    return "\n".join([HEAD, *_stages(TABLE, ""), ALONE, *_stages(MESSAGES, " of a message")])


def _stages(table: Table, of: str) -> Iterator[str]:
    for stage, rules in table.stages.items():
        rows = ["| rule | kind | reason | field | asks | to mend it |", "|---|---|---|---|---|---|"]
        rows += map(_row, rules)
        yield f"## {stage.capitalize()}{of}\n\n" + "\n".join(rows) + "\n"


def _row(rule: Rule) -> str:
    cells = (
        f"`{rule.name}`",
        str(rule.kind),
        ", ".join(f"`{reason}`" for reason in rule.reasons),
        _fields(rule.fields),
        rule.asks,
        rule.mend,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _fields(fields: Sequence[str]) -> str:
    """Each field; of intents within a message one path, and what may stand at its end."""
    ends = [field.removeprefix(f"{INTENT}.") for field in fields if field.startswith(f"{INTENT}.")]
    if len(ends) < 2:
        return ", ".join(f"`{field}`" for field in fields)
    others = [f"`{field}`" for field in fields if not field.startswith(f"{INTENT}.")]
    return ", ".join([*others, f"`{INTENT}.` and " + ", ".join(f"`{end}`" for end in ends)])


def main(argv: Sequence[str]) -> int:
    """The exit code."""
    made = document()
    if argv == ["--check"]:
        current = TARGET.is_file() and TARGET.read_text("utf-8") == made
        if not current:
            print(f"{TARGET.name} is not current: python -m tools.rules_doc writes it", file=sys.stderr)
        return int(not current)
    if argv:
        print("usage: python -m tools.rules_doc [--check]", file=sys.stderr)
        return 2
    TARGET.write_text(made, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
