"""The shapes as fixtures; `processes` tests share one cluster, so they stay together on one worker."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.harness import shapes
from tests.harness.shapes import Shape


@pytest_asyncio.fixture(
    params=["embedded", pytest.param("processes", marks=pytest.mark.xdist_group("cluster"))]
)
async def shape(
    request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shape]:
    """The suite, once in each shape."""
    if request.param == "embedded":
        async with shapes.embedded(tmp_path) as opened:
            yield opened
        return
    async with shapes.processes(shapes.shared_cluster(request.config, tmp_path_factory)) as opened:
        yield opened
