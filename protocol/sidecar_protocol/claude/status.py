"""Reports of Claude Code about itself: models, commands, MCP servers, plan limits, and how full a context is.

Claude Code reports it whenever it runs, and the sidecar keeps the last report.  Each part says when it was learnt; what
was not reported is null or left out.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Protocol

from pydantic import Field

from sidecar_protocol.claude.sessions import SessionNotFound
from sidecar_protocol.contract import Model, Notification, method
from sidecar_protocol.scalars import Count, Flag, FolderPath, SessionId, UtcTime, Uuid


class ClaudeModel(Model):
    """A model that Claude Code offers to its account."""

    model: str
    """The value of `model` for sessions and runs, for example `opus`."""
    resolved_model: str | None
    """The model that it is at present, for example `claude-opus-5-5`."""
    name: str
    description: str | None
    efforts: list[str]
    """The values of `effort`; empty if the model has no levels of effort."""


class ClaudeAccount(Model):
    """The kind of the account, without its name or secrets.  Claude Code's own words, null if it has said none."""

    subscription: str | None = None
    """Such as `pro` or `max`; null for an API key, too."""
    api_key_source: str | None = None
    """Such as `ANTHROPIC_API_KEY`."""
    token_source: str | None = None
    provider: str | None = None
    """`firstParty`, `bedrock` or `vertex`."""


class InstalledClaude(Model):
    """The `claude` that ran last, and what it offers."""

    path: str
    version: str | None
    account: ClaudeAccount
    models: list[ClaudeModel]
    learnt_at: UtcTime


class ClaudeCommand(Model):
    """A slash command or a skill."""

    name: str
    """Without the slash."""
    description: str | None
    argument_hint: str | None
    is_skill: Flag | None
    """Null until a first turn."""


class ClaudeAgent(Model):
    """A kind of subagent."""

    name: str
    description: str | None
    model: str | None


class McpState(StrEnum):
    """The state of an MCP server."""

    CONNECTED = "connected"
    FAILED = "failed"
    NEEDS_AUTH = "needs_auth"
    """The user has to sign in to it."""
    PENDING = "pending"
    """It was still starting when it was looked at."""
    DISABLED = "disabled"
    OTHER = "other"
    """A state of a newer release of Claude Code."""


class McpServer(Model):
    """An MCP server of a folder or of the user, without its configuration, which may contain secrets."""

    name: str
    state: McpState
    error: str | None
    """Why it failed, at most 300 characters."""
    source: str | None
    """Where it is configured: `user`, `project`, `local`, `plugin`, `claudeai`."""
    advice: str | None
    """Advice for the user; null if nothing is wrong."""
    learnt_at: UtcTime


class LoadProblem(Model):
    """A thing that Claude Code could not load: a plugin, a part of one such as its hooks, or an MCP server."""

    name: str
    type: str
    """Claude Code's own word, for example `hook-load-failed`."""
    message: str


class ClaudeWorkspace(Model):
    """The offer of Claude Code in a folder.  A part that was not reported yet is null."""

    cwd: str
    commands: list[ClaudeCommand] | None = None
    agents: list[ClaudeAgent] | None = None
    output_style: str | None = None
    output_styles: list[str] | None = None
    mcp_servers: list[McpServer] | None = None
    problems: list[LoadProblem] | None = None
    has_project: Flag
    """False if only the user's own settings were read, and not what the folder brings."""
    learnt_at: UtcTime


class LimitStatus(StrEnum):
    """The status of a usage limit."""

    ALLOWED = "allowed"
    WARNING = "warning"
    """Most of it is used."""
    REJECTED = "rejected"
    """It is reached."""


class ClaudeLimit(Model):
    """A usage limit of the user's plan.  It is left out once it has reset, until it is reported again."""

    kind: str
    """`five_hour`, `seven_day`, `seven_day_opus`, `seven_day_sonnet`, `overage`, or another one of a newer release."""
    status: LimitStatus | None
    utilization: float | None
    """The fraction that is used: 0.25 is a quarter, and values above 1 occur."""
    resets_at: UtcTime | None
    learnt_at: UtcTime


class ClaudeLimits(Model):
    """The usage limits of the user's plan.  Claude Code reports none for an API key."""

    status: LimitStatus | None
    """Whether requests are accepted, by all limits together; null if unknown, or after the reset that ends it."""
    limiting: str | None
    """The kind of the limit that decides."""
    is_using_overage: Flag | None
    """Whether requests are paid on top of the plan."""
    limits: list[ClaudeLimit]
    learnt_at: UtcTime


class ClaudeContext(Model):
    """How full the context of a session is."""

    session_id: Uuid
    model: str | None
    used_tokens: Count | None
    """The tokens of the last request and its answer, without subagents; null after `/clear`."""
    window_tokens: Count | None
    """The size of the model's context window; null if Claude Code has not said it."""
    used_percentage: Annotated[float, Field(ge=0)] | None
    """Null if one of the two is unknown.  Claude Code compacts a conversation before 100."""
    learnt_at: UtcTime


class ClaudeStatus(Model):
    """The reports of the user's Claude Code.  Null if there is none yet."""

    installation: InstalledClaude | None
    workspace: ClaudeWorkspace | None
    limits: ClaudeLimits | None
    contexts: list[ClaudeContext]
    """The context of the requested session, or the 50 that changed last, newest first."""
    problem: str | None
    """Why a `refresh` could not ask Claude Code, and what to do."""


class ClaudeContextUpdated(Notification):
    """The context of a session was filled by an answer, compacted or cleared."""

    name: ClassVar[str] = "claude.context_updated"
    key: ClassVar[tuple[str, ...]] = ("context.session_id",)
    context: ClaudeContext


class ClaudeLimitsUpdated(Notification):
    """A usage limit changed: its status, its reset, or the percentage that is used."""

    name: ClassVar[str] = "claude.limits_updated"
    key: ClassVar[tuple[str, ...]] = ()
    limits: ClaudeLimits


class Status(Protocol):
    """Reports of Claude Code about itself."""

    @method("claude.status", raises=(SessionNotFound,), waits=True)
    async def status(
        self, *, cwd: FolderPath | None = None, session_id: SessionId | None = None, refresh: Flag = False
    ) -> ClaudeStatus:
        """Returns what Claude Code has said last, about a folder, a session, or the folder in which it ran last.

        Starts no process, unless `refresh` asks for it: then Claude Code is started for at most half a minute, without
        a prompt and without hooks.  MCP servers are started, those of the folder only if it is trusted.
        """
        ...
