"""The live tasks of all runs and turns, and `claude.tasks`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from sidecar_protocol.claude.tasks import ClaudeTask, ClaudeTaskList, TaskKind, TaskNotFound, Tasks

from sidecar.claude.process.cli_process import ClaudeProcess
from sidecar.claude.process.work import AGENT, COMMAND, SCHEDULE, LiveTask, stop_line

KINDS: Final = {AGENT: TaskKind.AGENT, COMMAND: TaskKind.COMMAND, SCHEDULE: TaskKind.SCHEDULE}


def contract_tasks(job_id: str, tasks: Sequence[LiveTask]) -> list[ClaudeTask]:
    return [
        ClaudeTask(
            task_id=task.task_id,
            job_id=job_id,
            kind=KINDS.get(task.kind, TaskKind.OTHER),
            description=task.description,
            agent=task.agent,
            is_background=task.is_background,
        )
        for task in tasks
    ]


@dataclass(frozen=True, slots=True)
class LiveJobs:
    """The processes of the jobs that are running, by job; with each the session of a turn."""

    _jobs: dict[str, tuple[str | None, ClaudeProcess]] = field(default_factory=dict)

    @contextmanager
    def running(self, job_id: str, session_id: str | None, process: ClaudeProcess) -> Iterator[None]:
        """Lists a job's tasks during the block."""
        self._jobs[job_id] = session_id, process
        try:
            yield
        finally:
            del self._jobs[job_id]

    def tasks(self, session_id: str | None) -> list[ClaudeTask]:
        """Returns the tasks of a session, or of all jobs."""
        return [
            task
            for job_id, (owner, process) in self._jobs.items()
            if session_id in (None, owner)
            for task in contract_tasks(job_id, process.work.tasks)
        ]

    def stop(self, job_id: str, task_id: str | None) -> list[ClaudeTask]:
        """Asks the CLI to stop one task of a job, or all; returns those that it stops."""
        if job_id not in self._jobs:
            return []
        process = self._jobs[job_id][1]
        stopped = [task for task in process.work.tasks if task_id in (None, task.task_id)]
        for task in stopped:
            process.send(stop_line(task.task_id))
        return contract_tasks(job_id, stopped)


class TasksService(Tasks):
    """Implements `Tasks`."""

    def __init__(self, jobs: LiveJobs) -> None:
        self._jobs = jobs

    async def list(self, *, session_id: str | None = None) -> ClaudeTaskList:
        return ClaudeTaskList(tasks=self._jobs.tasks(session_id))

    async def stop(self, *, job_id: str, task_id: str | None = None) -> ClaudeTaskList:
        stopped = self._jobs.stop(job_id, task_id)
        if not stopped and task_id is not None:
            raise TaskNotFound
        return ClaudeTaskList(tasks=stopped)
