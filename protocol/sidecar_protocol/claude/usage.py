"""Claude's use of tokens and money, by day, session, model or job."""

from enum import StrEnum
from typing import Protocol

from sidecar_protocol.claude.runs import ClaudeUsage
from sidecar_protocol.contract import Model, method
from sidecar_protocol.errors import InvalidParams, TimeZoneUnknown
from sidecar_protocol.scalars import Count, TimeZoneName, UtcTime, When

LONGEST_DAYS = 400
"""A year and its neighbours."""


class UsageGroup(StrEnum):
    """What one entry is about."""

    DAY = "day"
    """A local day.  A day without any use has no entry."""
    SESSION = "session"
    """A session of the sidecar's; all runs of one prompt together are the entry without a session."""
    MODEL = "model"
    JOB = "job"
    """A run or a turn."""


class UsageEntry(Model):
    """What was used up by one day, session, model or job; the fields of the other groupings are null."""

    day: str | None = None
    """YYYY-MM-DD in the time zone that was asked for."""
    session_id: str | None = None
    """It is kept when the session is deleted; of a job, the session whose turn it was."""
    model: str | None = None
    """`unknown` where the CLI did not say."""
    job_id: str | None = None
    usage: ClaudeUsage
    """Each API message counted once."""
    total_cost_usd: float
    """The CLI's own estimate, at list prices."""
    jobs: Count
    """How many runs and turns."""
    last_at: UtcTime
    """When the last of it was booked."""


class UsageList(Model):
    """The entries, and all of them together."""

    entries: list[UsageEntry]
    """Days in order; others by what they cost, the dearest first."""
    usage: ClaudeUsage
    total_cost_usd: float


class ClaudeUsages(Protocol):
    """What Claude used up, runs and turns alike, also those that failed or were cancelled."""

    @method("claude.usage.list", raises=(InvalidParams, TimeZoneUnknown), waits=True)
    async def list(
        self, *, start: When, end: When, time_zone: TimeZoneName | None = None, group: UsageGroup = UsageGroup.DAY
    ) -> UsageList:
        """What was booked from `start` on and before `end`; a run or turn is booked when it ends, as a whole.

        `time_zone` says where days begin; null: where this computer is.
        """
        ...
