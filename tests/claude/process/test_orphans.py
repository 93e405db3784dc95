"""Whatever is killed, nothing that was started for Claude outlives it: with the stand-in, and with the real CLI.

Dead is what does not run: a zombie waits for a parent that may not be ours.
"""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from tests.claude.client import ClaudeClient, connected
from tests.claude.harness import processes_of, tools_of, until
from tests.conftest import StartSidecar
from tests.fakes.anthropic import FakeAnthropic

GONE_S = 60.0
"""Limit in seconds; 0.1 to 3 s were measured on an idle machine."""
MADE_S = 60.0

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a parent-death signal")


@dataclass(frozen=True)
class Cli:
    """A CLI, and prompts that make it use a tool which does not end: one in its group, one that left it by setsid."""

    environment: dict[str, str]
    tool: str
    runaway: str
    tool_name: str


@pytest.fixture(params=["standin", "real_claude"])
def cli(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cli]:
    path = str(request.getfixturevalue(request.param))
    if request.param == "standin":
        yield Cli({"CLAUDE_PATH": path}, "[[grandchild]] [[hang]]", "[[grandchild]] [[hang]]", "sleep")
        return
    api: FakeAnthropic = request.getfixturevalue("api")
    environment = {**api.environment(tmp_path), "CLAUDE_PATH": path}
    yield Cli(environment, "[[tool:bash:tail -f /dev/null]]", "[[tool:bash:setsid --wait tail -f /dev/null]]", "tail")


def cli_of(owner_id: str, tool_name: str) -> psutil.Process:
    """The CLI among the processes of an owner: the one that started a tool, or its parent."""
    (tool,) = tools_of(owner_id, tool_name)
    marked = {process.pid for process in processes_of(owner_id)}
    return [parent for parent in tool.parents() if parent.pid in marked][-1]


async def spawn(claude: ClaudeClient, prompt: str) -> str:
    """A run with a tool at work: its job's id."""
    job = await claude.client.call("claude.spawn", {"prompt": prompt, "allowed_tools": ["Bash"]})
    job_id: str = job["job_id"]
    return job_id


async def gone(*owner_ids: str) -> None:
    """Wait until nothing of these is left, for as long as that may take."""
    with anyio.fail_after(GONE_S):
        await until(lambda: not any(processes_of(owner_id) for owner_id in owner_ids))


async def works(owner_id: str, tool_name: str) -> None:
    with anyio.fail_after(MADE_S):
        await until(lambda: tools_of(owner_id, tool_name))


@only_linux
async def test_a_sidecar_killed_while_a_tool_works_takes_the_cli_and_the_tool_with_it(
    sidecar: StartSidecar, cli: Cli
) -> None:
    async with sidecar(**cli.environment) as client:
        await client.initialize("tests")
        job_id = await spawn(ClaudeClient(client), cli.tool)
        await works(job_id, cli.tool_name)
        client.process.kill()
        await client.process.wait()
    if cli.tool_name == "sleep":  # the stand-in does not look after its tools
        await until(lambda: len(processes_of(job_id)) == 1)
        async with connected(sidecar, **cli.environment):
            await gone(job_id)
    else:
        await gone(job_id)


@needs_signals
async def test_a_runaway_tool_of_a_killed_sidecar_is_found_by_the_next_one(sidecar: StartSidecar, cli: Cli) -> None:
    async with sidecar(**cli.environment) as client:
        await client.initialize("tests")
        claude = ClaudeClient(client)
        session = await claude.sessions.create(allowed_tools=["Bash"])
        await claude.sessions.send(session_id=session.session_id, prompt=cli.runaway)
        job_id = await spawn(claude, cli.runaway)
        for owner_id in (session.session_id, job_id):
            await works(owner_id, cli.tool_name)
        for owner_id in (session.session_id, job_id):  # so that nobody but the next sidecar looks after the tools
            cli_of(owner_id, cli.tool_name).kill()
        client.process.kill()
        await client.process.wait()
    async with connected(sidecar, **cli.environment):
        await gone(session.session_id, job_id)


@needs_signals
async def test_a_killed_cli_leaves_no_tool(sidecar: StartSidecar, cli: Cli) -> None:
    async with connected(sidecar, **cli.environment) as claude:
        job_id = await spawn(claude, cli.tool)
        await works(job_id, cli.tool_name)
        cli_of(job_id, cli.tool_name).kill()
        job = await claude.until_job(job_id, "failed")
        assert processes_of(job_id) == []
    assert job["error"]["kind"] == "killed_by_signal"


@pytest.mark.parametrize("how", ["cancel", "quit"])
async def test_a_tool_that_left_the_group_ends_with_its_run(sidecar: StartSidecar, cli: Cli, how: str) -> None:
    async with connected(sidecar, **cli.environment) as claude:
        job_id = await spawn(claude, cli.runaway)
        await works(job_id, cli.tool_name)
        if how == "cancel":
            await claude.client.call("jobs.cancel", {"job_id": job_id})
            await claude.until_job(job_id, "cancelled")
            assert processes_of(job_id) == []
    await gone(job_id)


# --- a CLI that does not behave, which only the stand-in is ----------------------------------------------------------


@needs_signals
@pytest.mark.parametrize("how", ["quit", "kill"])
@pytest.mark.parametrize("prompt", ["[[stubborn]] [[grandchild]] [[hang]]", "[[grandchild]] [[text:done]] [[linger]]"])
async def test_a_cli_that_will_not_go_goes(sidecar: StartSidecar, standin: Path, prompt: str, how: str) -> None:
    """One that ignores every request and signal, and one that has said its result and stays."""
    async with sidecar(CLAUDE_PATH=str(standin)) as client:
        await client.initialize("tests")
        claude = ClaudeClient(client)
        job_id = await spawn(claude, prompt)
        await claude.first_delta(job_id)
        await works(job_id, "sleep")
        if how == "kill":
            client.process.kill()
            await client.process.wait()
    if how == "kill":
        async with connected(sidecar, CLAUDE_PATH=str(standin)):
            await gone(job_id)
    else:
        await gone(job_id)


# --- numbers and starts ----------------------------------------------------------------------------------------------


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that bears no mark of ours."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def note(database: Path, pid: int, started_ts: float) -> None:
    """What a sidecar that was killed had written down."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("INSERT INTO claude_processes VALUES (?, ?, 'somebody')", (pid, started_ts))


def noted(database: Path) -> list[Any]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT pid FROM claude_processes").fetchall()


@pytest.mark.parametrize(("earlier_s", "dies"), [(0.0, True), (3600.0, False)])
async def test_what_was_noted_is_killed_if_number_and_start_agree(
    sidecar: StartSidecar, data_dir: Path, stranger: subprocess.Popen[bytes], earlier_s: float, dies: bool
) -> None:
    async with connected(sidecar):
        pass
    database = data_dir / "sidecar.db"
    note(database, stranger.pid, psutil.Process(stranger.pid).create_time() - earlier_s)
    async with connected(sidecar):
        with anyio.fail_after(GONE_S):
            await until(lambda: noted(database) == [])
    assert (stranger.poll() is not None) is dies


async def test_a_process_is_noted_as_long_as_it_runs(sidecar: StartSidecar, standin: Path, data_dir: Path) -> None:
    database = data_dir / "sidecar.db"
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create()
        pid = int(await claude.answer_text(session.session_id, "[[pid]]"))
        assert noted(database) == [(pid,)]
        os.kill(pid, signal.SIGTERM)
        assert int(await claude.answer_text(session.session_id, "[[pid]]")) != pid
        assert noted(database) != [(pid,)]
    assert noted(database) == []
