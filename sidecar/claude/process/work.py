"""Follows the work of a prompt: Claude's turns, and the tasks that it runs in the background between them.

The first result line is not the end of the work.  Subagents run in the background by default since 2.1.198, shell
commands on request; the CLI writes a result, reports the end of each task, and then begins another turn with a result
of its own.  No I/O.  Measured with 2.1.197 and 2.1.332:

- `background_tasks_changed` lists all live background tasks (not in 2.1.197), `task_started` and `task_notification`
  report the begin and the end of one.  Of the end of a subagent a turn follows within milliseconds, also if it was
  stopped; of that of a command only if it was not stopped.
- With STATE_EVENTS_ENV in its environment, the CLI reports `idle` when no turn runs or is due.  Commands may then still
  run.  After the end of a command, the turn that follows is reported as `running` a moment later.
- An interrupt ends subagents without a further turn, but no commands.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from sidecar.json_reader import get, get_objects, get_text
from sidecar.text import well_formed

STATE_EVENTS_ENV: Final = "CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS"
INTERRUPT: Final = {"type": "control_request", "request_id": "interrupt", "request": {"subtype": "interrupt"}}
WITHDRAW: Final = "withdraw:"
"""Begins the ids of requests that withdraw a prompt."""
AGENT: Final = "local_agent"
COMMAND: Final = "local_bash"
SCHEDULE: Final = "schedule"
SCHEDULERS: Final = frozenset({"CronCreate", "ScheduleWakeup"})
"""Tools with which Claude schedules turns of its own."""
MAX_TASKS: Final = 100
"""Maximum number of tasks that are listed; further ones keep the work going, too."""
TEXT_CHARS: Final = 200


class WorkState(Enum):
    """The state of the work of a prompt."""

    RUNNING = auto()
    """A turn or a task is running."""
    MAY_CONTINUE = auto()
    """Nothing is running, but the CLI may begin another turn in a moment."""
    OVER = auto()


@dataclass(frozen=True, slots=True)
class LiveTask:
    """A task that Claude has started and that has not ended.

    `kind` is the CLI's type: `local_agent`, `local_bash`.  `agent` is the type of a subagent.  A task in the foreground
    is a part of the running turn.
    """

    task_id: str
    kind: str
    description: str
    agent: str | None
    is_background: bool


class Work:
    """The work of the last prompt of a process.  There is none before the first `begin`."""

    def __init__(self) -> None:
        self._tasks: dict[str, LiveTask] = {}
        self._turn_runs = False
        self._has_begun = True
        self._has_states = False
        self._is_idle = True
        self._may_follow = False
        self._is_command = self._is_empty = False
        self.offered: set[str] = set()
        """The ids of prompts that were sent during the work, and that the CLI has neither read nor given back."""
        self.is_ending = False
        """Whether the work is being interrupted."""
        self.scheduled: dict[str, LiveTask] = {}
        """Turns that Claude has scheduled in this process, by the id of the tool's use."""
        self._once: set[str] = set()

    @property
    def tasks(self) -> list[LiveTask]:
        """The live tasks, oldest first."""
        return list(self._tasks.values())[:MAX_TASKS]

    @property
    def turn_runs(self) -> bool:
        """Whether a turn is running, instead of tasks only."""
        return self._turn_runs

    @property
    def state(self) -> WorkState:
        if self._turn_runs or any(task.is_background for task in self._tasks.values()):
            return WorkState.RUNNING
        if self.offered:
            return WorkState.MAY_CONTINUE
        is_over = self._is_idle or not (self._has_states or self._may_follow)
        return WorkState.OVER if is_over else WorkState.MAY_CONTINUE

    def begin(self, *, is_command: bool = False) -> None:
        """Begins the work of a prompt that is sent now; `is_command` if it is one of the CLI's own, such as /clear."""
        self._turn_runs, self._has_begun = True, False
        self._is_command, self._is_empty = is_command, False
        self._is_idle = self._may_follow = self.is_ending = False
        self.offered.clear()

    def begin_own_turn(self) -> None:
        """Begins the work of a turn that the CLI has begun by itself, and whose first line is read."""
        self._is_command = self._is_empty = self.is_ending = False
        self.offered.clear()
        for tool_use_id in self._once:  # the line does not name the task
            self.scheduled.pop(tool_use_id, None)
        self._once.clear()

    def offer(self, uuid: str) -> None:
        """Expects the CLI to read a prompt that is sent during the work."""
        self.offered.add(uuid)

    def withdraw(self, uuid: str) -> None:
        """Expects the CLI no longer to read such a prompt."""
        self.offered.discard(uuid)

    def interrupt_lines(self) -> Iterator[Mapping[str, Any]]:
        """Yields the control requests that end a turn and its tasks; the CLI would go on with offered prompts."""
        self.is_ending = True
        yield from map(withdraw_line, sorted(self.offered))
        yield INTERRUPT
        yield from (stop_line(task.task_id) for task in self._tasks.values() if task.is_background)

    def read(self, line: Mapping[str, Any]) -> None:
        """Reads a line of the CLI."""
        match line.get("type"):
            case "result":
                # After a restart the CLI first reports lost tasks in a turn of its own, without the model.
                is_empty = line.get("is_error") is False and not line.get("result") and line.get("num_turns") == 0
                self._is_empty = is_empty and not self._is_command
                self._turn_ended()
                self._may_follow = self._may_follow or self._is_empty
            case "system":
                self._system(line)
            case "assistant":
                self._schedule(line)
            case "user" if line.get("isReplay") is True:
                self.withdraw(get_text(line, "uuid") or "")
            case "user":
                for block in get_objects(line, "message", "content"):
                    if block.get("is_error") is True:
                        self.scheduled.pop(get_text(block, "tool_use_id") or "", None)
            case "control_response" if get(line, "response", "response", "cancelled") is True:
                self.withdraw((get_text(line, "response", "request_id") or "").removeprefix(WITHDRAW))

    def _system(self, line: Mapping[str, Any]) -> None:
        task_id = get_text(line, "task_id") or ""
        match line.get("subtype"):
            case "init":
                self._turn_began()
            case "session_state_changed":
                self._has_states = True
                if line.get("state") == "running":
                    self._turn_began()
                elif line.get("state") == "idle" and self._has_begun:
                    self._turn_ended()
                    self._is_idle, self._may_follow = not self._is_empty, self._is_empty
            case "task_started" if not is_ambient(line):
                self._tasks[task_id] = _task(line)
            case "task_updated" if get(line, "patch", "is_backgrounded") is True and task_id in self._tasks:
                known = self._tasks[task_id]
                self._tasks[task_id] = LiveTask(
                    known.task_id, known.kind, known.description, known.agent, is_background=True
                )
            case "task_notification":
                self._task_ended(task_id)
            case "background_tasks_changed":
                self._list_background(get_objects(line, "tasks"))

    def _schedule(self, line: Mapping[str, Any]) -> None:
        for block in get_objects(line, "message", "content"):
            if block.get("type") != "tool_use" or block.get("name") not in SCHEDULERS:
                continue
            when = get(block, "input", "cron") or f"in {get(block, 'input', 'delaySeconds')} s"
            description = well_formed(f"{when}: {get_text(block, 'input', 'prompt') or ''}"[:TEXT_CHARS])
            tool_use_id = get_text(block, "id") or ""
            self.scheduled[tool_use_id] = LiveTask(tool_use_id, SCHEDULE, description, None, is_background=False)
            if get(block, "input", "recurring") is False or block.get("name") == "ScheduleWakeup":
                self._once.add(tool_use_id)
            if len(self.scheduled) > MAX_TASKS:
                self.scheduled.pop(next(iter(self.scheduled)))

    def _turn_began(self) -> None:
        self._turn_runs = self._has_begun = True
        self._is_idle = self._may_follow = False

    def _turn_ended(self) -> None:
        self._turn_runs = False
        self._tasks = {task_id: task for task_id, task in self._tasks.items() if task.is_background}

    def _task_ended(self, task_id: str) -> None:
        if self._tasks.pop(task_id, None) is not None:
            self._is_idle, self._may_follow = False, True

    def _list_background(self, listed: list[dict[str, Any]]) -> None:
        """Replaces the background tasks: the list is right where a single report was lost or came too early."""
        background = {task.task_id: task for one in listed if not is_ambient(one) for task in [_task(one)]}
        for task_id, task in list(self._tasks.items()):
            if task.is_background and task_id not in background:
                self._task_ended(task_id)
        self._tasks |= background


