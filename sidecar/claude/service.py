"""Claude's methods.  A run is a job: this only puts it into the queue, `worker` carries it out."""

from typing import Protocol

from protocol.claude import (
    TIMEOUT_S,
    Claude,
    ModelName,
    PermissionMode,
    ResumedSession,
    RunClaude,
    SystemPrompt,
    ToolRules,
    Turns,
)
from protocol.contract import JobSpec
from protocol.entities import Job
from protocol.scalars import FolderPath, LongText, Priority, Seconds


class Enqueue(Protocol):
    """Makes a queued job of a spec, and returns it as it stands in the queue."""

    def __call__(self, spec: JobSpec, *, priority: int) -> Job: ...


class ClaudeService(Claude):
    """Implements `Claude` over the job queue."""

    def __init__(self, enqueue: Enqueue) -> None:
        self._enqueue = enqueue

    async def spawn(
        self,
        *,
        prompt: LongText,
        cwd: FolderPath | None = None,
        model: ModelName | None = None,
        session_id: ResumedSession | None = None,
        allowed_tools: ToolRules = [],  # noqa: B006 - as declared; only read
        permission_mode: PermissionMode | None = None,
        max_turns: Turns | None = None,
        timeout_s: Seconds = TIMEOUT_S,
        system_prompt: SystemPrompt | None = None,
        priority: Priority = 0,
    ) -> Job:
        spec = RunClaude(
            prompt=prompt,
            cwd=cwd,
            model=model,
            session_id=session_id,
            allowed_tools=allowed_tools,
            permission_mode=permission_mode,
            max_turns=max_turns,
            timeout_s=timeout_s,
            system_prompt=system_prompt,
        )
        return self._enqueue(spec, priority=priority)
