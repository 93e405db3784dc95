"""The pool of sessions' processes: how many are kept, for how long, and that none is left at the end."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from sidecar.claude.process import pool
from sidecar.claude.process.cli_process import ClaudeProcess, OnLine, RunOptions, start
from sidecar.claude.process.environment import SESSION_ENV, cli_environment
from sidecar.claude.process.pool import ProcessPool, SessionProcess
from sidecar.claude.sessions.session_settings import SessionSettings
from tests.claude.harness import processes_of, until

# Processes are found by these ids, which must be unique while several test runs use the machine.
BUSY, IDLE, S1, S2, S3 = (f"{name}-{uuid4()}" for name in ("busy", "idle", "s1", "s2", "s3"))
SETTINGS = SessionSettings(None, None, ())


class PoolHarness:
    """A pool of fake CLIs; `ended` are the sessions whose process has ended."""

    def __init__(self, standin: Path, cwd: Path, *, idle_s: float = 60.0, idle_processes: int = 2) -> None:
        self.ended: list[str] = []
        self.is_draining = False
        self._standin = standin
        self._cwd = cwd
        self.pool = ProcessPool(
            on_ended=lambda session_id, _: self.ended.append(session_id),
            is_draining=lambda: self.is_draining,
            idle_s=idle_s,
            idle_processes=idle_processes,
        )

    async def acquire(self, session_id: str) -> SessionProcess:
        async def start_cli(on_line: OnLine) -> ClaudeProcess:
            environment = cli_environment(os.environ, self._standin) | {SESSION_ENV: session_id}
            return await start(self._standin, RunOptions(), cwd=self._cwd, environment=environment, on_line=on_line)

        return await self.pool.acquire(session_id, start_cli, lambda *_: None, SETTINGS)

    async def begin_turn(self, session_id: str, prompt: str) -> SessionProcess:
        acquired = await self.acquire(session_id)
        acquired.process.send_prompt(prompt)
        return acquired

    async def take_turn(self, session_id: str, prompt: str = "hi") -> int:
        """Takes a turn; returns the id of its process."""
        acquired = await self.begin_turn(session_id, prompt)
        await acquired.process.prompt_done.wait()
        await self.pool.release(acquired)
        return acquired.process.pid


@asynccontextmanager
async def running(harness: PoolHarness) -> AsyncIterator[PoolHarness]:
    """Runs the pool, and stops it at the end of the block, which must leave no process."""
    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(harness.pool.run)
            yield harness
            harness.is_draining = True
            await harness.pool.stop()
        await until(lambda: not any(map(processes_of, (BUSY, IDLE, S1, S2, S3))))


async def test_a_session_keeps_its_process_between_turns(standin: Path, tmp_path: Path) -> None:
    async with running(PoolHarness(standin, tmp_path)) as harness:
        assert await harness.take_turn(S1) == await harness.take_turn(S1)
        assert harness.ended == []
    assert harness.ended == [S1]


async def test_a_turn_that_fails_before_it_sends_anything_leaves_the_process_idle(
    standin: Path, tmp_path: Path
) -> None:
    async with running(PoolHarness(standin, tmp_path)) as harness:
        pid = await harness.take_turn(S1)
        await anyio.wait_all_tasks_blocked()
        await harness.pool.release(await harness.acquire(S1))
        await anyio.wait_all_tasks_blocked()
        assert await harness.take_turn(S1) == pid
        assert harness.ended == []
    assert harness.ended == [S1]


async def test_an_idle_process_is_ended_after_a_while_and_the_next_turn_starts_another(
    standin: Path, tmp_path: Path
) -> None:
    async with running(PoolHarness(standin, tmp_path, idle_s=0.05)) as harness:
        first = await harness.take_turn(S1, "[[grandchild]] [[text:hi]]")
        await until(lambda: harness.ended == [S1])
        assert processes_of(S1) == []
        assert await harness.take_turn(S1) != first


async def test_of_too_many_idle_processes_the_least_recently_used_is_ended(standin: Path, tmp_path: Path) -> None:
    async with running(PoolHarness(standin, tmp_path)) as harness:
        for session_id in (S1, S2, S1, S3):
            await harness.take_turn(session_id)
        await until(lambda: harness.ended == [S2])
        for session_id in (S1, S3):
            assert len(processes_of(session_id)) == 1
    assert sorted(harness.ended) == [S1, S2, S3]


async def test_a_busy_process_is_not_counted_as_idle(standin: Path, tmp_path: Path) -> None:
    async with running(PoolHarness(standin, tmp_path, idle_processes=1)) as harness:
        busy = await harness.begin_turn(BUSY, "[[slow:1000]]")
        await harness.take_turn(S1)
        await harness.take_turn(S2)
        await until(lambda: harness.ended == [S1])
        await harness.pool.release(busy)  # interrupted, and now the most recently used idle one
        await until(lambda: harness.ended == [S1, S2])
        assert len(processes_of(BUSY)) == 1


async def test_a_process_that_died_while_idle_is_replaced(standin: Path, tmp_path: Path) -> None:
    async with running(PoolHarness(standin, tmp_path)) as harness:
        used = await harness.begin_turn(S1, "[[grandchild]] [[text:hi]]")
        await used.process.prompt_done.wait()
        await harness.pool.release(used)
        os.kill(used.process.pid, signal.SIGKILL)
        await used.process.exited.wait()
        assert await harness.take_turn(S1) != used.process.pid
        assert len(processes_of(S1)) == 1
        assert harness.ended == [S1]


async def test_a_dropped_process_ends_now_or_after_its_turn(standin: Path, tmp_path: Path) -> None:
    async with running(PoolHarness(standin, tmp_path)) as harness:
        await harness.take_turn(IDLE)
        busy = await harness.begin_turn(BUSY, "[[slow:1000]]")
        harness.pool.drop(IDLE)
        harness.pool.drop(BUSY)
        await until(lambda: harness.ended == [IDLE])
        await harness.pool.release(busy)
        assert harness.ended == [IDLE, BUSY]
        assert processes_of(BUSY) == processes_of(IDLE) == []


async def test_a_shutdown_does_not_wait_for_an_idle_cli_that_does_not_exit(
    standin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "EXIT_S", 600)
    async with running(PoolHarness(standin, tmp_path)) as harness:
        for session_id in (S1, S2):
            await harness.take_turn(session_id, "[[stubborn]] [[grandchild]] [[linger]]")
        harness.is_draining = True
        await harness.pool.stop()
