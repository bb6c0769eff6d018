"""How a verdict came about, for people."""

from collections.abc import Mapping
from typing import Any

from services.cli import output


def explain(verdict: Mapping[str, Any]) -> None:
    """A table of every rule, below it what each that refused found and how to mend it, then what was signed."""
    explanation = verdict.get("explanation", {})
    rules = explanation.get("rules", [])
    rows = [
        (one["rule"], one["stage"], one["kind"], one["status"].replace("_", " "), one["seen"])
        for one in rules
    ]
    output.table(rows, ("RULE", "STAGE", "KIND", "OUTCOME", "SEEN"))
    for one in rules:
        if one["status"] in ("failed", "unavailable"):
            print(f"\n{one['rule']}: {one['asks']}")
            for violation in one.get("violations", ()):
                print(f"  {violation['field']}: {violation['message']} ({violation['reason']})")
            if one["status"] == "failed":
                print(f"  To mend it: {one['mend']}")
    signed = explanation.get("signed")
    if signed is not None:
        _content(signed)
    print("\nvalid" if verdict["valid"] else "\nnot valid")
    # what no rule found: the message could not even be handed to them
    if not any(one.get("violations") for one in rules):
        for one in verdict.get("details", ()):
            print(f"  {one['field']}: {one['message']} ({one['reason']})")


def _content(signed: Mapping[str, Any]) -> None:
    whole = len(signed["text"].encode()) >= signed["textBytes"]
    print(f"\nSigned message, {signed['textBytes']} bytes{'' if whole else ', its beginning'}:")
    print(f"  {_printable(signed['text'])}")
    whole = len(signed["hex"]) // 2 >= signed["bytes"]
    print(f"What the signature is over, {signed['bytes']} bytes in hex{'' if whole else ', its beginning'}:")
    print(f"  {signed['hex']}")


def _printable(text: str) -> str:
    """A stranger's text must not steer a terminal; line ends are shown with the rest of it."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
