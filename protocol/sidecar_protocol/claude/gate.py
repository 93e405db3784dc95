"""The gate between texts that others wrote and tools that write or reach outward, and the decisions about tools.

Once an answer of the hub has brought such a text into a session, Claude could follow an instruction in it.  From then
on every tool that can do more than read asks the user first, in every permission mode.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Protocol

from pydantic import StringConstraints

from sidecar_protocol.contract import Model, method
from sidecar_protocol.errors import InvalidCursor, InvalidParams
from sidecar_protocol.scalars import (
    DEFAULT_LIMIT,
    Count,
    Cursor,
    JobId,
    Limit,
    NextCursor,
    OpaqueId,
    SessionId,
    UtcTime,
    Uuid,
)

SourceName = Annotated[str, StringConstraints(min_length=1, max_length=600)]

MAX_EXPOSURES = 500
"""Sources of one session or run that are named; all others count as the source `hub:others`."""


class Exposure(Model):
    """A source whose texts came into a session or a run."""

    shown: ClassVar = ("created_at", "source", "tool", "text", "session_id|job_id")
    session_id: Uuid | None
    job_id: Uuid | None
    """The run; null for a session."""
    source: str
    """Who can have written the texts: an account, and in calendars the organiser's domain, as `<account>:<domain>`.

    Instead of the domain, it has the organiser's address where anyone can get one, such as gmail.com, `unknown` if
    an event does not name any, and `mail` for what Google has found in mails.
    """
    tool: str
    """The tool whose answer had the first of them."""
    text: str
    """The beginning of the first of them."""
    created_at: UtcTime


class ExposureList(Model):
    """The sources of a session or run, oldest first, also those that are trusted."""

    exposures: list[Exposure]


class Verdict(StrEnum):
    """A decision about a call of a tool."""

    ALLOW = "allow"
    ASK = "ask"
    """The user was asked; the answer is a decision of its own."""
    DENY = "deny"


class DecidedBy(StrEnum):
    """The maker of a decision."""

    GATE = "gate"
    """The sidecar: texts of others are in the conversation, or the tool changes something in the hub."""
    PERSON = "person"
    """The user, by `claude.permissions.respond`."""
    CLAUDE_CODE = "claude_code"
    """Claude Code, for the `reason` that it names: a rule, its mode, a hook of the user.  2.1.197 does not say so."""


class Decision(Model):
    """A decision about a call of a tool."""

    shown: ClassVar = ("created_at", "verdict", "tool_name", "decided_by", "reason", "session_id|job_id")
    decision_id: Count
    session_id: Uuid | None
    job_id: Uuid | None
    """The run; null for a session."""
    tool_use_id: OpaqueId | None
    tool_name: str
    input_digest: str | None
    """SHA-256 of the call's input, as JSON with sorted names and without spaces; null if it is unknown."""
    verdict: Verdict
    decided_by: DecidedBy
    reason: str | None
    created_at: UtcTime


class DecisionPage(Model):
    """Decisions, newest first."""

    decisions: list[Decision]
    next_cursor: NextCursor | None = None
    """Null on the last page."""


class TrustedSource(Model):
    """A source whose texts do not make a session ask."""

    shown: ClassVar = ("trusted_at", "source")
    source: str
    trusted_at: UtcTime


class TrustedSourceList(Model):
    """The trusted sources, newest first."""

    sources: list[TrustedSource]


class Gate(Protocol):
    """Texts of others in conversations, the sources that the user trusts, and the decisions about tools."""

    @method("claude.exposures.list")
    async def list_exposures(self, *, session_id: SessionId | None = None, job_id: JobId | None = None) -> ExposureList:
        """Returns the sources whose texts came into a session or a run; without either, the newest 500 of all."""
        ...

    @method("claude.decisions.list", raises=(InvalidCursor,))
    async def list_decisions(
        self,
        *,
        session_id: SessionId | None = None,
        job_id: JobId | None = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor | None = None,
    ) -> DecisionPage:
        """Returns the decisions about the tools of a session or a run, or all, newest first; 10,000 are kept."""
        ...

    @method("claude.sources.list")
    async def list_sources(self) -> TrustedSourceList:
        """Returns the trusted sources."""
        ...

    @method("claude.sources.trust", raises=(InvalidParams,))
    async def trust_source(self, *, source: SourceName) -> TrustedSourceList:
        """Trusts a source from now on, also in sessions that its texts came into before; ask the user first.

        `source` is that of an exposure.  Who can write there can then make Claude act, within its permission mode.
        """
        ...

    @method("claude.sources.remove")
    async def remove_source(self, *, source: SourceName) -> TrustedSourceList:
        """Withdraws the trust in a source."""
        ...
