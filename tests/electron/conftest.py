"""Fixtures for the tests of protocol/typescript, which are compiled together with the package and run by Node.

pytest sees each `*.test.mts` file as one test; Node's report names the tests in it.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from sidecar.paths import isolated_environment
from tests.electron.compiling import MODULES, ROOT, compile_once, missing

CHROMIUM: Final = "SIDECAR_TEST_CHROMIUM"
FILE_TIMEOUT_MS: Final = 240_000
"""Timeout of one file of tests, in milliseconds; on an idle machine the slowest file takes about 20 s."""

RunNode = Callable[..., None]


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The folder of the package's development dependencies."""
    if (absent := missing()) is not None:
        pytest.skip(absent)
    return MODULES


@pytest.fixture(scope="session")
def compiled(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package and its tests as JavaScript, compiled once for all workers of pytest-xdist."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    out = shared / "typescript"
    assert compile_once(out) == ""
    return out


@pytest.fixture
def run_node(compiled: Path, tmp_path: Path) -> RunNode:
    """Runs one file of tests, with additional environment variables."""

    def run(name: str, **more_environment: str) -> None:
        file = compiled / "tests" / "electron" / f"{name}.test.mjs"
        more = {
            "SIDECAR_ROOT": str(ROOT),
            "SIDECAR_PYTHON": sys.executable,
            "SIDECAR_TEMPORARY": str(tmp_path),
            "SIDECAR_COMPILED": str(compiled),
            "SIDECAR_CHROMIUM": chromium() or "",
            **more_environment,
        }
        done = subprocess.run(
            ["node", "--test", "--test-reporter=spec", f"--test-timeout={FILE_TIMEOUT_MS}", str(file)],
            env=isolated_environment(tmp_path / "unused", more),
            capture_output=True,
            text=True,
            timeout=FILE_TIMEOUT_MS / 1_000 + 10,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]

    return run


def chromium() -> str | None:
    """Returns the path of a Chromium, or None if none is installed."""
    return os.environ.get(CHROMIUM) or shutil.which("chromium") or shutil.which("chromium-browser")
