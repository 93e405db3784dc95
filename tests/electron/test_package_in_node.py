"""protocol/typescript in plain Node, with the real sidecar and fakes of Electron's modules."""

from pathlib import Path

import pytest

from tests.electron.conftest import RunNode

HERE = Path(__file__).parent
FILES = sorted(path.name.removesuffix(".test.mts") for path in HERE.glob("*.test.mts"))
ELSEWHERE = ("bridge_in_chromium", "example", "hooks", "real_electron", "recipes")
IN_NODE = [name for name in FILES if not name.startswith(ELSEWHERE)]


@pytest.mark.parametrize("name", IN_NODE)
def test_in_node(name: str, run_node: RunNode) -> None:
    run_node(name)
