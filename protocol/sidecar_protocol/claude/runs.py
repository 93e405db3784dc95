"""One-shot runs of the user's own Claude Code CLI, and the types that runs and sessions share.

The text of an answer is sent twice: in pieces as `claude.delta` while it is written, and whole in the job's result.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Protocol

from pydantic import Field, Strict, StringConstraints

from sidecar_protocol.claude.attachments import (
    ATTACHMENT_ERRORS,
    PromptParts,
    PromptText,
)
from sidecar_protocol.claude.citations import Citation
from sidecar_protocol.claude.gate import MAX_EXPOSURES, SourceName
from sidecar_protocol.claude.trust import FOLDER_ERRORS
from sidecar_protocol.contract import Ephemeral, JobPolicy, JobSpec, Model, Recovery, RpcError, ToolUse, method
from sidecar_protocol.entities import Job
from sidecar_protocol.errors import InvalidParams, PayloadTooLarge, QueueFull
from sidecar_protocol.job_errors import ClaudeErrorKind, RunErrorKind
from sidecar_protocol.scalars import (
    MEASURED,
    WHOLE,
    Count,
    Flag,
    FolderPath,
    JobId,
    OpaqueId,
    Priority,
    Seconds,
    UtcTime,
    Uuid,
)

# These values must not start with a dash, so that the CLI cannot read them as flags.
ModelName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]*$", max_length=200),
    Field(description="An alias (opus, sonnet) or the full name of a model."),
]
Effort = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]{2,20}$"),
    Field(description="How much Claude thinks: a level of the model, as `claude.status` lists them (low, high, max)."),
]
ToolRule = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z][^\x00-\x1f]*$", max_length=500),
    Field(description="A tool that needs no permission: Read, Bash(git *), mcp__server__tool."),
]
MAX_TOOL_RULES = 100
ToolRules = Annotated[list[ToolRule], Field(max_length=MAX_TOOL_RULES)]
ResumedSession = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"),
    Field(description="The session to continue (UUID): `session_id` of an earlier run's result."),
]
# It is a command-line argument, and Windows allows 32,767 characters for the whole command line.
SystemPrompt = Annotated[
    str,
    StringConstraints(min_length=1, max_length=16_000, pattern=r"^[^\x00]*$"),
    Field(description="Appended to Claude Code's own system prompt."),
]
Turns = Annotated[
    int,
    Strict(),
    Field(ge=1, le=10_000, description="Maximum number of model turns; a run that needs more fails."),
    WHOLE,
]
Budget = Annotated[
    float,
    Field(strict=True, gt=0, le=10_000, description="US dollars at list prices, as Claude Code counts them."),
]

TIMEOUT_S = 3_600.0
"""Default timeout of a run and of a turn, in seconds."""


class PermissionMode(StrEnum):
    """The actions that Claude may take without permission.

    A turn requests permission for all others (`claude.permission_requested`); a run denies them.
    """

    DEFAULT = "default"
    """May read; everything else needs a rule in `allowed_tools` or in the user's settings, or a permission."""
    ACCEPT_EDITS = "acceptEdits"
    """May also edit files in its folder."""
    PLAN = "plan"
    """May only read, to make a plan."""
    DONT_ASK = "dontAsk"
    """May read; everything else that no rule allows is denied without a request."""
    AUTO = "auto"
    """A classifier decides about each call."""
    BYPASS_PERMISSIONS = "bypassPermissions"
    """May do everything.  The CLI refuses this mode to root."""


class ClaudeSettings(StrEnum):
    """The settings that Claude Code reads for its work in a folder."""

    ALL = "all"
    """The user's and the folder's own: its hooks, MCP servers, skills and CLAUDE.md.  If the folder brings any of those
    that run something, it must be trusted (`claude.trust`)."""
    USER = "user"
    """Only the user's: nothing that the folder brings runs or is read, its CLAUDE.md included."""


class HubAccess(StrEnum):
    """Claude's access to the hub: the person's calendars, issues, pages, feed, jobs and past conversations.

    `CLAUDE_HUB=off` in the sidecar's environment is `off` for all.
    """

    OFF = "off"
    READ = "read"
    """It has the tools that only read, as `mcp__hub__activity_search`, and needs no permission for them."""
    ACT = "act"
    """It also has those that change something, such as starting a sync; the user is asked before each call."""


def session_lock(session_id: str) -> str:
    """Returns the lock that the runs and turns of a session share."""
    return f"claude:session:{session_id}"


class ClaudeUsage(Model):
    """Token counts.  The four do not overlap: `input_tokens` excludes both cache counts."""

    input_tokens: Count = 0
    output_tokens: Count = 0
    cache_creation_input_tokens: Count = 0
    cache_read_input_tokens: Count = 0


class ClaudeAnswer(Model):
    """The answer to a prompt, after the end of all tasks that Claude ran in the background."""

    text: str
    """The final answer, at most 2 MiB of UTF-8.  Claude may have written others before, while tasks were running."""
    text_truncated: Flag = False
    """True if the answer was longer; the CLI's own transcript contains all of it."""
    model: str | None
    usage: ClaudeUsage
    """All tokens that were used for the answer, including those of subagents."""
    total_cost_usd: float | None = None
    """The CLI's estimate, at list prices."""
    num_turns: Count | None = None
    duration_ms: Annotated[Count, MEASURED] | None = None
    stop_reason: str | None = None
    """The API's stop reason: `end_turn`, `max_tokens`."""
    permission_denials: list[str] = []
    """The names of the tools that Claude was not allowed to use, once per denied call."""
    citations: list[Citation] = []
    """The rows of the hub that the answer names as its sources, in order of the text, at most 500."""


