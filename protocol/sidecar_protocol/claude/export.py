"""Export of a session as Markdown or JSON lines."""

from enum import StrEnum
from typing import ClassVar, Protocol

from sidecar_protocol.claude.sessions import SessionNotFound
from sidecar_protocol.contract import JobPolicy, JobSpec, Model, Recovery, method
from sidecar_protocol.errors import ResultTooLarge
from sidecar_protocol.job_errors import FileErrorKind, SessionErrorKind
from sidecar_protocol.scalars import Count, Flag, SessionId, WrittenPath


class ExportFormat(StrEnum):
    """The format of an exported file."""

    MARKDOWN = "markdown"
    """Readable text: prompts, answers, and tools with their inputs and outputs."""
    JSONL = "jsonl"
    """A line {type: "session", session}, then a line {type: "message", message} per message."""


class ExportResult(Model):
    """The written file."""

    session_id: str
    path: str
    messages: Count
    bytes: Count


class ExportSession(JobSpec):
    """Writes a session to a file, which appears under its name once it is complete."""

    type: ClassVar = "claude.export"
    result: ClassVar = ExportResult
    policy: ClassVar = JobPolicy(recovery=Recovery.REQUEUE, concurrency=1)
    errors: ClassVar = (FileErrorKind, SessionErrorKind)

    session_id: SessionId
    path: WrittenPath | None = None
    """A path in an existing folder outside the data folder; null for a new file in the data folder's `exports`."""
    overwrite: Flag = False
    """Whether an existing file at `path` is replaced; otherwise the job fails with `file_exists`."""
    format: ExportFormat = ExportFormat.MARKDOWN
    thinking: Flag = False
    """Whether Markdown includes Claude's thinking; JSONL always does."""


class SessionText(Model):
    """A session as Markdown."""

    session_id: str
    text: str
    messages: Count


class ClaudeExport(Protocol):
    """Export of sessions."""

    @method("claude.sessions.export", raises=(SessionNotFound, ResultTooLarge))
    async def export(self, *, session_id: SessionId, thinking: Flag = False) -> SessionText:
        """Returns a session as Markdown, at most 1 MiB.  A job of type `claude.export` writes any session to a file."""
        ...
