"""The steps that end a process: interrupt, SIGTERM, SIGKILL."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from sidecar.claude.process.cli_process import ClaudeProcess, RunOptions, start
from sidecar.claude.process.environment import JOB_ENV, cli_environment
from sidecar.claude.process.orphans import kill_orphans
from sidecar.claude.process.stopping import StopTimeouts, stop, wait_for_exit
from tests.claude.harness import RecordingContext, processes_of, tools_of, until

LIMIT_S = 60.0
KILLED = StopTimeouts(terminate_s=0.3, kill_s=0.6, end_s=LIMIT_S)
TERMINATED = StopTimeouts(terminate_s=0.3, kill_s=LIMIT_S, end_s=LIMIT_S)
INTERRUPTED = StopTimeouts(terminate_s=LIMIT_S, kill_s=LIMIT_S, end_s=LIMIT_S)
"""Each step before the last one has all the time that a busy machine needs."""
PARENT = """
import os, sys
from pathlib import Path
import anyio
from sidecar.claude.process.environment import JOB_ENV, cli_environment
from sidecar.claude.process.cli_process import RunOptions, start

async def main(executable, job_id, *prompt_and_tools):
    prompt, *tools = prompt_and_tools
    environment = cli_environment(os.environ, Path(executable)) | {JOB_ENV: job_id}
    options = RunOptions(allowed_tools=tools)
    on_line = lambda line, parsed: os.write(1, line)
    process = await start(Path(executable), options, cwd=Path.cwd(), environment=environment, on_line=on_line)
    process.send_prompt(prompt)
    await anyio.sleep_forever()

anyio.run(main, *sys.argv[1:])
"""


@asynccontextmanager
async def running(standin: Path, cwd: Path, prompt: str) -> AsyncIterator[tuple[ClaudeProcess, str, list[str]]]:
    """Starts a process and waits for its first text; yields it, its job id, and the types of its lines."""
    job_id, types = RecordingContext().job_id, list[str]()
    answering = anyio.Event()

    def on_line(line: bytes, message: Mapping[str, Any] | None) -> None:
        assert message is not None, line
        types.append(message["type"])
        if message.get("event", {}).get("type") == "content_block_delta":
            answering.set()

    environment = cli_environment(os.environ, standin) | {JOB_ENV: job_id}
    try:
        with anyio.fail_after(120):
            process = await start(standin, RunOptions(), cwd=cwd, environment=environment, on_line=on_line)
            process.send_prompt(prompt)
            await answering.wait()
            yield process, job_id, types
        assert processes_of(job_id) == []
    finally:  # also if the test fails
        with anyio.CancelScope(shield=True):
            await kill_orphans({job_id}, timeout_s=LIMIT_S)


async def test_an_interrupt_ends_a_cli_that_reads_its_stdin(standin: Path, tmp_path: Path) -> None:
    async with running(standin, tmp_path, "[[grandchild]] [[hang]]") as (process, job_id, types):
        await stop(process, job_id, INTERRUPTED)
    assert process.exit_code == 0
    assert types[-2:] == ["control_response", "result"]


async def test_a_cli_that_ignores_an_interrupt_is_terminated(standin: Path, tmp_path: Path) -> None:
    async with running(standin, tmp_path, "[[text:done]] [[linger]]") as (process, job_id, _):
        await stop(process, job_id, TERMINATED)
    assert process.exit_code == 143


async def test_a_cli_that_ignores_a_signal_is_killed_with_everything_it_started(standin: Path, tmp_path: Path) -> None:
    async with running(standin, tmp_path, "[[stubborn]] [[grandchild]] [[holder]] [[hang]]") as (process, job_id, _):
        await until(lambda: len(processes_of(job_id)) == 3)
        await stop(process, job_id, KILLED)
    assert process.exit_code == -signal.SIGKILL


async def test_a_cli_that_ignores_signals_is_killed_in_time_though_no_thread_is_free(
    standin: Path, tmp_path: Path
) -> None:
    threads = anyio.to_thread.current_default_thread_limiter()
    async with running(standin, tmp_path, "[[stubborn]] [[grandchild]] [[hang]]") as (process, job_id, _):
        others = [object() for _ in range(int(threads.available_tokens))]
        for other in others:
            threads.acquire_on_behalf_of_nowait(other)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop, process, job_id, KILLED)
            await process.exited.wait()
            for other in others:
                threads.release_on_behalf_of(other)
    assert process.exit_code == -signal.SIGKILL


async def test_the_wait_for_the_exit_after_a_result_is_limited(standin: Path, tmp_path: Path) -> None:
    async with running(standin, tmp_path, "[[text:done]] [[linger]]") as (process, job_id, types):
        await wait_for_exit(process, grace_s=0.2)
        assert not process.exited.is_set()
        await stop(process, job_id, KILLED)
    assert types[-1] == "result"


async def test_processes_of_other_jobs_and_databases_are_not_killed(standin: Path, tmp_path: Path) -> None:
    async with running(standin, tmp_path, "[[grandchild]] [[hang]]") as (process, job_id, _):
        assert await kill_orphans({"another job"}, timeout_s=LIMIT_S) == 0
        assert await kill_orphans({job_id}, "/another/sidecar.db", timeout_s=LIMIT_S) == 0
        await until(lambda: len(processes_of(job_id)) == 2)
        assert await kill_orphans({"another job", job_id}, timeout_s=LIMIT_S) == 2
        await stop(process, job_id, KILLED)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a parent-death signal")
@pytest.mark.parametrize(
    ("fixture", "prompt"), [("standin", "[[hang]]"), ("real_claude", "[[tool:bash:tail -f /dev/null]]")]
)
async def test_the_cli_of_a_killed_sidecar_ends(
    fixture: str, prompt: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    executable: Path = request.getfixturevalue(fixture)
    environment = {**request.getfixturevalue("api").environment(tmp_path), "PYTHONPATH": str(Path(__file__).parents[3])}
    job_id = RecordingContext().job_id
    command = [sys.executable, "-c", PARENT, str(executable), job_id, prompt, "Bash"]

    def tool_runs() -> bool:
        return bool(tools_of(job_id, "tail"))

    output = b""
    try:
        with anyio.fail_after(120):
            async with await anyio.open_process(command, env=environment, cwd=tmp_path, stderr=None) as parent:
                assert parent.stdout is not None
                while b"message_start" not in output:
                    output += await parent.stdout.receive()
                await until(tool_runs if fixture == "real_claude" else lambda: True)
                os.kill(parent.pid, signal.SIGKILL)
            await until(lambda: processes_of(job_id) == [])
    finally:
        with anyio.CancelScope(shield=True):
            await kill_orphans({job_id}, timeout_s=LIMIT_S)
