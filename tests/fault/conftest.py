"""One cluster for all of them, the same that the end-to-end tests of this worker use."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.harness import shapes
from tests.harness.shapes import Shape


@pytest_asyncio.fixture
async def shape(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shape]:
    """Seven processes, all of them running at the start."""
    async with shapes.processes(shapes.shared_cluster(request.config, tmp_path_factory)) as opened:
        yield opened
