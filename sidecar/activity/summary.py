"""Builds a summary: sorts rows of the feed into days or projects, and describes each of these by kinds of things.

It lists and counts the owner's events; the state of an issue takes everybody's into account.  The result
depends on the rows alone and lists things in the order in which they happened.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta, tzinfo
from functools import lru_cache
from typing import Final, NamedTuple

from pydantic_core import from_json
from sidecar_protocol.activity.reports import (
    ActivitySummary,
    SummaryAllDay,
    SummaryGroup,
    SummaryIssue,
    SummaryMeeting,
    SummaryPage,
    SummaryPart,
    SummaryRun,
    SummaryTotals,
)
from sidecar_protocol.scalars import canonical_time

from sidecar.activity.filters import MAX_FEED_KEY, first_key
from sidecar.activity.keys import project_of
from sidecar.activity.rows import Issue, ReportRow
from sidecar.days import begins_ms, local, moment

SECTIONS: Final = {
    "event": "meetings",
    "issue": "issues",
    "page": "pages",
    "blogpost": "pages",
    "comment": "pages",
    "run": "runs",
    "turn": "runs",
}
"""The section of a part that lists an event, by the first word of the event's type."""
NOT_WORK: Final = ("focus", "absence", "location", "birthday", "booking")
"""Calendar entries that are not things done, by the first word of their type."""
NOT_HELD: Final = ("declined", "cancelled")

Rows = list[ReportRow]


def is_meeting(row: ReportRow) -> bool:
    """Returns whether it is a meeting that was neither cancelled nor declined by the user."""
    return _section(row) == "meetings" and row.status not in NOT_HELD and not row.event_type.endswith(NOT_HELD)


def _section(row: ReportRow) -> str:
    return SECTIONS.get(_object(row), "other")


def _object(row: ReportRow) -> str:
    return _first_word(row.event_type)


@lru_cache(maxsize=256)
def _first_word(event_type: str) -> str:
    return re.split(r"[_.]", event_type, maxsplit=1)[0]


def _links(row: ReportRow) -> list[str]:
    return [] if row.links == "[]" else from_json(row.links)


class IssueStates(NamedTuple):
    """States of issues that the events of the time range do not tell."""

    before: dict[Issue, str | None]
    """At the beginning of the range."""
    now: dict[Issue, str | None]


