"""The activity feed: events of all sources, their search and their export."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import Field

from sidecar_protocol.contract import Cited, Foreign, JobPolicy, JobSpec, Model, Notification, Recovery, ToolUse, method
from sidecar_protocol.entities import Highlight
from sidecar_protocol.errors import InvalidCursor
from sidecar_protocol.job_errors import FileErrorKind
from sidecar_protocol.scalars import (
    DEFAULT_LIMIT,
    MEASURED,
    TIME,
    AccountId,
    Count,
    Cursor,
    Flag,
    ForeignText,
    Limit,
    LocalDate,
    NextCursor,
    SearchText,
    ShortText,
    UtcTime,
    When,
    WrittenPath,
)

IssueKey = Annotated[
    str, Field(pattern=r"^[A-Z][A-Z0-9_]{1,254}-[1-9][0-9]{0,9}$", description="An issue's key, for example PROJ-123.")
]


class ActivityEvent(Model):
    """An event of the activity feed."""

    shown: ClassVar[tuple[str, ...]] = (
        "local_date..local_end_date|event_time..ended_at",
        "title",
        "source",
        "issue_key",
        "event_type",
        "container",
        "status",
    )
    cited: ClassVar = Cited("activity_event", ("event_id",), title="title", at="event_time", url="url")
    event_id: str
    source: str
    """google_calendar, ics, jira, confluence or claude."""
    account_id: str
    """`local` for events on this computer."""
    event_type: str
    """The object and what happened to it, for example `issue_transitioned` or `event_scheduled`."""
    title: ForeignText | None = None
    description: ForeignText | None = None
    url: str | None = None
    actor: ForeignText | None = None
    event_time: UtcTime | None = None
    event_ts: Annotated[int, MEASURED, TIME] | None = None
    """The same time in seconds since 1970."""
    ended_at: UtcTime | None = None
    """When it ended or will end, if it has a duration, such as a meeting or logged work."""
    local_date: LocalDate | None = None
    """The first day of an all-day event, for example `2026-11-25`, in every time zone; null for other events."""
    local_end_date: LocalDate | None = None
    """The day after an all-day event's last day; null if it has one day."""
    by_me: bool
    """Whether the account's owner did it."""
    container_id: str | None = None
    """The id of the calendar, project or space."""
    container: ForeignText | None = None
    """The name of the calendar, project or space."""
    object_id: str | None = None
    """The id of the page or of the series of meetings that several events are about."""
    issue_key: str | None = None
    """The issue that it is about, according to Jira."""
    status: str | None = None
    """The status after this event: the name of an issue's status; for a meeting confirmed, tentative, declined or
    cancelled."""
    previous_status: str | None = None
    """The issue's status before this event."""
    status_kind: str | None = None
    """The meaning of an issue's status: todo, doing, done or blocked."""
    links: list[str]
    """The keys of other issues that it is linked with, or whose keys occur in its texts."""
    version: Count
    """1, incremented each time that the event is updated."""
    created_at: UtcTime
    updated_at: UtcTime
    raw: Annotated[Any, Foreign] = None
    """Further data from the source."""


class ActivityPage(Model):
    """A page of events, newest first."""

    events: list[ActivityEvent]
    next_cursor: NextCursor | None = None
    """Null on the last page."""


class ActivityHit(ActivityEvent):
    """An event that a search found, with an excerpt to show."""

    shown: ClassVar = (
        "local_date..local_end_date|event_time..ended_at",
        "title",
        "source",
        "snippet",
        "issue_key",
        "event_type",
    )
    snippet: ForeignText
    """An excerpt of the description around the first match, or of the title if the description has no match."""
    highlights: list[Highlight]


class ActivityHits(Model):
    """A page of search results, newest first."""

    hits: list[ActivityHit]
    next_cursor: NextCursor | None = None
    """Null on the last page.  Otherwise continue, even if this page is empty."""


class ActivityFileFormat(StrEnum):
    """The format of an exported file."""

    CSV = "csv"
    """UTF-8, for spreadsheets.  No cell is read as a formula, also not by a spreadsheet that expects another separator:
    an apostrophe precedes what would begin one."""
    JSONL = "jsonl"
    """One event per line, as in `activity.events.list`."""
    MARKDOWN = "markdown"


class CsvSeparator(StrEnum):
    """The character between two cells of a CSV file."""

    COMMA = ","
    SEMICOLON = ";"
    """Expected by Excel where the comma is the decimal sign, for example in German and French."""
    TAB = "\t"


class ActivityFile(Model):
    """The exported file."""

    path: str
    rows: Count
    size_bytes: Count


class ExportActivity(JobSpec):
    """Writes events to a file, newest first.  The file appears under its name when it is complete."""

    type: ClassVar = "activity.export"
    result: ClassVar = ActivityFile
    policy: ClassVar = JobPolicy(recovery=Recovery.REQUEUE, concurrency=1)
    errors: ClassVar = (FileErrorKind,)
    format: ActivityFileFormat = ActivityFileFormat.CSV
    separator: CsvSeparator = CsvSeparator.COMMA
    """The separator of a CSV file."""
    byte_order_mark: Flag = True
    """Whether a CSV file begins with a byte order mark, without which Excel does not read it as UTF-8."""
    path: WrittenPath | None = None
    """Absolute path in an existing folder outside the data folder; null for a new file in its subfolder `exports`."""
    overwrite: Flag = False
    """Whether to replace an existing file at `path`; otherwise the job fails with `file_exists`."""
    start: When | None = None
    end: When | None = None
    source: ShortText | None = None
    account_id: AccountId | None = None
    event_type: ShortText | None = None
    issue_key: IssueKey | None = None
    query: SearchText | None = None


class ActivityChanged(Notification):
    """The feed changed: the number of events of one account, and the newest added or updated ones (at most 50)."""

    name: ClassVar[str] = "activity.changed"
    key: ClassVar[tuple[str, ...]] = ("source", "account_id", "events.event_id", "removed_ids")
    source: str
    account_id: str
    added: Count
    updated: Count
    removed: Count
    events: list[ActivityEvent]
    removed_ids: list[str]
    """The ids of removed events, at most 500; if more were removed, load the list again."""


class Activity(Protocol):
    """The activity feed: the events of all sources."""

    @method("activity.events.list", raises=(InvalidCursor,), rest="GET /activity/events", tool=ToolUse.READ)
    async def list_events(
        self,
        *,
        start: When | None = None,
        end: When | None = None,
        source: ShortText | None = None,
        account_id: AccountId | None = None,
        event_type: ShortText | None = None,
        issue_key: IssueKey | None = None,
        query: SearchText | None = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor | None = None,
    ) -> ActivityPage:
        """Lists events with start <= time < end, newest first; `query` is text in the title or description.

        With `issue_key` it lists an issue's thread: events about the issue, and meetings, pages, runs and other issues
        that mention it.  A page with a `next_cursor` may be short or even empty: continue with the cursor.
        """
        ...

    @method("activity.search", raises=(InvalidCursor,), tool=ToolUse.READ)
    async def search(
        self,
        *,
        query: SearchText,
        start: When | None = None,
        end: When | None = None,
        source: ShortText | None = None,
        account_id: AccountId | None = None,
        event_type: ShortText | None = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor | None = None,
    ) -> ActivityHits:
        """Finds events that contain all words of `query` in title or description, newest first.

        Parts of words match; "words in quotes" are matched as one phrase.  An issue's key finds the events about the
        issue and those that mention it.  A page with a `next_cursor` may be short or even empty: continue with the
        cursor.
        """
        ...
