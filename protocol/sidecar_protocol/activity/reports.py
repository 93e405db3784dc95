"""Activity: what became of it, counted and told, day by day in the user's own time zone."""

from enum import StrEnum
from typing import Protocol

from sidecar_protocol.contract import Model, method
from sidecar_protocol.errors import InvalidParams, ResultTooLarge, TimeZoneUnknown
from sidecar_protocol.scalars import Count, Flag, ShortText, TimeZoneName, UtcTime, When


class SummaryFormat(StrEnum):
    """In what form a summary is wanted."""

    DATA = "data"
    MARKDOWN = "markdown"
    """As data and as text."""


class SummaryGroup(StrEnum):
    """What a summary has a part for."""

    DAY = "day"
    PROJECT = "project"
    """Jira's project, Confluence's space, the folder that Claude worked in, the calendar; an issue that a meeting or a
    run names counts for more than those."""


class SummaryMeeting(Model):
    """A meeting that was neither cancelled nor declined."""

    title: str
    date: str
    starts: str
    """By the clock of the time zone: 09:30."""
    ends: str | None = None
    duration_s: Count
    event_time: UtcTime
    is_tentative: Flag
    calendar: str | None = None
    url: str | None = None
    links: list[str]
    """Issues that it names."""


class SummaryAllDay(Model):
    """Something that lasts whole days."""

    title: str
    first_date: str
    last_date: str
    """The same as the first, where it has one day."""
    calendar: str | None = None


class SummaryIssue(Model):
    """All that was done about one issue."""

    issue_key: str
    title: str
    url: str | None = None
    project: str
    is_created: Flag
    from_status: str | None = None
    """Its status before the first move; null: it was not moved."""
    to_status: str | None = None
    status_kind: str | None = None
    """What its last known status means: todo, doing, done or blocked."""
    changes: Count
    comments: Count
    worked_s: Count
    """Logged work."""


class SummaryPage(Model):
    """All that was done about one page."""

    title: str
    url: str | None = None
    space: str | None = None
    is_created: Flag
    edits: Count
    comments: Count


class SummaryRun(Model):
    """What Claude was asked, as often as it was asked the same."""

    title: str
    runs: Count
    failed: Count
    cost_usd: float
    duration_s: float
    links: list[str]
    """Issues that the prompt names."""


class SummaryTotals(Model):
    """The figures of a part, or of all."""

    meetings: Count
    meeting_s: Count
    """The time in meetings; of those at the same time it counts once."""
    issues: Count
    issues_done: Count
    worked_s: Count
    pages: Count
    runs: Count
    runs_failed: Count
    cost_usd: float
    other: Count
    """Events of other kinds."""


class SummaryPart(Model):
    """One day, or one project."""

    name: str
    """`2026-11-25`, or the project's name; an empty one has what belongs to none."""
    totals: SummaryTotals
    all_day: list[SummaryAllDay]
    meetings: list[SummaryMeeting]
    issues: list[SummaryIssue]
    pages: list[SummaryPage]
    runs: list[SummaryRun]


class ActivitySummary(Model):
    """What the owner of the accounts did between two moments, in the order in which it happened."""

    start: UtcTime
    end: UtcTime
    time_zone: str
    first_date: str
    """The local day of the start."""
    last_date: str
    """The last one that begins before the end."""
    group: SummaryGroup
    totals: SummaryTotals
    parts: list[SummaryPart]
    """Those in which something happened."""
    next_issues: list[SummaryIssue]
    """Of the issues above, those that are being worked on."""
    next_meetings: list[SummaryMeeting]
    """Those of the first day after the end, within a week, that has any."""
    blocked_issues: list[SummaryIssue]
    markdown: str | None = None


class HeatmapDay(Model):
    """One local day."""

    date: str
    count: Count


class ActivityHeatmap(Model):
    """Every local day of a span, those without events too."""

    days: list[HeatmapDay]
    total: Count
    highest: Count
    """The count of the busiest day."""


class ActivityReports(Protocol):
    """Reports over the feed."""

    @method("activity.summary", raises=(InvalidParams, TimeZoneUnknown, ResultTooLarge), waits=True)
    async def summary(
        self,
        *,
        start: When,
        end: When,
        time_zone: TimeZoneName,
        format: SummaryFormat = SummaryFormat.DATA,
        group: SummaryGroup = SummaryGroup.DAY,
    ) -> ActivitySummary:
        """A stand-up or weekly report: meetings with their durations, issues moved, pages written, Claude's runs.

        Of at most 366 days.  The same events always give the same report.  What others did is left out, and so are
        meetings that were cancelled or declined; one that is in two calendars counts once.
        """
        ...

    @method("activity.heatmap", raises=(InvalidParams, TimeZoneUnknown))
    async def heatmap(
        self, *, start: When, end: When, time_zone: TimeZoneName, source: ShortText | None = None
    ) -> ActivityHeatmap:
        """How many events each local day has, from the day of `start` to the last that begins before `end`: whole days.

        Of at most 3,660 days.  An all-day event counts on its first day, whatever the time zone.
        """
        ...
