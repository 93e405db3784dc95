"""Fixtures of the tests of protocol/typescript: they are compiled together with what they test, and run by Node.

Each `*.test.mts` is one test here; its own tests are named in its report.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.electron.compiling import MODULES, ROOT, compile_into, missing
from tests.process.host import environment

CHROMIUM: Final = "SIDECAR_TEST_CHROMIUM"
PATIENCE_MS: Final = 240_000
"""Limit of a test file; each of its tests gives up sooner. On an idle machine the slowest file takes 15 s."""

RunNode = Callable[..., None]


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The package's development dependencies, with Node to run them."""
    if (absent := missing()) is not None:
        pytest.skip(absent)
    return MODULES


@pytest.fixture(scope="session")
def compiled(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package and its tests as JavaScript; whatever the compiler objects to fails here."""
    out = tmp_path_factory.mktemp("electron")
    assert compile_into(out) == ""
    return out


@pytest.fixture
def run_node(compiled: Path, tmp_path: Path) -> RunNode:
    """Run one file of tests, with more in its environment."""

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
            ["node", "--test", "--test-reporter=spec", f"--test-timeout={PATIENCE_MS}", str(file)],
            env=environment(tmp_path / "unused", more),
            capture_output=True,
            text=True,
            timeout=PATIENCE_MS / 1_000 + 10,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]

    return run


def chromium() -> str | None:
    """A Chromium to drive; None: there is none."""
    return os.environ.get(CHROMIUM) or shutil.which("chromium") or shutil.which("chromium-browser")
