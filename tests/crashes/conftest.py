"""A witness for each test: a host with a database and a ledger of its own."""

from pathlib import Path

import pytest

from tests.crashes.acknowledged import Witness


@pytest.fixture
def witness(data_dir: Path, tmp_path: Path) -> Witness:
    """A host that outlives its sidecars."""
    return Witness(data_dir, tmp_path / "ledger")
