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
from tests.electron.compiling import MODULES, ROOT, compile_once, install, missing, pack_once

CHROMIUM: Final = "SIDECAR_TEST_CHROMIUM"
FILE_TIMEOUT_MS: Final = 840_000
"""Timeout of one file of tests, in milliseconds; on an idle machine the slowest file takes about 20 s."""

RunNode = Callable[..., None]


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The folder of the package's development dependencies."""
    if (absent := missing()) is not None:
        pytest.skip(absent)
    return MODULES


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of pytest-xdist share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def compiled(node_modules: Path, shared: Path) -> Path:
    """The package and its tests as JavaScript, compiled once for all workers."""
    out = shared / "typescript"
    assert compile_once(out) == ""
    return out


@pytest.fixture(scope="session")
def archive(node_modules: Path, shared: Path) -> Path:
    """The archive of `npm pack`, made once for all workers."""
    return pack_once(shared / "packed")


@pytest.fixture(scope="session")
def packed(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package, Electron's types and Node's types in its `node_modules`."""
    app = tmp_path_factory.mktemp("app")
    (app / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    install(archive, app)
    return app


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
