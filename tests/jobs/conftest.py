"""Fixtures of the queue's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.jobs.harness import Shop, open_shop


@pytest.fixture
async def shop(data_dir: Path) -> AsyncIterator[Shop]:
    """A workshop, whose worker is not at work yet."""
    async with open_shop(data_dir / "sidecar.db") as made:
        yield made
