"""Writes docs/rules.md: every rule of the validator, in the order they are applied.

`python -m tools.rules_doc` writes the file, `--check` only says whether it is current (exit code 1: it is not).
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from services.validator.rules import TABLE
from services.validator.rules.rule import Rule

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
"""


def document() -> str:
    """The whole file."""
    parts = [HEAD]
    for stage, rules in TABLE.stages.items():
        rows = ["| rule | kind | reason | field | asks | to mend it |", "|---|---|---|---|---|---|"]
        rows += map(_row, rules)
        parts.append(f"## {stage.capitalize()}\n\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _row(rule: Rule) -> str:
    cells = (
        f"`{rule.name}`",
        str(rule.kind),
        ", ".join(f"`{reason}`" for reason in rule.reasons),
        ", ".join(f"`{field}`" for field in rule.fields),
        rule.asks,
        rule.mend,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


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
