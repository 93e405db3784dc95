"""The example app under Electron's own binary, which no package registry has."""

import sys

import pytest

from tests.electron.compiling import MODULES
from tests.electron.conftest import RunNode

DIST = MODULES / "electron" / "dist"
BINARY = DIST / {"darwin": "Electron.app/Contents/MacOS/Electron", "win32": "electron.exe"}.get(
    sys.platform, "electron"
)


def test_the_example_app_runs_under_electron(run_node: RunNode) -> None:
    if not BINARY.is_file():
        pytest.skip("Electron's binary is not installed: `npx install-electron` in protocol/typescript")
    run_node("real_electron", SIDECAR_ELECTRON=str(BINARY))
