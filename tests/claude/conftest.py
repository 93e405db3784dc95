"""Fixtures of the Claude tests: the real CLI if it is installed, a fake API, recorded streams, and harnesses."""

import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import psutil
import pytest

from sidecar.claude.process.environment import DATABASE_ENV
from tests.claude.client import NEWEST, OLDEST, SCRIPTED, ClaudeClient, Talk, check_usage, connected
from tests.claude.harness import MakeRunHarness, RunHarness
from tests.conftest import StartSidecar
from tests.fakes.anthropic import FakeAnthropic

ROOT = Path(__file__).parents[2]
PATIENCE_S: Final = 60.0
"""Time in which the processes of a test must have ended, on a loaded machine too."""
NATIVE = Path("@anthropic-ai", "claude-code-linux-x64", "claude")
PACKAGES = {NEWEST: NATIVE, OLDEST: Path(f"claude-{OLDEST}", "claude")}


@pytest.fixture(autouse=True)
def nothing_is_left_running(tmp_path: Path) -> Iterator[None]:
    """Fails a test after which a `claude` or a tool of it still runs: they all inherit the database's path."""
    yield
    database = str(tmp_path)
    until = time.monotonic() + PATIENCE_S
    while left := [one for one in psutil.process_iter() if database in _environment(one).get(DATABASE_ENV, "")]:
        assert time.monotonic() < until, f"still running: {left}"
        psutil.wait_procs(left, 0.1)


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.Error, OSError):  # it has ended, or is another user's
        return {}


@pytest.fixture
def release(request: pytest.FixtureRequest) -> str:
    """The release of the real CLI; `both_releases` runs a test with the oldest one as well."""
    return str(getattr(request, "param", NEWEST))


@pytest.fixture
def real_claude(release: str) -> Path:
    """The real binary: $SIDECAR_TEST_CLAUDE, or its npm package under $SIDECAR_TEST_NODE_MODULES (.ci/node_modules)."""
    named = os.environ.get("SIDECAR_TEST_CLAUDE") if release == NEWEST else None
    modules = Path(os.environ.get("SIDECAR_TEST_NODE_MODULES", ROOT / ".ci" / "node_modules"))
    path = Path(named) if named else modules / PACKAGES[release]
    if not path.is_file():
        pytest.skip(f"no real claude at {path}; set SIDECAR_TEST_CLAUDE")
    return path


@pytest.fixture
def recordings() -> Path:
    """The folder of the streams that were recorded from the real CLI."""
    folder = ROOT.parent / "shared" / "data" / "claude-stream"
    if not folder.is_dir():
        pytest.skip("the recorded streams are not in ../shared/data/claude-stream")
    return folder


@pytest.fixture
def api() -> Iterator[FakeAnthropic]:
    """A fake Messages API."""
    with FakeAnthropic() as fake:
        yield fake


@pytest.fixture
def real_environment(real_claude: Path, api: FakeAnthropic, tmp_path: Path) -> dict[str, str]:
    """Environment variables that make the sidecar use the real CLI, and the CLI the fake API."""
    return {**api.environment(tmp_path), "CLAUDE_PATH": str(real_claude)}


@pytest.fixture
async def real_client(
    sidecar: StartSidecar, real_environment: dict[str, str], api: FakeAnthropic
) -> AsyncIterator[ClaudeClient]:
    """A client of a sidecar with the real CLI.  The usage that it lists is what was billed."""
    async with connected(sidecar, **real_environment) as client:
        yield client
        await check_usage(client, api)


@pytest.fixture
def talk(release: str, request: pytest.FixtureRequest, sidecar: StartSidecar, tmp_path: Path) -> Talk:
    """Sidecars with the scripted `claude` or a real one."""
    if release == SCRIPTED:
        path = request.getfixturevalue("standin")
        return Talk(sidecar, {"CLAUDE_PATH": str(path), "CLAUDE_CONFIG_DIR": str(tmp_path / ".claude")}, None)
    return Talk(sidecar, request.getfixturevalue("real_environment"), request.getfixturevalue("api"))


@pytest.fixture
def make_run_harness(tmp_path: Path) -> MakeRunHarness:
    """Creates harnesses with an executable and an otherwise empty home."""
    isolated = {"PATH": os.environ.get("PATH", os.defpath), "CLAUDE_CONFIG_DIR": str(tmp_path / ".claude")}

    def make(executable: Path, environment: dict[str, str] | None = None) -> RunHarness:
        return RunHarness(executable, tmp_path, environment or isolated)

    return make


@pytest.fixture
def harness(standin: Path, make_run_harness: MakeRunHarness) -> RunHarness:
    """A harness with the fake CLI."""
    return make_run_harness(standin)


@pytest.fixture
def real_harness(real_claude: Path, api: FakeAnthropic, make_run_harness: MakeRunHarness, tmp_path: Path) -> RunHarness:
    """A harness with the real CLI, which uses the fake API only."""
    return make_run_harness(real_claude, api.environment(tmp_path))
