"""protocol/typescript in plain Node: against the real sidecar, and with Electron's parts stood in for."""

from pathlib import Path

import pytest

from tests.electron.conftest import RunNode

HERE = Path(__file__).parent
IN_CHROMIUM = {"page", *(path.name.removesuffix(".test.mts") for path in HERE.glob("hub*.test.mts"))}
FILES = sorted(path.name.removesuffix(".test.mts") for path in HERE.glob("*.test.mts"))


@pytest.mark.parametrize("name", [name for name in FILES if name not in IN_CHROMIUM])
def test_in_node(name: str, run_node: RunNode) -> None:
    run_node(name)
