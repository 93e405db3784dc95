"""The bridge in a real browser, which stands in for Electron's windows, against the real sidecar."""

import pytest

from tests.electron.conftest import CHROMIUM, RunNode, chromium


def test_in_chromium(run_node: RunNode) -> None:
    if chromium() is None:
        pytest.skip(f"no chromium on PATH; set {CHROMIUM}")
    run_node("page")
