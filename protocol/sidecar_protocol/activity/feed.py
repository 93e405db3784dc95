"""Activity: what happened, over all sources, in one feed."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import Field, StringConstraints

from sidecar_protocol.contract import JobPolicy, JobSpec, Model, Notification, Recovery, method
from sidecar_protocol.entities import Highlight
from sidecar_protocol.errors import InvalidCursor
from sidecar_protocol.scalars import (
    DEFAULT_LIMIT,
    MEASURED,
    AccountId,
    Count,
    Cursor,
    FilePath,
    Flag,
    Limit,
    NextCursor,
    ShortText,
    UtcTime,
    When,
)

IssueKey = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{1,254}-[1-9][0-9]{0,9}$"),
    Field(description="An issue's key, such as PROJ-123."),
]
SearchText = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class ActivityEvent(Model):
    """One thing that happened."""

    event_id: str
    source: str
    """google_calendar, ics, jira, confluence or claude."""
    account_id: str
    """`local` for what this machine did itself."""
    event_type: str
    title: str | None = None
    description: str | None = None
    url: str | None = None
    actor: str | None = None
    event_time: UtcTime | None = None
    event_ts: Annotated[int, MEASURED] | None = None
    """The same moment, seconds since 1970."""
    ended_at: UtcTime | None = None
    """When it ended or will end, where it has a duration: a meeting, logged work."""
    local_date: str | None = None
    """Of all-day events only: the first day, `2026-11-25`, which is that date in every zone."""
    local_end_date: str | None = None
    """The day after an all-day event's last; null: it has one day."""
    by_me: bool
    """Whether the account's owner did it."""
    container_id: str | None = None
    """What it lies in: the calendar's, project's or space's id."""
    container: str | None = None
    """That one's name."""
    object_id: str | None = None
    """What it is about, where several events are about one thing: the page, the series of meetings."""
    issue_key: str | None = None
    """The issue that it is about, said by Jira itself."""
    status: str | None = None
    """How that thing stands by this event: an issue's status, or confirmed, tentative, declined or cancelled."""
    previous_status: str | None = None
    """An issue's status before."""
    status_kind: str | None = None
    """What an issue's status means: todo, doing, done or blocked."""
    links: list[str]
    """Further issues that it is linked with, by their keys."""
    version: Count
    """1, and one more each time it was told anew in other words."""
    created_at: UtcTime
    updated_at: UtcTime
    raw: Any = None
    """What the source said, where it is worth keeping."""


class ActivityPage(Model):
    """Events, newest first."""

    events: list[ActivityEvent]
    next_cursor: NextCursor | None = None
    """Null on the last page."""


class ActivityHit(ActivityEvent):
    """An event that a search found, with what of it to show."""

    snippet: str
    """A piece of the description around the first hit, or of the title where the description has none."""
    marks: list[Highlight]


class ActivityHits(Model):
    """What was found, newest first."""

    hits: list[ActivityHit]
    next_cursor: NextCursor | None = None
    """Null: there is no more.  Otherwise go on, even if the page is empty."""


class ActivityFileFormat(StrEnum):
    """In what form events are written to a file."""

    CSV = "csv"
    """For spreadsheets: UTF-8 with a byte order mark; no cell can be taken for a formula."""
    JSONL = "jsonl"
    """A line for each event, as `activity.events.list` tells it."""
    MARKDOWN = "markdown"


class ActivityFile(Model):
    """The file."""

    path: str
    rows: Count
    size_bytes: Count


class ExportActivity(JobSpec):
    """Write events to a file, newest first.  It appears under its name once it is complete."""

    type: ClassVar = "activity.export"
    result: ClassVar = ActivityFile
    policy: ClassVar = JobPolicy(recovery=Recovery.REQUEUE, concurrency=1)
    format: ActivityFileFormat = ActivityFileFormat.CSV
    path: FilePath | None = None
    """In an existing folder outside the data folder.  Null: a new file in the data folder's `exports`."""
    overwrite: Flag = False
    """Whether an existing file at `path` is replaced; otherwise the job fails with `file_exists`."""
    start: When | None = None
    end: When | None = None
    source: ShortText | None = None
    account_id: AccountId | None = None
    event_type: ShortText | None = None
    issue_key: IssueKey | None = None
    query: SearchText | None = None


class ActivityChanged(Notification):
    """The feed changed: how many events of one source and account, and the newest of them (at most 50)."""

    name: ClassVar[str] = "activity.changed"
    source: str
    account_id: str
    added: Count
    updated: Count
    removed: Count
    events: list[ActivityEvent]
    removed_ids: list[str]
    """The ids of removed ones, at most 500: where more were removed, list anew."""


class Activity(Protocol):
    """One feed over everything that happened."""

    @method("activity.events.list", raises=(InvalidCursor,), rest="GET /activity/events")
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
        """Events with start <= time < end, newest first; `query` is text that the title or description contains.

        `issue_key` asks for an issue's thread: what is about it, and meetings, pages, runs and other issues that name
        it.  A page may be short, even empty, while there is a `next_cursor`: go on from there.
        """
        ...

    @method("activity.search", raises=(InvalidCursor,))
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
        """Events that have all words of `query` in title or description, newest first; "words in quotes" are one.

        Any part of a word will do.  An issue's key finds what is about that issue or names it.  A page may be short,
        even empty, while there is a `next_cursor`: go on from there.
        """
        ...
