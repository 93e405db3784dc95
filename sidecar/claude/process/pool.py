"""Keeps the CLI processes of sessions running between turns, since a running process answers ten times sooner."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import partial
from typing import Final

import anyio
from anyio.abc import TaskGroup
from sidecar_protocol.claude.sessions import Session

from sidecar.claude.billing import ProcessTotals
from sidecar.claude.process.cli_process import ClaudeProcess, OnLine
from sidecar.claude.process.own_turns import IdleReader
from sidecar.claude.process.stopping import SHUTDOWN, TERMINATE, interrupt, stop, wait_for_exit
from sidecar.claude.sessions.session_settings import SessionSettings, change_requests

IDLE_S: Final = 180.0
IDLE_PROCESSES: Final = 2
SCHEDULED_S: Final = 3_700.0
"""Seconds that an idle process is kept in which Claude has scheduled a turn: a wakeup is at most an hour ahead."""
SCHEDULED_PROCESSES: Final = 4
OWN_TURN_S: Final = 3_600.0
"""Seconds that a turn which a process has begun by itself may wait for a job; all places may be taken."""
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
    reader: IdleReader | None = None
    """Receives its lines after the end of a prompt; None while one is answered."""

    @property
    def is_needed(self) -> bool:
        """Whether it has begun a turn by itself, or will."""
        return self.has_own_turn or bool(self.process.work.scheduled)

    @property
    def has_own_turn(self) -> bool:
        """Whether it has begun a turn by itself that no job follows yet."""
        return self.reader is not None and self.reader.has_begun

    def follow(self, on_line: OnLine) -> None:
        """Passes its lines to `on_line` from now on, after those of a turn that it has begun by itself."""
        reader, self.reader = self.reader, None
        self.process.on_line = on_line
        if reader is not None and reader.has_begun:
            self.process.begin_own_turn()  # it may have begun since the process was taken
            for line in reader.lines:
                on_line(*line)

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

    `on_ended` gets the id of a session whose process has ended, and what Claude had scheduled in it.
    """

    on_ended: Callable[[str, Sequence[str]], None]
    is_draining: Callable[[], bool]
    on_own_turn: Callable[[str], None] = lambda _: None
    """Gets the id of a session whose idle process has begun a turn."""
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
        """Returns a process with the wanted settings for one turn, which must end with a call of `release`.

        A new one passes its lines to `on_line` at once, a kept one from the call of `follow` on.
        """
        while (kept := self._processes.get(session_id)) is not None:
            if kept.state is State.IDLE and not kept.process.exited.is_set() and kept.apply_settings(wanted):
                kept.end_idle(State.BUSY)
                return kept
            if kept.state is State.IDLE:
                kept.end_idle(State.LEAVING)
            await kept.ended.wait()
        new = SessionProcess(session_id, await start(on_line), wanted)
        new.process.on_done = partial(self._await_own_turn, new)
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
        if used.reader is None:
            self._await_own_turn(used)
        elif used.reader.has_begun:  # with the end of the prompt
            self._begin_own_turn(used)
        used.idle_ended = anyio.Event()
        self._processes[used.session_id] = self._processes.pop(used.session_id)
        idle = [one for one in self._processes.values() if one.state is State.IDLE and not one.has_own_turn]
        for is_needed, kept in ((False, self.idle_processes), (True, SCHEDULED_PROCESSES)):
            alike = [one for one in idle if one.is_needed is is_needed]
            for surplus in alike[: len(alike) - kept] if len(alike) > kept else ():
                surplus.end_idle(State.LEAVING)
        tasks.start_soon(self._keep_idle, used, used.idle_ended)

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

    async def _keep_idle(self, kept: SessionProcess, idle_ended: anyio.Event) -> None:
        """Waits until the process is taken, or its idle time is over, and ends it in the second case.

        `idle_ended` is that of this idle time: a turn that ends at once has released the process before this goes on.
        """

        def was_taken() -> bool:
            return kept.is_in_use or kept.idle_ended is not idle_ended

        try:
            with anyio.move_on_after(SCHEDULED_S if kept.process.work.scheduled else self.idle_s):
                await idle_ended.wait()
            if kept.has_own_turn:
                with anyio.move_on_after(OWN_TURN_S):
                    await idle_ended.wait()
            if not was_taken():
                kept.end_idle(State.LEAVING)
                await wait_for_exit(kept.process, EXIT_S)
        finally:
            if not was_taken():
                with anyio.CancelScope(shield=True):
                    await self._end(kept)

    def has_own_turn(self, session_id: str) -> bool:
        """Returns whether a session's idle process has begun a turn by itself."""
        kept = self._processes.get(session_id)
        return kept is not None and kept.state is State.IDLE and kept.has_own_turn

    def end_scheduled(self, session_id: str) -> None:
        """Ends a session's idle process if Claude has scheduled anything in it."""
        kept = self._processes.get(session_id)
        if kept is not None and kept.state is State.IDLE and kept.is_needed:
            kept.end_idle(State.LEAVING)

    def _await_own_turn(self, used: SessionProcess) -> None:
        process = used.process

        def on_begun() -> None:
            if used.state is State.IDLE:
                self._begin_own_turn(used)

        def on_flood() -> None:
            for line in process.work.interrupt_lines():
                process.send(line)

        used.reader = process.on_line = IdleReader(process.on_line, on_begun, on_flood)

    def _begin_own_turn(self, idle: SessionProcess) -> None:
        idle.process.begin_own_turn()
        self.on_own_turn(idle.session_id)

    async def _end(self, ending: SessionProcess) -> None:
        ending.state = State.LEAVING
        await stop(ending.process, ending.session_id, SHUTDOWN if self.is_draining() else TERMINATE)
        del self._processes[ending.session_id]
        self.on_ended(ending.session_id, [task.description for task in ending.process.work.scheduled.values()])
        ending.ended.set()
