"""The fixture of the queue's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.jobs.harness import JobsHarness, open_harness


@pytest.fixture
async def harness(data_dir: Path) -> AsyncIterator[JobsHarness]:
    """Yields an app whose worker does not run yet."""
    async with open_harness(data_dir / "sidecar.db") as harness:
        yield harness
