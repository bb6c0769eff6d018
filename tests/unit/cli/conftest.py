"""A terminal, and an edge for it to call."""

import pytest

from tests.unit.cli.support import Terminal


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name in ("INTENTS_TOKEN_FILE", "INTENTS_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    return Terminal(capsys, monkeypatch)
