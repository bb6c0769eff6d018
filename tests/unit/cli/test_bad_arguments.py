"""Arguments no shell should have let through: one sentence, code 2, nothing sent."""

import pytest

from tests.unit.cli.support import FIELDS, Terminal, answering

NO_TEXT = "\udcff\udc80"


@pytest.mark.parametrize(
    "argv",
    [
        ["get", NO_TEXT],
        ["status", NO_TEXT],
        ["watch", "a", "--cursor", NO_TEXT],
        ["list", "--user-account", NO_TEXT],
        ["cancel", "a", "--request-id", NO_TEXT],
        ["submit", *FIELDS, f"--min-output-amount={NO_TEXT}"],
        ["status", "a", "--min-version", "99999999999999999999"],
        ["status", "a", "--min-version", "-1"],
        ["list", "--limit", "-1"],
        ["list", "--limit", "1e3"],
        ["submit", *FIELDS, "--lifetime", "999999999d"],
        ["submit", *FIELDS, "--lifetime", "٣m"],
        ["submit", *FIELDS, "--max-slippage", "007"],
        ["info", "--deadline", "99999999h"],
        ["info", "--target", ""],
    ],
)
async def test_p10_an_argument_that_cannot_be_meant_is_refused(terminal: Terminal, argv: list[str]) -> None:
    script = answering()
    async with terminal.at(script):
        code, out, err = await terminal.run(*argv)
    assert (code, out) == (2, "")
    assert err.startswith("intents: ") and "Traceback" not in err
    assert script.calls == []
