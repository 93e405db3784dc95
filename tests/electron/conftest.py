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

from tests.process.host import environment

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "protocol" / "typescript"
CHROMIUM: Final = "SIDECAR_TEST_CHROMIUM"

RunNode = Callable[[str], None]


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The package's development dependencies, with Node to run them."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    modules = PACKAGE / "node_modules"
    for name in ("typescript", "electron", "esbuild", "playwright-core", "vscode-jsonrpc"):
        if not (modules / name / "package.json").is_file():
            pytest.skip(f"{name} is not installed: `npm install --ignore-scripts` in protocol/typescript")
    return modules


@pytest.fixture(scope="session")
def compiled(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package and its tests as JavaScript; whatever the compiler objects to fails here."""
    out = tmp_path_factory.mktemp("electron")
    (out / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    (out / "node_modules").symlink_to(node_modules, target_is_directory=True)
    tsc = str(node_modules / ".bin" / "tsc")
    done = subprocess.run(
        [tsc, "-p", str(ROOT / "tests" / "electron"), "--outDir", str(out)], capture_output=True, text=True, check=False
    )
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)
    return out


@pytest.fixture
def run_node(compiled: Path, tmp_path: Path) -> RunNode:
    """Run one file of tests."""

    def run(name: str) -> None:
        file = compiled / "tests" / "electron" / f"{name}.test.mjs"
        more = {
            "SIDECAR_ROOT": str(ROOT),
            "SIDECAR_PYTHON": sys.executable,
            "SIDECAR_TEMPORARY": str(tmp_path),
            "SIDECAR_COMPILED": str(compiled),
            "SIDECAR_CHROMIUM": chromium() or "",
        }
        done = subprocess.run(
            ["node", "--test", "--test-reporter=spec", "--test-timeout=45000", str(file)],
            env=environment(tmp_path / "unused", more),
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]

    return run


def chromium() -> str | None:
    """A Chromium to drive; None: there is none."""
    named = os.environ.get(CHROMIUM)
    return named or shutil.which("chromium") or shutil.which("chromium-browser")
