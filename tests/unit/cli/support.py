"""What tests of the command line share."""

import asyncio
import io
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from intents.v1 import intent_service_pb2 as pb
from services.cli.main import main
from tests.unit.client.support import Script, serving

FIELDS = ["--id=a", "--action=swap", "--input-token=USDC", "--input-amount=100", "--output-token=NEAR"]


class Terminal:
    """Runs `intents` as a person would; standard input is empty unless given."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        self.target = "127.0.0.1:1"

    async def run(self, *argv: str, stdin: str = "") -> tuple[int, str, str]:
        """(exit code, standard output, standard error)."""
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        self._monkeypatch.setenv("INTENTS_TARGET", self.target)
        self._capsys.readouterr()
        try:
            code = await asyncio.to_thread(main, argv)
        except SystemExit as left:
            code = int(left.code or 0)
        shown = self._capsys.readouterr()
        return code, shown.out, shown.err

    async def json(self, *argv: str, stdin: str = "") -> Any:
        """Standard output of a run that must succeed."""
        code, out, err = await self.run(*argv, "--json", stdin=stdin)
        assert (code, err) == (0, "")
        return json.loads(out)

    @asynccontextmanager
    async def at(self, script: Script) -> AsyncIterator[None]:
        """With an edge that follows the script."""
        async with serving(script) as self.target:
            yield


def answering(**answers: Any) -> Script:
    """A script where each method has one answer."""

    def handler(answer: Any) -> Any:
        async def handle(request: Any, context: Any) -> Any:
            return answer

        return handle

    token = pb.TokenInfo(id="USDC", symbol="USDC", decimals=6, min_amount="5", pairs=["NEAR"], paused=True)
    info = pb.GetInfoResponse(
        network="localnet", verifying_contract="verifier.near", version="1", tokens=[token], registry="abc"
    )
    return Script(**{name: handler(answer) for name, answer in {"GetInfo": info, **answers}.items()})
