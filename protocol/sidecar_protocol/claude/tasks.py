"""Tasks: subagents and shell commands that Claude runs in the background.

A run or a turn goes on until its tasks have ended, since Claude reads their results and then gives its final answer.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Protocol

from pydantic import StringConstraints

from sidecar_protocol.contract import Model, RpcError, method
from sidecar_protocol.scalars import Flag, JobId, OpaqueId, SessionId, Uuid

TaskId = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class TaskNotFound(RpcError):
    """The job has no live task with this id."""

    code = 4050


class TaskKind(StrEnum):
    """The kind of a task."""

    AGENT = "agent"
    """A subagent, which works on a prompt of its own."""
    COMMAND = "command"
    """A shell command."""
    SCHEDULE = "schedule"
    """A turn that Claude will begin by itself, once or again and again, while its process lives: an hour at most since
    the last turn.  The turn that has scheduled it is over; `claude.sessions.interrupt` of an idle session stops it."""
    OTHER = "other"
    """Another kind, for example of a newer release of the CLI."""


class ClaudeTask(Model):
    """A task that Claude has started and that has not ended."""

    shown: ClassVar = ("kind", "description", "agent", "is_background", "task_id", "job_id")
    task_id: OpaqueId
    job_id: Uuid
    """The run or turn that goes on until the task ends."""
    kind: TaskKind
    description: str
    """Claude's description, at most 200 characters."""
    agent: str | None
    """The type of a subagent, for example `general-purpose`."""
    is_background: Flag
    """False while Claude waits for the task before it continues its turn."""


class ClaudeTaskList(Model):
    """Live tasks, oldest first: of each job at most 100."""

    tasks: list[ClaudeTask]


class Tasks(Protocol):
    """The live tasks of all runs and turns."""

    @method("claude.tasks.list")
    async def list(self, *, session_id: SessionId | None = None) -> ClaudeTaskList:
        """Returns the live tasks of a session, or of all runs and turns."""
        ...

    @method("claude.tasks.stop", raises=(TaskNotFound,))
    async def stop(self, *, job_id: JobId, task_id: TaskId | None = None) -> ClaudeTaskList:
        """Stops a task of a run or a turn, or without `task_id` all of them; returns the tasks that are being stopped.

        The job goes on: Claude learns that a subagent was stopped, and answers.  `jobs.cancel` ends the job as well.
        """
        ...
