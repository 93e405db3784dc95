"""No process that was started for Claude is left behind, with the fake and with the real CLI.

Zombies do not count: only their parent, which may not be ours, can remove them.
"""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from sidecar.claude.process.environment import JOB_ENV
from sidecar.claude.process.orphans import StoredProcess, kill_orphans, still_running
from tests.claude.client import ClaudeClient, connected
from tests.claude.harness import cli_of, processes_of, tools_of, until
from tests.conftest import StartSidecar
from tests.fakes.anthropic import FakeAnthropic
from tests.process.raw_client import is_running

END_S = 60.0
"""Time limit in seconds; 0.1 to 3 s were measured on an idle machine."""
START_S = 60.0

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a parent-death signal")


@dataclass(frozen=True)
class Cli:
    """A CLI, with prompts that start a tool which does not end: in the process group, and outside it by setsid."""

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


async def spawn(claude: ClaudeClient, prompt: str) -> str:
    """Queues a run; returns its job's id."""
    job = await claude.client.call("claude.spawn", {"prompt": prompt, "allowed_tools": ["Bash"]})
    job_id: str = job["job_id"]
    return job_id


async def ended(*owner_ids: str) -> None:
    with anyio.fail_after(END_S):
        await until(lambda: not any(processes_of(owner_id) for owner_id in owner_ids))


async def runs(owner_id: str, tool_name: str) -> None:
    with anyio.fail_after(START_S):
        await until(lambda: tools_of(owner_id, tool_name))


@only_linux
async def test_the_cli_and_the_tool_of_a_killed_sidecar_end(sidecar: StartSidecar, cli: Cli) -> None:
    async with sidecar(**cli.environment) as client:
        await client.initialize("tests")
        job_id = await spawn(ClaudeClient(client), cli.tool)
        await runs(job_id, cli.tool_name)
        client.process.kill()
        await client.process.wait()
    if cli.tool_name == "sleep":  # the fake CLI does not end its tools
        await until(lambda: len(processes_of(job_id)) == 1)
        async with connected(sidecar, **cli.environment):
            await ended(job_id)
    else:
        await ended(job_id)


@needs_signals
async def test_a_tool_that_left_the_process_group_is_killed_by_the_next_sidecar(
    sidecar: StartSidecar, cli: Cli
) -> None:
    async with sidecar(**cli.environment) as client:
        await client.initialize("tests")
        claude = ClaudeClient(client)
        session = await claude.sessions.create(allowed_tools=["Bash"])
        await claude.sessions.send(session_id=session.session_id, prompt=cli.runaway)
        job_id = await spawn(claude, cli.runaway)
        for owner_id in (session.session_id, job_id):
            await runs(owner_id, cli.tool_name)
        for owner_id in (session.session_id, job_id):  # so that only the next sidecar can end the tools
            cli_of(owner_id).kill()
        client.process.kill()
        await client.process.wait()
    async with connected(sidecar, **cli.environment):
        await ended(session.session_id, job_id)


@needs_signals
async def test_a_killed_cli_leaves_no_tool(sidecar: StartSidecar, cli: Cli) -> None:
    async with connected(sidecar, **cli.environment) as claude:
        job_id = await spawn(claude, cli.tool)
        await runs(job_id, cli.tool_name)
        cli_of(job_id).kill()
        job = await claude.until_job(job_id, "failed")
        assert processes_of(job_id) == []
    assert job["error"]["kind"] == "killed_by_signal"


@pytest.mark.parametrize("how", ["cancel", "quit"])
async def test_a_tool_that_left_the_group_ends_with_its_run(sidecar: StartSidecar, cli: Cli, how: str) -> None:
    async with connected(sidecar, **cli.environment) as claude:
        job_id = await spawn(claude, cli.runaway)
        await runs(job_id, cli.tool_name)
        if how == "cancel":
            await claude.client.call("jobs.cancel", {"job_id": job_id})
            await claude.until_job(job_id, "cancelled")
            assert processes_of(job_id) == []
    await ended(job_id)


# --- a CLI that misbehaves, which only the fake does -----------------------------------------------------------------


