"""A client for each test, with its own database."""

from pathlib import Path

import pytest

from tests.crashes.recovering_client import RecoveringClient


@pytest.fixture
def client(data_dir: Path, tmp_path: Path) -> RecoveringClient:
    return RecoveringClient(data_dir, tmp_path / "step log")
