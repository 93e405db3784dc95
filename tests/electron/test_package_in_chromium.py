"""The bridge in Chromium, in place of Electron's windows, with the real sidecar."""

import pytest

from tests.electron.conftest import CHROMIUM, RunNode, chromium


def test_in_chromium(run_node: RunNode) -> None:
    if chromium() is None:
        pytest.skip(f"no chromium on PATH; set {CHROMIUM}")
    run_node("bridge_in_chromium")
