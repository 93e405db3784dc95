"""Keeps the CLI processes of sessions running between turns, since a running process answers ten times sooner."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Final

import anyio
from anyio.abc import TaskGroup
from sidecar_protocol.claude.sessions import Session

from sidecar.claude.billing import ProcessTotals
from sidecar.claude.process.cli_process import ClaudeProcess, OnLine
from sidecar.claude.process.stopping import SHUTDOWN, TERMINATE, interrupt, stop, wait_for_exit
from sidecar.claude.sessions.session_settings import SessionSettings, change_requests

IDLE_S: Final = 180.0
IDLE_PROCESSES: Final = 2
EXIT_S: Final = 5.0
"""Seconds from the end of its stdin to the exit of an idle CLI, which needs a fraction of that."""

Start = Callable[[OnLine], Awaitable[ClaudeProcess]]


class State(Enum):
    """The state of a process of the pool."""

    BUSY = auto()  # a turn uses it
    LAST_TURN = auto()  # a turn uses it; it is ended afterwards
    IDLE = auto()
    LEAVING = auto()  # it is being ended; no turn can use it


@dataclass(slots=True, eq=False)
class SessionProcess:
    """A session's process.  The turn that used it last still receives its lines while it is idle."""

    session_id: str
    process: ClaudeProcess
    settings: SessionSettings | None
    """The settings that the process works with, or None if they are unknown."""
    model: str | None = None
    """The model that it has last reported; None if it has reported none since the last change of ours."""
    totals: ProcessTotals = field(default_factory=ProcessTotals)
    """The usage that it has reported."""
    state: State = State.BUSY
    idle_ended: anyio.Event = field(default_factory=anyio.Event)
    ended: anyio.Event = field(default_factory=anyio.Event)

    @property
    def is_in_use(self) -> bool:
        return self.state in (State.BUSY, State.LAST_TURN)

    def apply_settings(self, wanted: SessionSettings) -> bool:
        """Sends the changes of settings to the process.  Returns False if only a new process can have them."""
        requests = None if self.settings is None else change_requests(self.settings, wanted)
        if requests is None:
            return False
        for request in requests:
            self.process.send(request)
        if self.settings is not None and wanted.model != self.settings.model:
            self.model = None
        self.settings = wanted
        return True

    def add_rules(self, rules: Iterable[str]) -> None:
        """Records rules that the process has been sent with a permission."""
        if self.settings is not None:
            known = self.settings.allowed_tools
            self.settings = replace(self.settings, allowed_tools=(*known, *rules))

    def end_idle(self, state: State) -> None:
        """Ends the idle time: a turn takes the process, or it is to be ended."""
        self.state = state
        self.idle_ended.set()


@dataclass(slots=True)
class ProcessPool:
    """The processes of all sessions.  `run` it in a task, and `stop` it at the end.

    `on_ended` gets the id of a session whose process has ended.
    """

    on_ended: Callable[[str], None]
    is_draining: Callable[[], bool]
    idle_s: float = IDLE_S
    idle_processes: int = IDLE_PROCESSES
    # By session; the least recently used first.
    _processes: dict[str, SessionProcess] = field(default_factory=dict)
    _tasks: TaskGroup | None = None
    _stopping: anyio.Event = field(default_factory=anyio.Event)
    _stopped: anyio.Event = field(default_factory=anyio.Event)

    async def run(self) -> None:
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                await self._stopping.wait()
                self._tasks = None
                tasks.cancel_scope.cancel()  # each task then ends its process
        finally:
            self._stopped.set()

    async def stop(self) -> None:
        """Ends all idle processes; turns end those that they use."""
        self._stopping.set()
        await self._stopped.wait()

    async def acquire(self, session_id: str, start: Start, on_line: OnLine, wanted: SessionSettings) -> SessionProcess:
        """Returns a process with the wanted settings for one turn, which must end with a call of `release`."""
        while (kept := self._processes.get(session_id)) is not None:
            if kept.state is State.IDLE and not kept.process.exited.is_set() and kept.apply_settings(wanted):
                kept.process.on_line = on_line
                kept.end_idle(State.BUSY)
                return kept
            if kept.state is State.IDLE:
                kept.end_idle(State.LEAVING)
            await kept.ended.wait()
        new = SessionProcess(session_id, await start(on_line), wanted)
        self._processes[session_id] = new
        return new

    async def release(self, used: SessionProcess) -> None:
        """Interrupts the turn if it has not ended; keeps the process if it can take another.  Call it shielded."""
        tasks, is_ready = self._tasks, False
        if used.process.work.offered:  # it may still read a prompt that will be sent again
            used.state = State.LAST_TURN
        if not self.is_draining():
            is_ready = await interrupt(used.process)
        if tasks is None or not is_ready or used.state is State.LAST_TURN or self.is_draining():
            await self._end(used)
            return
        used.state = State.IDLE
        used.idle_ended = anyio.Event()
        self._processes[used.session_id] = self._processes.pop(used.session_id)
        idle = [one for one in self._processes.values() if one.state is State.IDLE]
        for surplus in idle[: -self.idle_processes] if self.idle_processes else idle:
            surplus.end_idle(State.LEAVING)
        tasks.start_soon(self._keep_idle, used)

    def apply_settings(self, session: Session) -> None:
        """Sends a session's new settings to its turn; those that need a new process take effect with the next turn."""
        used = self._processes.get(session.session_id)
        if used is not None and used.is_in_use:
            used.apply_settings(SessionSettings.of(session))

    def drop(self, session_id: str) -> None:
        """Ends a session's process, after its turn if there is one."""
        if (dropped := self._processes.get(session_id)) is not None:
            if dropped.is_in_use:
                dropped.state = State.LAST_TURN
            else:
                dropped.end_idle(State.LEAVING)

    def drop_all(self) -> None:
        """Ends the processes of all sessions, after their turns."""
        for session_id in list(self._processes):
            self.drop(session_id)

    async def _keep_idle(self, kept: SessionProcess) -> None:
        """Waits until the process is taken, or its time is over, and ends it in the second case."""
        try:
            with anyio.move_on_after(self.idle_s):
                await kept.idle_ended.wait()
            if not kept.is_in_use:
                kept.end_idle(State.LEAVING)
                await wait_for_exit(kept.process, EXIT_S)
        finally:
            if not kept.is_in_use:
                with anyio.CancelScope(shield=True):
                    await self._end(kept)

    async def _end(self, ending: SessionProcess) -> None:
        ending.state = State.LEAVING
        await stop(ending.process, ending.session_id, SHUTDOWN if self.is_draining() else TERMINATE)
        del self._processes[ending.session_id]
        self.on_ended(ending.session_id)
        ending.ended.set()
