"""The live processes of the sessions: how many there are, for how long, and that nothing of them is left."""

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from sidecar.claude.process import pool
from sidecar.claude.process.cli_process import ClaudeProcess, RunOptions, start
from sidecar.claude.process.environment import SESSION_ENV, cli_environment
from sidecar.claude.process.pool import ProcessPool, SessionProcess
from sidecar.claude.sessions.session_settings import SessionSettings
from tests.claude.harness import processes_of, until

SETTINGS = SessionSettings(None, None, ())


class Keeper:
    """A pool around the stand-in: `turn` takes one, and says by which process."""

    def __init__(self, standin: Path, cwd: Path, *, idle_s: float = 60.0, idle_processes: int = 2) -> None:
        self.gone: list[str] = []
        self.is_draining = False
        self._standin = standin
        self._cwd = cwd
        self.pool = ProcessPool(
            on_ended=self.gone.append,
            is_draining=lambda: self.is_draining,
            idle_s=idle_s,
            idle_processes=idle_processes,
        )

    async def take(self, session_id: str, prompt: str) -> SessionProcess:
        async def begin(on_line: Callable[[bytes], bool]) -> ClaudeProcess:
            environment = cli_environment(os.environ, self._standin) | {SESSION_ENV: session_id}
            return await start(self._standin, RunOptions(), cwd=self._cwd, environment=environment, on_line=on_line)

        live = await self.pool.acquire(session_id, begin, lambda line: b'"type": "result"' in line, SETTINGS)
        live.process.send_prompt(prompt)
        return live

    async def turn(self, session_id: str, prompt: str = "hi") -> int:
        live = await self.take(session_id, prompt)
        await live.process.prompt_done.wait()
        await self.pool.release(live)
        return live.process.pid


@asynccontextmanager
async def keeping(keeper: Keeper) -> AsyncIterator[Keeper]:
    """The pool runs inside this block."""
    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keeper.pool.run)
            yield keeper
            keeper.is_draining = True
            await keeper.pool.stop()


async def test_a_session_keeps_its_process_between_turns(standin: Path, tmp_path: Path) -> None:
    async with keeping(Keeper(standin, tmp_path)) as keeper:
        assert await keeper.turn("s1") == await keeper.turn("s1")
        assert keeper.gone == []
    assert keeper.gone == ["s1"]
    assert processes_of("s1") == []


async def test_an_idle_process_ends_after_a_while_and_the_next_turn_starts_another(
    standin: Path, tmp_path: Path
) -> None:
    async with keeping(Keeper(standin, tmp_path, idle_s=0.05)) as keeper:
        first = await keeper.turn("s1", "[[grandchild]] [[text:hi]]")
        await until(lambda: keeper.gone == ["s1"])
        assert processes_of("s1") == []
        assert await keeper.turn("s1") != first


async def test_of_too_many_idle_processes_the_longest_unused_goes(standin: Path, tmp_path: Path) -> None:
    async with keeping(Keeper(standin, tmp_path)) as keeper:
        for session_id in ("s1", "s2", "s1", "s3"):
            await keeper.turn(session_id)
        await until(lambda: keeper.gone == ["s2"])
        for session_id in ("s1", "s3"):
            assert len(processes_of(session_id)) == 1
    assert sorted(keeper.gone) == ["s1", "s2", "s3"]


async def test_a_process_that_works_is_not_counted_as_idle(standin: Path, tmp_path: Path) -> None:
    async with keeping(Keeper(standin, tmp_path, idle_processes=1)) as keeper:
        busy = await keeper.take("busy", "[[slow:1000]]")
        await keeper.turn("s1")
        await keeper.turn("s2")
        await until(lambda: keeper.gone == ["s1"])
        await keeper.pool.release(busy)  # interrupted, and now the newest of the idle ones
        await until(lambda: keeper.gone == ["s1", "s2"])
        assert len(processes_of("busy")) == 1


async def test_a_process_that_died_while_idle_is_replaced(standin: Path, tmp_path: Path) -> None:
    async with keeping(Keeper(standin, tmp_path)) as keeper:
        live = await keeper.take("s1", "[[grandchild]] [[text:hi]]")
        await live.process.prompt_done.wait()
        await keeper.pool.release(live)
        os.kill(live.process.pid, signal.SIGKILL)
        await live.process.exited.wait()
        assert await keeper.turn("s1") != live.process.pid
        assert len(processes_of("s1")) == 1
        assert keeper.gone == ["s1"]


async def test_a_session_that_wants_no_process_loses_it_now_or_after_its_turn(standin: Path, tmp_path: Path) -> None:
    async with keeping(Keeper(standin, tmp_path)) as keeper:
        await keeper.turn("idle")
        busy = await keeper.take("busy", "[[slow:1000]]")
        keeper.pool.drop("idle")
        keeper.pool.drop("busy")
        await until(lambda: keeper.gone == ["idle"])
        await keeper.pool.release(busy)
        assert keeper.gone == ["idle", "busy"]
        assert processes_of("busy") == processes_of("idle") == []


async def test_the_end_does_not_wait_for_an_idle_cli_that_does_not_leave(
    standin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "EXIT_S", 600)
    async with keeping(Keeper(standin, tmp_path)) as keeper:
        for session_id in ("s1", "s2"):
            await keeper.turn(session_id, "[[stubborn]] [[grandchild]] [[linger]]")
        keeper.is_draining = True
        await keeper.pool.stop()
    assert processes_of("s1") == processes_of("s2") == []