class SummaryBuilder:
    """Collects rows, oldest first, and builds a summary of them."""

    def __init__(self, zone: tzinfo, group: SummaryGroup) -> None:
        self._zone = zone
        self._group = group
        self._rows: dict[str, Rows] = {}
        self._all_day: dict[str, list[SummaryAllDay]] = {}
        self._state_rows: dict[str | None, Rows] = {}
        """The rows of everybody that have the state of an issue."""

    def issues(self) -> list[Issue]:
        """Returns the issues of the added events, for which `build` needs `IssueStates`."""
        rows = (row for rows in self._rows.values() for row in rows if row.issue_key is not None)
        return list(dict.fromkeys(map(_issue_of, rows)))

    def add(self, row: ReportRow) -> None:
        """Adds an event that has a time."""
        if row.status_kind is not None and _section(row) == "issues":
            self._state_rows.setdefault(_issue_id(row), []).append(row)
        if not row.by_me or _object(row) in NOT_WORK or (_section(row) == "meetings" and not is_meeting(row)):
            return
        by_day = self._group is SummaryGroup.DAY
        name = local(row.event_ts * 1000, self._zone).date().isoformat() if by_day else _project(row)
        self._rows.setdefault(name, []).append(row)

    def add_all_day(self, row: ReportRow, first: date, last: date) -> None:
        """Adds an all-day event, on its days from `first` to `last`."""
        begin, end = _all_day_span(row)
        if not row.by_me or end < first or begin > last or not (is_meeting(row) or _object(row) == "absence"):
            return
        entry = SummaryAllDay(
            event_id=row.event_id,
            title=row.title or "",
            first_date=begin.isoformat(),
            last_date=end.isoformat(),
            calendar=row.container,
        )
        days = range((min(end, last) - max(begin, first)).days + 1)
        names = [(max(begin, first) + timedelta(days=number)).isoformat() for number in days]
        for name in names if self._group is SummaryGroup.DAY else [_project(row)]:
            entries = self._all_day.setdefault(name, [])
            others = (one.model_copy(update={"event_id": entry.event_id}) for one in entries)
            if entry not in others:  # the same holiday in another calendar
                entries.append(entry)

    def build(
        self,
        start: str,
        end: str,
        time_zone: str,
        days: Sequence[date],
        next_meetings: Sequence[SummaryMeeting],
        states: IssueStates,
    ) -> ActivitySummary:
        everything = sorted((row for rows in self._rows.values() for row in rows), key=lambda row: row.feed_key)
        groups = _groups(everything, "issues", _issue_id)
        issues = [_issue(rows, states.now.get(_issue_of(rows[-1]), self._state(rows, states))) for rows in groups]
        names = sorted(self._rows.keys() | self._all_day.keys(), key=lambda name: (not name, name))
        return ActivitySummary(
            start=start,
            end=end,
            time_zone=time_zone,
            first_date=days[0].isoformat(),
            last_date=days[-1].isoformat(),
            group=self._group,
            totals=self._part("", everything, states).totals,
            parts=[self._part(name, self._rows.get(name, []), states) for name in names],
            next_issues=[issue for issue in issues if issue.status_kind == "doing"],
            next_meetings=list(next_meetings),
            blocked_issues=[issue for issue in issues if issue.status_kind == "blocked"],
        )

    def _state(self, rows: Rows, states: IssueStates, before: int = MAX_FEED_KEY) -> str | None:
        """Returns the state of the issue that the rows are about, before a feed key within the time range."""
        known = self._state_rows.get(_issue_id(rows[-1]), [])
        number = bisect_left(known, before, key=lambda row: row.feed_key)
        return known[number - 1].status_kind if number else states.before.get(_issue_of(rows[-1]))

    def _part(self, name: str, rows: Rows, states: IssueStates) -> SummaryPart:
        is_day = bool(name) and self._group is SummaryGroup.DAY
        end = first_key(begins_ms(date.fromisoformat(name) + timedelta(days=1), self._zone)) if is_day else MAX_FEED_KEY
        meeting_rows = [row for row in rows if _section(row) == "meetings"]
        meetings = meetings_of(meeting_rows, self._zone)
        issue_rows = _groups(rows, "issues", _issue_id)
        issues = [_issue(group, self._state(group, states, end)) for group in issue_rows]
        pages = [_page(group) for group in _groups(rows, "pages", lambda row: row.object_id or row.url or row.title)]
        runs = [_run(group) for group in _groups(rows, "runs", lambda row: row.title)]
        totals = SummaryTotals(
            meetings=len(meetings),
            meeting_s=_busy_s(meeting_rows),
            issues=len(issues),
            issues_done=sum(
                issue.status_kind == "done" and any(_is_move(row) and row.status_kind == "done" for row in group)
                for issue, group in zip(issues, issue_rows, strict=True)
            ),
            worked_s=sum(issue.worked_s for issue in issues),
            pages=len(pages),
            runs=sum(run.runs for run in runs),
            runs_failed=sum(run.failed for run in runs),
            cost_usd=round(sum(run.cost_usd for run in runs), 6),
            other=sum(_section(row) == "other" for row in rows),
        )
        return SummaryPart(
            name=name,
            totals=totals,
            all_day=self._all_day.get(name, []),
            meetings=meetings,
            issues=issues,
            pages=pages,
            runs=runs,
        )


def _all_day_span(row: ReportRow) -> tuple[date, date]:
    first = date.fromisoformat(row.local_date or "")
    end = date.fromisoformat(row.local_end_date) if row.local_end_date else first
    return first, max(first, end - timedelta(days=1))


def meetings_of(rows: Iterable[ReportRow], zone: tzinfo) -> list[SummaryMeeting]:
    """Returns the meetings in order; one that is in several calendars is listed once."""
    unique = {(row.title, row.event_ts, row.ended_ts): row for row in reversed(list(rows))}
    return [_meeting(row, zone) for row in reversed(unique.values())]