def stop_line(task_id: str) -> Mapping[str, Any]:
    """Returns the control request that stops a task."""
    request = {"subtype": "stop_task", "task_id": task_id}
    return {"type": "control_request", "request_id": f"stop:{task_id}", "request": request}


def withdraw_line(uuid: str) -> Mapping[str, Any]:
    """Returns the control request that withdraws a prompt which the CLI has not read yet."""
    request = {"subtype": "cancel_async_message", "message_uuid": uuid}
    return {"type": "control_request", "request_id": WITHDRAW + uuid, "request": request}


def is_ambient(line: Mapping[str, Any]) -> bool:
    """Returns whether a task is not work: a watcher of the CLI's own, or one that runs on another computer."""
    return any(line.get(name) is True for name in ("ambient", "skip_transcript", "off_host"))


def _task(line: Mapping[str, Any]) -> LiveTask:
    return LiveTask(
        task_id=_short(line, "task_id") or "",
        kind=_short(line, "task_type") or "task",
        description=_short(line, "description") or "",
        agent=_short(line, "subagent_type"),
        is_background=line.get("is_backgrounded") is not False,
    )


def _short(line: Mapping[str, Any], name: str) -> str | None:
    text = get_text(line, name)
    return None if text is None else well_formed(text[:TEXT_CHARS])
