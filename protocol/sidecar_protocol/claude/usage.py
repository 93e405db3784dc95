"""Claude's token usage and costs, by day, session, model or job."""

from enum import StrEnum
from typing import Protocol

from sidecar_protocol.claude.runs import ClaudeUsage
from sidecar_protocol.contract import Model, ToolUse, method
from sidecar_protocol.errors import InvalidParams, TimeZoneUnknown
from sidecar_protocol.scalars import Count, LocalDate, TimeZoneName, UtcTime, When

LONGEST_DAYS = 400
"""Maximum length of a range: a year and some weeks."""


class UsageGroup(StrEnum):
    """The grouping of usage."""

    DAY = "day"
    """Local days; a day without usage has no entry."""
    SESSION = "session"
    """Sessions; one entry without a session id is the sum of all runs."""
    MODEL = "model"
    JOB = "job"
    """Runs and turns."""


class UsageEntry(Model):
    """The usage of a day, session, model or job; the fields of the other groupings are null."""

    day: LocalDate | None = None
    """YYYY-MM-DD in the requested time zone."""
    session_id: str | None = None
    """Remains after the session is deleted.  For a job, the session of the turn."""
    model: str | None = None
    """`unknown` if the CLI did not report it."""
    job_id: str | None = None
    usage: ClaudeUsage
    """The CLI's totals by model, which belong to the cost and include subagents.  Of a prompt that ended without them,
    because its process was killed, the sum over its API messages."""
    total_cost_usd: float
    """The CLI's estimate, at list prices."""
    jobs: Count
    """The number of runs and turns."""
    last_at: UtcTime
    """The time of the last recorded usage."""


class UsageList(Model):
    """Usage entries and their sums."""

    entries: list[UsageEntry]
    """Days in order; other groupings by cost, highest first."""
    usage: ClaudeUsage
    total_cost_usd: float


class ClaudeUsages(Protocol):
    """The usage of all runs and turns, including failed and cancelled ones."""

    @method("claude.usage.list", raises=(InvalidParams, TimeZoneUnknown), waits=True, tool=ToolUse.READ)
    async def list(
        self, *, start: When, end: When, time_zone: TimeZoneName | None = None, group: UsageGroup = UsageGroup.DAY
    ) -> UsageList:
        """Returns the usage recorded in start <= time < end.  A run or turn is recorded when it ends.

        `time_zone` determines where days begin; null for the time zone of this computer.
        """
        ...
