"""One-shot runs of the user's own Claude Code CLI, and the types that runs and sessions share.

Text arrives twice: in pieces as `claude.delta` while it is written, and complete in the job's result.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Protocol

from pydantic import Field, Strict, StringConstraints

from sidecar_protocol.contract import Ephemeral, JobPolicy, JobSpec, Model, Recovery, method
from sidecar_protocol.entities import Job
from sidecar_protocol.errors import PayloadTooLarge
from sidecar_protocol.scalars import (
    MEASURED,
    Count,
    Flag,
    FolderPath,
    LongText,
    OpaqueId,
    Priority,
    Seconds,
    Uuid,
)

# No value may start with a dash, so that none of them can ever be read as a flag of the CLI.
ModelName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]*$", max_length=200),
    Field(description="An alias (opus, sonnet) or a model's full name."),
]
ToolRule = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z][^\x00-\x1f]*$", max_length=500),
    Field(description="A tool that needs no approval: Read, Bash(git *), mcp__server__tool."),
]
MAX_TOOL_RULES = 100
ToolRules = Annotated[list[ToolRule], Field(max_length=MAX_TOOL_RULES)]
ResumedSession = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"),
    Field(description="The session to go on with (UUID): `session_id` of an earlier run's result."),
]
# It travels in argv, and Windows allows 32,767 characters for the whole command line.
SystemPrompt = Annotated[
    str,
    StringConstraints(min_length=1, max_length=16_000, pattern=r"^[^\x00]*$"),
    Field(description="Added to the end of Claude Code's own system prompt."),
]
Turns = Annotated[int, Strict(), Field(ge=1, le=10_000, description="Model turns; a run that needs more fails.")]

TIMEOUT_S = 3_600.0
"""A run's time where the caller names none, and a turn's: longer than nearly all need, and every wait has a limit."""


class PermissionMode(StrEnum):
    """What Claude may do without asking.

    In a turn it asks (`claude.permission_requested`); in a run nobody is asked, and what needs an answer is denied.
    """

    DEFAULT = "default"
    """Reads freely; everything else needs a rule in `allowed_tools` or in the user's settings, or an answer."""
    ACCEPT_EDITS = "acceptEdits"
    """Also edits files in its folder."""
    PLAN = "plan"
    """Reads and plans, changes nothing."""
    DONT_ASK = "dontAsk"
    """Whatever is not allowed beforehand is denied."""
    AUTO = "auto"
    """A classifier decides."""
    BYPASS_PERMISSIONS = "bypassPermissions"
    """Does everything.  The CLI refuses it to root."""


def session_lock(session_id: str) -> str:
    """The key by which the runs of one session wait for each other."""
    return f"claude:session:{session_id}"


class ClaudeUsage(Model):
    """Tokens of a run.  The four buckets do not overlap: `input_tokens` excludes both cache buckets."""

    input_tokens: Count = 0
    output_tokens: Count = 0
    cache_creation_input_tokens: Count = 0
    cache_read_input_tokens: Count = 0


class ClaudeAnswer(Model):
    """What one prompt came to."""

    text: str
    """The final answer, at most 2 MiB of UTF-8."""
    text_truncated: Flag = False
    """True where the answer was longer than that; the CLI's own record has it whole."""
    model: str | None
    usage: ClaudeUsage
    total_cost_usd: float | None = None
    """The CLI's own estimate, at list prices."""
    num_turns: Count | None = None
    duration_ms: Annotated[Count, MEASURED] | None = None
    stop_reason: str | None = None
    """The API's word: `end_turn`, `max_tokens`."""
    permission_denials: list[str] = []
    """Names of the tools that Claude wanted to use and was not allowed to, once per refused call."""


class ClaudeRunResult(ClaudeAnswer):
    """What a run came to."""

    session_id: OpaqueId | None
    """The CLI's own session: send it with the next prompt to go on with this conversation."""


class RunClaude(JobSpec):
    """Run a prompt through the user's own `claude` and wait for its answer."""

    type: ClassVar = "claude.run"
    result: ClassVar = ClaudeRunResult
    # What a run did to files and accounts cannot be taken back; the concurrency is a setting.
    policy: ClassVar = JobPolicy(recovery=Recovery.INTERRUPT, concurrency=2)

    prompt: LongText
    cwd: FolderPath | None = None
    """Where Claude works; null: the home folder."""
    model: ModelName | None = None
    """Null: as the user's settings say."""
    session_id: ResumedSession | None = None
    allowed_tools: ToolRules = []
    permission_mode: PermissionMode | None = None
    """Null: as the user's settings say."""
    max_turns: Turns | None = None
    timeout_s: Seconds = TIMEOUT_S
    system_prompt: SystemPrompt | None = None
    """A resumed session keeps the one that it began with."""

    def lock_key(self) -> str | None:
        """Two CLIs that resume one session would both write its file."""
        return session_lock(self.session_id) if self.session_id is not None else None


class ClaudeDelta(Ephemeral):
    """Claude wrote more of a message.  Append-only: a gap between `offset` and what is known means text was lost."""

    name: ClassVar[str] = "claude.delta"
    key: ClassVar[tuple[str, ...]] = ("job_id", "message_id")
    appends: ClassVar[str | None] = "text"
    max_per_s: ClassVar[int] = 20
    session_id: Uuid
    """The session whose turn it is; in a run of one prompt, the CLI's own."""
    job_id: Uuid
    message_id: OpaqueId
    offset: Count
    """Where `text` begins in the message, in UTF-16 code units: JavaScript's `length` of what came before."""
    text: str


class Claude(Protocol):
    """Claude Code, run by the sidecar with the user's own installation and account."""

    @method("claude.spawn", raises=(PayloadTooLarge,), rest="POST /claude/spawn")
    async def spawn(self, run: RunClaude, *, priority: Priority = 0) -> Job:
        """Queues a run as a job of type `claude.run`; the job's result is a `ClaudeRunResult`."""
        ...
