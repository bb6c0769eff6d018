"""`python -m services.embedded [--once | --serve]`: everything in one process (`make run`).

Without a flag a signed example goes its way and then the suite serves; `--once` ends after the example,
`--serve` leaves it out. Exit codes: 0; 1 if it could not start or the example did not complete; 2 for a bad setting.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NoReturn

from intents_client import IntentsError
from services.common.clock import Clock, SystemClock
from services.common.config import load
from services.common.observe import logs, trace
from services.common.rpc.runtime import loop_factory, run
from services.embedded import example
from services.embedded.app import Embedded, build
from services.embedded.config import EmbeddedSettings

FLAGS = ("--once", "--serve")


def say(text: str) -> None:
    """To the person who started it."""
    print(text, flush=True)


@dataclass(slots=True)
class Session:
    """One run: what was built, when it is up, when it shall end, and how the example went."""

    settings: EmbeddedSettings
    once: bool
    serve: bool
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    app: Embedded | None = None
    failed: bool = False

    @asynccontextmanager
    async def build(self, settings: EmbeddedSettings, clock: Clock) -> AsyncIterator[Embedded]:
        """`app.build`, remembered."""
        async with build(settings, clock) as app:
            self.app = app
            yield app

    async def guide(self) -> None:
        """Once all is up: the example, then where everything is."""
        await self.ready.wait()
        assert self.app is not None and self.app.rpc is not None
        if not self.serve:
            try:
                self.failed = not await example.run(self.app.rpc.address, say)
            except (IntentsError, TimeoutError) as error:
                self.failed = True
                say(f"the example did not complete: {error}")
        if self.once:
            self.stop.set()
            return
        say(f"\nserving: gRPC {self.app.rpc.address}, HTTP and socket.io http://{self.app.http}/api/info")
        if self.app.admin is not None:
            say(f"metrics http://{self.app.admin.address}/metrics, chain http://{self.app.devnet.http}/")
        command = ".venv/bin/intents" if os.path.exists(".venv/bin/intents") else "intents"
        say(f"data in {self.settings.data_dir}/; try `{command} --help` in another terminal; Ctrl-C ends it")

    async def run(self) -> int:
        """The exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop.set)
        guide = asyncio.create_task(self.guide())
        try:
            code = await run("embedded", self.settings, self.build, SystemClock(), self.stop, self.ready)
        finally:
            guide.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await guide
        return code or int(self.failed)


def main(argv: list[str]) -> NoReturn:
    flags = [argument for argument in argv if argument in FLAGS]
    rest = [argument for argument in argv if argument not in FLAGS]
    settings = load(EmbeddedSettings, prog="embedded", argv=rest)
    # at a terminal the example's own lines are what is read; LOG_LEVEL asks for more
    level = settings.log_level if "LOG_LEVEL" in os.environ else "warning"
    logs.configure(settings.log_format, level, "embedded", settings.service_instance)
    trace.configure(
        "embedded",
        settings.service_instance,
        endpoint=settings.otlp_endpoint,
        ratio=settings.trace_sample_ratio,
    )
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        session = Session(settings, once="--once" in flags, serve="--serve" in flags)
        code = runner.run(session.run())
    trace.shutdown()
    raise SystemExit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
