"""A session with Claude as a text to keep or to pass on."""

from enum import StrEnum
from typing import ClassVar, Protocol

from sidecar_protocol.claude.sessions import SessionNotFound
from sidecar_protocol.contract import JobPolicy, JobSpec, Model, Recovery, method
from sidecar_protocol.errors import ResultTooLarge
from sidecar_protocol.scalars import Count, FilePath, Flag, SessionId


class ExportFormat(StrEnum):
    """What the file is for."""

    MARKDOWN = "markdown"
    """To be read: prompts, answers, tools with what they were given and what they said."""
    JSONL = "jsonl"
    """To be read by programs: a line {type: "session", session}, then {type: "message", message} for each message."""


class ExportResult(Model):
    """The file that was written."""

    session_id: str
    path: str
    messages: Count
    bytes: Count


class ExportSession(JobSpec):
    """Write a session to a file, which appears under its name once it is complete."""

    type: ClassVar = "claude.export"
    result: ClassVar = ExportResult
    policy: ClassVar = JobPolicy(recovery=Recovery.REQUEUE, concurrency=1)

    session_id: SessionId
    path: FilePath | None = None
    """In an existing folder outside the data folder.  Null: a new file in the data folder's `exports`."""
    overwrite: Flag = False
    """Whether an existing file at `path` is replaced; otherwise the job fails with `file_exists`."""
    format: ExportFormat = ExportFormat.MARKDOWN
    thinking: Flag = False
    """Whether Markdown has Claude's thoughts too; JSONL has everything."""


class SessionText(Model):
    """A session as Markdown."""

    session_id: str
    text: str
    messages: Count


class ClaudeExport(Protocol):
    """Sessions as texts."""

    @method("claude.sessions.export", raises=(SessionNotFound, ResultTooLarge))
    async def export(self, *, session_id: SessionId, thinking: Flag = False) -> SessionText:
        """A session as Markdown, if that is at most 1 MiB; a job of type `claude.export` writes any to a file."""
        ...
