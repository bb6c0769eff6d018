"""The drill of docs/runbooks/stuck-intents.md, its commands as they stand there, on real processes."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.cli.cluster import ports as port_map
from services.cli.cluster.cluster import Cluster
from services.common.chain.near.transport import open_http
from tests.harness.servers import missing
from tests.harness.wait import eventually

pytestmark = [pytest.mark.timeout(150), pytest.mark.xdist_group("cluster")]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "runbooks" / "stuck-intents.md"
BLOCK = re.compile(r"^```(sh|text)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Step:
    """Commands of one block: exit code of the last, whether they are repeated until it is that, lines that show."""

    commands: str
    code: int
    again: bool
    shown: list[str]


def read() -> tuple[dict[str, str], list[Step]]:
    """Settings of the cluster, and the steps."""
    settings: dict[str, str] = {}
    steps: list[Step] = []
    for kind, info, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "text":
            steps[-1].shown += text.splitlines()
        elif "start" in info:
            settings = dict(one.split("=") for one in text.split() if re.fullmatch(r"[A-Z_]+=\d+", one))
            assert text.strip().endswith("intents cluster --sqlite")
        else:
            code = re.search(r"exit=(\d+)", info)
            steps.append(Step(text, int(code[1]) if code else 0, "again" in info, []))
    return settings, steps


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    if lacking := missing("valkey"):
        pytest.skip(f"missing: {lacking}")
    settings, _ = read()
    async with Cluster(tmp_path / "cluster", sqlite=True, env=settings) as made:
        yield made


def here(commands: str, cluster: Cluster) -> str:
    """The same at this cluster's ports."""
    actual = {port: cluster.ports[name] for name, port in port_map.DEFAULTS.items()}

    def port(found: re.Match[str]) -> str:
        return f"127.0.0.1:{actual[int(found[1])]}"

    return re.sub(r"127\.0\.0\.1:(\d+)", port, commands)


async def run(step: Step, cluster: Cluster, folder: Path) -> tuple[int, str]:
    """(exit code, output) of bash."""
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "INTENTS_TARGET": cluster.target,
        "INTENTS_PROCESSOR": f"127.0.0.1:{cluster.ports['processor']}",
    }
    process = await asyncio.create_subprocess_exec(
        "bash", "-eu", "-o", "pipefail", "-c", here(step.commands, cluster), cwd=folder, env=env,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


def shows(out: str, wanted: str) -> bool:
    """Whether a line has the parts of `wanted`, which … separates, in their order."""
    pattern = ".*".join(re.escape(part.strip()) for part in wanted.split("…"))
    return any(re.search(pattern, line) for line in out.splitlines())


async def test_p13_the_stuck_drill(cluster: Cluster, tmp_path: Path) -> None:
    _, steps = read()
    assert len(steps) >= 9, "the page has lost its drill"
    for step in steps:

        async def done(step: Step = step) -> str | None:
            code, out = await run(step, cluster, tmp_path)
            if code != step.code:
                assert step.again, f"exit code {code}, not {step.code}, of\n{step.commands}\n{out}"
                return None
            return out or "-"

        out = await eventually(done, 60)
        assert out is not None
        for line in step.shown:
            assert shows(out, line), f"{line!r} is not in what\n{step.commands}\nsays:\n{out}"
    async with open_http(cluster.chain_url) as chain:
        counted = await chain.call("devnet_counts", {})
    assert "drill-1" not in counted["intents"], "what failed had no effect on chain"
    shown = Step("intents get drill-1 --json", 0, False, [])
    record = json.loads((await run(shown, cluster, tmp_path))[1])
    assert (record["status"], record["errorDetails"]["reason"]) == ("failed", "EXPIRED")