class ClaudeRunResult(ClaudeAnswer):
    """The result of a run."""

    session_id: OpaqueId | None
    """The session's id in the CLI: pass it to the next run to continue this conversation."""


class RunClaude(JobSpec):
    """Runs a prompt in the user's own `claude`; the result is its answer, without which it fails with `no_answer`.

    A command that Claude Code carries out itself, such as `/compact`, needs none.
    """

    type: ClassVar = "claude.run"
    result: ClassVar = ClaudeRunResult
    # INTERRUPT: a run may have changed files and accounts.  The concurrency is a setting.
    policy: ClassVar = JobPolicy(recovery=Recovery.INTERRUPT, concurrency=2)
    errors: ClassVar = (ClaudeErrorKind, RunErrorKind)
    answer: ClassVar = "text"
    checked: ClassVar = True

    prompt: PromptText = ""
    """Without the images and files that were sent with it."""
    cwd: FolderPath | None = None
    """Claude's working directory; null for the home folder."""
    model: ModelName | None = None
    """Null for the model in the user's Claude settings."""
    effort: Effort | None = None
    """Null for the effort in the user's Claude settings.  A level that the model is known not to have is refused."""
    session_id: ResumedSession | None = None
    allowed_tools: ToolRules = []
    permission_mode: PermissionMode | None = None
    """Null for the mode in the user's Claude settings."""
    max_turns: Turns | None = None
    max_budget_usd: Budget | None = None
    """Maximum cost of the run; one that reaches it is stopped and fails with `budget_exceeded`.

    It is an estimate, also for a subscription, which is not billed by it.  The answer that reaches it can exceed it.
    """
    timeout_s: Seconds = TIMEOUT_S
    system_prompt: SystemPrompt | None = None
    """Appended to Claude Code's own system prompt; a resumed session keeps its first one."""
    settings: ClaudeSettings = ClaudeSettings.ALL
    """With `all`, a run fails with `workspace_untrusted` if its folder is not trusted and brings hooks or the like."""
    wait_for_limit: Flag = True
    """Whether a run that reaches Claude's usage limit goes on by itself when the limit resets; otherwise it fails."""
    hub: HubAccess = HubAccess.READ
    """A run can ask no one, so that calls which change something are denied."""
    exposed_to: Annotated[list[SourceName], Field(max_length=MAX_EXPOSURES)] = []
    """Sources whose texts were in the conversation that has queued it.  As with those that it reads itself, it may then
    only read."""

    def lock_key(self) -> str | None:
        """Returns the session's lock, since two CLIs that resume a session would both write its file."""
        return session_lock(self.session_id) if self.session_id is not None else None


class ClaudeDelta(Ephemeral):
    """Claude has written more of a message.  Append only; a gap before `offset` means that text was lost."""

    name: ClassVar[str] = "claude.delta"
    key: ClassVar[tuple[str, ...]] = ("job_id", "message_id")
    appends: ClassVar[str | None] = "text"
    max_per_s: ClassVar[int] = 20
    session_id: Uuid
    """The session of the turn; for a run, the session's id in the CLI."""
    job_id: Uuid
    message_id: OpaqueId
    offset: Count
    """Position of `text` in the message, in UTF-16 code units: JavaScript's `length` of the text before it."""
    text: str


class ClaudeThinkingDelta(Ephemeral):
    """Claude has thought more, as `claude.delta` for the text of a message; whole as a message of kind `thinking`.

    Only what the API sends: often a summary, and nothing for thinking that it redacts.
    """

    name: ClassVar[str] = "claude.thinking_delta"
    key: ClassVar[tuple[str, ...]] = ("job_id", "message_id")
    appends: ClassVar[str | None] = "text"
    max_per_s: ClassVar[int] = 20
    session_id: Uuid
    """The session of the turn; for a run, the session's id in the CLI."""
    job_id: Uuid
    message_id: OpaqueId
    offset: Count
    """Position of `text` in the thinking of the message, in UTF-16 code units."""
    text: str


class RunNotFound(RpcError):
    """No run has this job id, or it began more than 90 days ago."""

    code = 4051


class ClaudeRun(Model):
    """The session of a run."""

    job_id: Uuid
    session_id: OpaqueId | None
    """The session's id in the CLI, as soon as the CLI has a record of it: pass it to a next run to continue."""
    started_at: UtcTime


class Runs(Protocol):
    """The sessions of runs, also of those that were cancelled, failed, or interrupted by a crash."""

    @method("claude.runs.get", raises=(RunNotFound,))
    async def get(self, *, job_id: JobId) -> ClaudeRun:
        """Returns a run that has begun."""
        ...


class Claude(Protocol):
    """Runs of Claude Code with the user's own installation and account."""

    @method(
        "claude.spawn",
        raises=(
            PayloadTooLarge,
            InvalidParams,
            *ATTACHMENT_ERRORS,
            QueueFull,
            *FOLDER_ERRORS,
        ),
        rest="POST /claude/spawn",
        waits=True,
        job=RunClaude.type,
        tool=ToolUse.ACT,
        withheld=("content", "exposed_to", "priority", "trust"),
    )
    async def spawn(
        self,
        run: RunClaude,
        *,
        content: PromptParts = [],  # noqa: B006 - a declaration: the default is only ever read
        priority: Priority = 0,
        trust: Flag = False,
    ) -> Job:
        """Queues a prompt as a run of its own: a job of type `claude.run`, whose result is a `ClaudeRunResult`.

        The prompt is the text `prompt`, or `content`: texts, images and files in order, whose files are copied now.
        `trust` trusts the folder from now on; ask the user first.
        """
        ...