def _meeting(row: ReportRow, zone: tzinfo) -> SummaryMeeting:
    starts = local(row.event_ts * 1000, zone)
    return SummaryMeeting(
        event_id=row.event_id,
        title=row.title or "",
        date=starts.date().isoformat(),
        starts=f"{starts:%H:%M}",
        ends=None if row.ended_ts is None else f"{local(row.ended_ts * 1000, zone):%H:%M}",
        duration_s=_length_s(row),
        event_time=canonical_time(moment(row.event_ts * 1000)),
        is_tentative=row.status == "tentative",
        calendar=row.container,
        url=row.url,
        links=_links(row),
    )


def _issue_id(row: ReportRow) -> str | None:
    return row.issue_key or row.object_id or row.title


def _issue_of(row: ReportRow) -> Issue:
    return row.account_id, row.issue_key or ""


def _is_move(row: ReportRow) -> bool:
    return row.event_type.endswith("transitioned")


def _issue(rows: Rows, state: str | None) -> SummaryIssue:
    latest = rows[-1]
    moves = [row for row in rows if _is_move(row)]
    worked = [row for row in rows if "worklog" in row.event_type]
    comments = sum(row.event_type.endswith("commented") for row in rows)
    created = sum(row.event_type.endswith("created") for row in rows)
    key = latest.issue_key or ""
    title = _latest_title(rows)
    return SummaryIssue(
        issue_key=key,
        title=title.removeprefix(key).lstrip(" :-") or title if key else title,
        url=latest.url,
        project=_project(latest),
        is_created=created > 0,
        from_status=moves[0].previous_status if moves else None,
        to_status=moves[-1].status if moves else None,
        status_kind=state,
        changes=len(rows) - len(worked) - comments - created,
        comments=comments,
        worked_s=sum(_length_s(row) for row in worked),
    )


def _page(rows: Rows) -> SummaryPage:
    comments = sum(row.event_type.endswith("commented") or _object(row) == "comment" for row in rows)
    created = sum(row.event_type.endswith(("created", "published")) and _object(row) != "comment" for row in rows)
    return SummaryPage(
        event_id=rows[-1].event_id,
        title=_latest_title(rows),
        url=rows[-1].url,
        space=rows[-1].container,
        is_created=created > 0,
        edits=len(rows) - comments - created,
        comments=comments,
    )


def _run(rows: Rows) -> SummaryRun:
    return SummaryRun(
        event_id=rows[-1].event_id,
        title=rows[0].title or "",
        runs=len(rows),
        failed=sum(row.event_type.endswith("failed") for row in rows),
        cost_usd=round(sum(_number(row.cost_usd) for row in rows), 6),
        duration_s=round(sum(_number(row.duration_ms) for row in rows) / 1000, 3),
        links=list(dict.fromkeys(link for row in rows for link in _links(row))),
    )


def _groups(rows: Iterable[ReportRow], section: str, key: Callable[[ReportRow], str | None]) -> list[Rows]:
    """Groups the rows of a section by key, in the order of each group's first row."""
    groups: dict[str | None, Rows] = {}
    for row in rows:
        if _section(row) == section:
            groups.setdefault(key(row), []).append(row)
    return list(groups.values())


def _latest_title(rows: Rows) -> str:
    return next((row.title for row in reversed(rows) if row.title), "")


def _project(row: ReportRow) -> str:
    if row.issue_key:
        return project_of(row.issue_key)
    if links := _links(row):
        return project_of(links[0])
    if row.cwd:
        return re.split(r"[\\/]", row.cwd.rstrip("\\/"))[-1]
    return row.container or ""


def _length_s(row: ReportRow) -> int:
    return 0 if row.ended_ts is None else max(0, row.ended_ts - row.event_ts)


def _busy_s(rows: Iterable[ReportRow]) -> int:
    """Returns the time that at least one of the events covers."""
    busy, until = 0, -(2**63)
    for row in sorted(rows, key=lambda row: row.event_ts):
        end = row.event_ts + _length_s(row)
        busy += max(0, end - max(until, row.event_ts))
        until = max(until, end)
    return busy


def _number(value: object) -> float:
    """Returns a number of the raw data, or 0: rows of the old backend may contain anything."""
    return float(value) if isinstance(value, int | float) else 0.0
