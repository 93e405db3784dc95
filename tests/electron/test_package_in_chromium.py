"""The bridge in Chromium, in place of Electron's windows, with the real sidecar; the hooks for React."""

import pytest

from tests.electron.conftest import CHROMIUM, RunNode, chromium


@pytest.mark.parametrize("name", ["bridge_in_chromium", "hooks"])
def test_in_chromium(name: str, run_node: RunNode) -> None:
    if chromium() is None:
        pytest.skip(f"no chromium on PATH; set {CHROMIUM}")
    run_node(name)
