"""The live CLI processes of the sessions: a turn that finds one is answered ten times sooner.

A process belongs to one turn at a time.  Between turns it is idle: kept for a while in a task of `run`, which brings it
to its end when it is wanted no more.  Before a session's next process starts, nothing of the last one is left.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Final

import anyio
from anyio.abc import TaskGroup
from sidecar_protocol.claude.sessions import Session

from sidecar.claude.process.cli_process import ClaudeProcess
from sidecar.claude.process.stopping import SHUTDOWN, TERMINATE, interrupt, stop, wait_for_exit
from sidecar.claude.sessions.live_settings import Settings, changes

IDLE_S: Final = 180.0
"""An idle CLI takes 190 MB and 1 % of a core (measured); who has said nothing for so long is likely elsewhere."""
IDLE_PROCESSES: Final = 2
"""Beside those that work: enough to go back and forth between two conversations."""
LEAVE_S: Final = 5.0
"""From the end of its stdin to the end of an idle CLI; it needs a fraction of this."""

OnLine = Callable[[bytes], bool]
Start = Callable[[OnLine], Awaitable[ClaudeProcess]]


class SessionProcess:
    """A session's process.  `on_line` is whose turn it is; between turns the last one still listens.

    `cost_so_far` is what the process has told of its costs, `settings` what it works by: None where that is not known.
    """

    def __init__(self, session_id: str, on_line: OnLine) -> None:
        self.session_id = session_id
        self.on_line = on_line
        self.cost_so_far = 0.0
        self.settings: Settings | None = None
        self.busy = True
        self.unwanted = False
        self.called = anyio.Event()
        self.gone = anyio.Event()
        self.process: ClaudeProcess

    def apply_settings(self, wanted: Settings) -> bool:
        """Let the process work by these settings; whether it can, without being started anew."""
        requests = None if self.settings is None else changes(self.settings, wanted)
        if requests is None:
            return False
        for request in requests:
            self.process.send(request)
        self.settings = wanted
        return True

    def add_rules(self, rules: Iterable[str]) -> None:
        """The process has been told to allow these from now on."""
        if self.settings is not None:
            known = self.settings.allowed_tools
            self.settings = replace(self.settings, allowed_tools=(*known, *rules))

    def hear(self, line: bytes) -> bool:
        """Pass on a line; whether it was a result."""
        return self.on_line(line)


class ProcessPool:
    """Has the processes; `run` it beside the turns, and `stop` it at the end."""

    def __init__(
        self,
        *,
        on_ended: Callable[[str], None],
        is_draining: Callable[[], bool],
        idle_s: float = IDLE_S,
        idle_processes: int = IDLE_PROCESSES,
    ) -> None:
        """`on_ended` learns that nothing of a session's process is left; `is_draining` that the end is near."""
        self._on_ended = on_ended
        self._is_draining = is_draining
        self._idle_s = idle_s
        self._idle_processes = idle_processes
        self._lives: dict[str, SessionProcess] = {}
        self._tasks: TaskGroup | None = None
        self._stopping = anyio.Event()
        self._ended = anyio.Event()

    async def run(self) -> None:
        """Keep idle processes until `stop`."""
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                await self._stopping.wait()
                self._tasks = None
                tasks.cancel_scope.cancel()  # each brings its process to its end
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """End all idle processes; those that work are ended by their turns."""
        self._stopping.set()
        await self._ended.wait()

    async def acquire(self, session_id: str, start: Start, on_line: OnLine, wanted: Settings) -> SessionProcess:
        """The session's process, started if none can work as wanted, for one turn; give it back afterwards."""
        while (live := self._lives.get(session_id)) is not None:
            if not (live.called.is_set() or live.process.exited.is_set()) and live.apply_settings(wanted):
                live.busy, live.on_line = True, on_line
                live.called.set()
                return live
            live.called.set()
            await live.gone.wait()
        live = SessionProcess(session_id, on_line)
        live.settings = wanted
        live.process = await start(live.hear)
        self._lives[session_id] = live
        return live

    async def release(self, live: SessionProcess) -> None:
        """A turn is over, or is to be: then it is interrupted.  The process is kept if it can go on, else ended.

        Call it in a shielded scope.
        """
        tasks, lives_on = self._tasks, False
        if not self._is_draining():
            lives_on = await interrupt(live.process)
        if tasks is None or not lives_on or live.unwanted or self._is_draining():
            await self._end(live)
            return
        live.busy = False
        live.called = anyio.Event()
        # The order of the dictionary is that of use.
        self._lives[live.session_id] = self._lives.pop(live.session_id)
        idle = [one for one in self._lives.values() if not one.busy and not one.called.is_set()]
        for surplus in idle[: -self._idle_processes] if self._idle_processes else idle:
            surplus.called.set()
        tasks.start_soon(self._keep, live)

    def apply_settings(self, session: Session) -> None:
        """The session's settings have changed: a turn that runs follows as far as it can, the next one is to."""
        live = self._lives.get(session.session_id)
        if live is not None and live.busy:
            live.apply_settings(Settings.of(session))

    def drop(self, session_id: str) -> None:
        """The session wants no process any more."""
        if (live := self._lives.get(session_id)) is not None:
            live.unwanted = True
            if not live.busy:
                live.called.set()

    async def _keep(self, live: SessionProcess) -> None:
        """As long as nobody wants it, and not for long."""
        try:
            with anyio.move_on_after(self._idle_s):
                await live.called.wait()
            if not live.busy:
                live.called.set()  # too late to be taken
                await wait_for_exit(live.process, LEAVE_S)
        finally:
            if not live.busy:
                with anyio.CancelScope(shield=True):
                    await self._end(live)

    async def _end(self, live: SessionProcess) -> None:
        await stop(live.process, live.session_id, SHUTDOWN if self._is_draining() else TERMINATE)
        del self._lives[live.session_id]
        self._on_ended(live.session_id)
        live.gone.set()
