"""Reports over the activity feed, by day in the user's time zone."""

from enum import StrEnum
from typing import Annotated, ClassVar, Final, Protocol

from sidecar_protocol.contract import Cited, Model, ToolUse, method
from sidecar_protocol.errors import InvalidParams, ResultTooLarge, TimeZoneUnknown
from sidecar_protocol.scalars import TIME, Count, Flag, ForeignText, LocalDate, ShortText, TimeZoneName, UtcTime, When

EVENT: Final = ("activity_event", ("event_id",))


class SummaryFormat(StrEnum):
    """The format of a summary."""

    DATA = "data"
    MARKDOWN = "markdown"
    """Data, and the same as text in `markdown`."""


class SummaryGroup(StrEnum):
    """How a summary is divided into parts."""

    DAY = "day"
    PROJECT = "project"
    """The project of the event's issue, or of the first issue that it mentions; otherwise its Confluence space, the
    working folder of Claude, or its calendar."""


class SummaryMeeting(Model):
    """A meeting that was neither cancelled nor declined."""

    cited: ClassVar = Cited(*EVENT, title="title", at="event_time", url="url")
    event_id: str | None = None
    """The event of the feed."""
    title: ForeignText
    date: LocalDate
    starts: str
    """Local time in the time zone, for example 09:30."""
    ends: str | None = None
    duration_s: Count
    event_time: UtcTime
    is_tentative: Flag
    calendar: ForeignText | None = None
    url: str | None = None
    links: list[str]
    """Issues that it mentions."""


class SummaryAllDay(Model):
    """An all-day event."""

    cited: ClassVar = Cited(*EVENT, title="title", at="first_date")
    event_id: str | None = None
    """The event of the feed."""
    title: ForeignText
    first_date: LocalDate
    last_date: LocalDate
    """Equal to `first_date` if it has one day."""
    calendar: ForeignText | None = None


class SummaryIssue(Model):
    """The work on one issue."""

    cited: ClassVar = Cited("issue", ("issue_key",), title="title", url="url")
    issue_key: str
    title: ForeignText
    url: str | None = None
    project: str
    is_created: Flag
    from_status: str | None = None
    """Its status before the owner's first transition; null if there was none."""
    to_status: str | None = None
    """Its status after the owner's last transition."""
    status_kind: str | None = None
    """Its state, according to everybody's changes: todo, doing, done or blocked.  In a part it is the state at the end
    of the day or of the summary; in `next_issues` and `blocked_issues`, the current one."""
    changes: Count
    comments: Count
    worked_s: Count
    """Seconds of logged work."""


class SummaryPage(Model):
    """The work on one page."""

    cited: ClassVar = Cited(*EVENT, title="title", url="url")
    event_id: str | None = None
    """The newest of its events in the feed."""
    title: ForeignText
    url: str | None = None
    space: ForeignText | None = None
    is_created: Flag
    edits: Count
    comments: Count


class SummaryRun(Model):
    """Runs and turns of Claude with the same prompt."""

    cited: ClassVar = Cited(*EVENT, title="title")
    event_id: str | None = None
    """The newest of its events in the feed."""
    title: ForeignText
    runs: Count
    failed: Count
    cost_usd: float
    duration_s: float
    links: list[str]
    """Issues that the prompt mentions."""


class SummaryTotals(Model):
    """The totals of a part, or of the whole summary."""

    meetings: Count
    meeting_s: Count
    """Seconds in meetings; meetings at the same time count once."""
    issues: Count
    issues_done: Count
    """Issues that the owner moved to a done status and that have not been reopened."""
    worked_s: Count
    pages: Count
    runs: Count
    runs_failed: Count
    cost_usd: float
    other: Count
    """The number of all other events."""


class SummaryPart(Model):
    """One day or one project."""

    name: Annotated[str, TIME]
    """The date, for example `2026-11-25`, or the project's name; empty for events without a project."""
    totals: SummaryTotals
    all_day: list[SummaryAllDay]
    meetings: list[SummaryMeeting]
    issues: list[SummaryIssue]
    pages: list[SummaryPage]
    runs: list[SummaryRun]


class ActivitySummary(Model):
    """The work of the accounts' owner in a time range, in the order in which it happened."""

    start: UtcTime
    end: UtcTime
    time_zone: str
    first_date: LocalDate
    """The local date of `start`."""
    last_date: LocalDate
    """The local date of the last moment before `end`."""
    group: SummaryGroup
    totals: SummaryTotals
    parts: list[SummaryPart]
    """The days or projects with events."""
    next_issues: list[SummaryIssue]
    """Issues of this summary that are in progress now."""
    next_meetings: list[SummaryMeeting]
    """The meetings of the first day after `end` that has any, within a week."""
    blocked_issues: list[SummaryIssue]
    """Issues of this summary that are blocked now."""
    markdown: ForeignText | None = None


class HeatmapDay(Model):
    """The number of events of one local day."""

    date: LocalDate
    count: Count


class ActivityHeatmap(Model):
    """All local days of a time range, including days without events."""

    days: list[HeatmapDay]
    total: Count
    highest: Count
    """The count of the busiest day."""


class ActivityReports(Protocol):
    """Reports over the feed."""

    @method("activity.summary", raises=(InvalidParams, TimeZoneUnknown, ResultTooLarge), waits=True, tool=ToolUse.READ)
    async def summary(
        self,
        *,
        start: When,
        end: When,
        time_zone: TimeZoneName,
        format: SummaryFormat = SummaryFormat.DATA,
        group: SummaryGroup = SummaryGroup.DAY,
    ) -> ActivitySummary:
        """Summarises at most 366 days for a stand-up or weekly report: meetings, issues, pages and Claude's runs.

        The same events always give the same summary.  It lists what the accounts' owner did; the states of issues take
        into account what others did.  Cancelled or declined meetings are omitted, and a meeting that is in two
        calendars counts once.
        """
        ...

    @method("activity.heatmap", raises=(InvalidParams, TimeZoneUnknown), tool=ToolUse.READ)
    async def heatmap(
        self, *, start: When, end: When, time_zone: TimeZoneName, source: ShortText | None = None
    ) -> ActivityHeatmap:
        """Counts the events of each whole local day from `start` to `end`, at most 3,660 days.

        An all-day event counts on its first day in every time zone.
        """
        ...