@needs_signals
@pytest.mark.parametrize("how", ["quit", "kill"])
@pytest.mark.parametrize("prompt", ["[[stubborn]] [[grandchild]] [[hang]]", "[[grandchild]] [[text:done]] [[linger]]"])
async def test_a_cli_that_does_not_exit_is_ended(sidecar: StartSidecar, standin: Path, prompt: str, how: str) -> None:
    """One that ignores every request and signal, and one that keeps running after its result."""
    async with sidecar(CLAUDE_PATH=str(standin)) as client:
        await client.initialize("tests")
        claude = ClaudeClient(client)
        job_id = await spawn(claude, prompt)
        await claude.first_delta(job_id)
        await runs(job_id, "sleep")
        if how == "kill":
            client.process.kill()
            await client.process.wait()
    if how == "kill":
        async with connected(sidecar, CLAUDE_PATH=str(standin)):
            await ended(job_id)
    else:
        await ended(job_id)


# --- the table of processes ------------------------------------------------------------------------------------------


@pytest.fixture
def unrelated() -> Iterator[subprocess.Popen[bytes]]:
    """A process whose environment names no owner."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def add_record(database: Path, pid: int, started_ts: float) -> None:
    """Adds a row as a killed sidecar leaves it."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("INSERT INTO claude_processes VALUES (?, ?, 'a job')", (pid, started_ts))


def recorded_pids(database: Path) -> list[Any]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT pid FROM claude_processes").fetchall()


@pytest.mark.parametrize(("earlier_s", "dies"), [(0.0, True), (3600.0, False)])
async def test_a_recorded_process_is_killed_if_its_id_and_start_time_agree(
    sidecar: StartSidecar, data_dir: Path, unrelated: subprocess.Popen[bytes], earlier_s: float, dies: bool
) -> None:
    async with connected(sidecar):
        pass
    database = data_dir / "sidecar.db"
    add_record(database, unrelated.pid, psutil.Process(unrelated.pid).create_time() - earlier_s)
    async with connected(sidecar):
        with anyio.fail_after(END_S):
            await until(lambda: recorded_pids(database) == [])
    assert (unrelated.poll() is not None) is dies


@pytest.mark.parametrize("pid", [-1, -(2**31), 0, 2**31, 2**40, 2**63 - 1])
async def test_a_recorded_id_that_no_process_can_have_is_forgotten_at_the_next_start(
    sidecar: StartSidecar, data_dir: Path, pid: int
) -> None:
    async with connected(sidecar):
        pass
    database = data_dir / "sidecar.db"
    add_record(database, pid, 0.0)
    async with connected(sidecar):
        with anyio.fail_after(END_S):
            await until(lambda: recorded_pids(database) == [])


def test_neither_the_first_process_nor_this_one_nor_one_above_it_counts_as_left_behind() -> None:
    """Only asked for, since what counts as left behind is killed."""
    above = [psutil.Process(1), psutil.Process(), *psutil.Process().parents()]
    assert still_running(StoredProcess(one.pid, one.create_time(), "a job") for one in above) == set()


async def test_a_process_is_recorded_while_it_runs(sidecar: StartSidecar, standin: Path, data_dir: Path) -> None:
    database = data_dir / "sidecar.db"
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create()
        pid = int(await claude.answer_text(session.session_id, "[[pid]]"))
        assert recorded_pids(database) == [(pid,)]
        os.kill(pid, signal.SIGTERM)
        await until(lambda: not is_running(pid))  # one that is about to end would be sent the next prompt
        assert int(await claude.answer_text(session.session_id, "[[pid]]")) != pid
        assert recorded_pids(database) != [(pid,)]
    assert recorded_pids(database) == []


def start_owned(program: Path, owner_id: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([program], env={**os.environ, JOB_ENV: owner_id}, start_new_session=True)


@only_linux
async def test_a_process_that_executes_a_program_at_the_moment_is_found(tmp_path: Path) -> None:
    """The script executes itself without end, and Linux shows no environment for a part of that time."""
    script = tmp_path / "script"
    script.write_text('#!/bin/sh\nexec "$0"\n')
    script.chmod(0o755)
    for number in range(20):
        owner_id = f"executing-{os.getpid()}-{number}"
        with start_owned(script, owner_id) as process:
            try:
                await until(partial(processes_of, owner_id))
                assert await kill_orphans({owner_id}, timeout_s=END_S) == 1
                assert process.wait(END_S) == -signal.SIGKILL
            finally:
                process.kill()
