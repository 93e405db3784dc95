"""The methods `activity.summary` and `activity.heatmap`."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta, tzinfo
from typing import Final

from sidecar_protocol.activity.reports import (
    ActivityHeatmap,
    ActivityReports,
    ActivitySummary,
    HeatmapDay,
    SummaryFormat,
    SummaryGroup,
    SummaryMeeting,
)
from sidecar_protocol.errors import ResultTooLarge

from sidecar.activity.filters import KEYS_PER_MS, MAX_FEED_KEY, first_key, parse_ms
from sidecar.activity.issue_states import IssueStateStore
from sidecar.activity.markdown import summary_text
from sidecar.activity.rows import Issue, ReportRow
from sidecar.activity.store import ActivityStore
from sidecar.activity.summary import IssueStates, SummaryBuilder, is_meeting, meetings_of
from sidecar.clock import DAY_MS
from sidecar.days import begins_ms, days_between, local, zone_or_raise

HEATMAP_DAYS: Final = 3_660
"""Ten years; screens show less."""
SUMMARY_DAYS: Final = 366
SUMMARY_ROWS: Final = 100_000
"""A longer report is useless to a reader; this one takes about a second, in steps."""
STEP_ROWS: Final = 250
"""Rows added per step, which takes a few milliseconds; between steps the loop runs other work."""
ALL_DAY_DAYS: Final = 62
"""How many days before the report an all-day event may begin to be included; a longer one is not news."""
ALL_DAY_ROWS: Final = 1_000
NEXT_DAYS: Final = 7
NEXT_ROWS: Final = 1_000
"""Rows read to find the next meetings; a week has fewer."""


class ReportsService(ActivityReports):
    """Reports over the feed."""

    def __init__(self, store: ActivityStore, issue_states: IssueStateStore) -> None:
        self._store = store
        self._issue_states = issue_states

    async def heatmap(self, *, start: str, end: str, time_zone: str, source: str | None = None) -> ActivityHeatmap:
        zone = zone_or_raise(time_zone)
        days = days_between(start, end, zone, HEATMAP_DAYS)
        counts: Counter[str] = Counter()
        names = [day.isoformat() for day in days]
        bounds = [first_key(begins_ms(day, zone)) for day in (*days, days[-1] + timedelta(days=1))]
        # The feed key of an all-day event is the start of its day in the calendar's zone, at most a day away from here.
        first, last = ((days[0] - timedelta(days=2)).isoformat(), (days[-1] + timedelta(days=2)).isoformat())
        # Counted for each request, which is exact in every zone: an index of the feed counts a million events of one
        # year in tens of milliseconds (`python -m tests.bench.feed`).
        for one in self._store.sources() if source is None else [source]:
            counts.update(dict(zip(names, self._store.counts(one, bounds), strict=True)))
            for feed_key, local_date in self._store.all_day_dates(one, first, last):
                if bounds[0] <= feed_key < bounds[-1]:
                    counts[local(feed_key // KEYS_PER_MS, zone).date().isoformat()] -= 1
                counts[local_date] += 1
        found = [HeatmapDay(date=name, count=counts[name]) for name in names]
        return ActivityHeatmap(
            days=found, total=sum(day.count for day in found), highest=max(day.count for day in found)
        )

    async def summary(
        self,
        *,
        start: str,
        end: str,
        time_zone: str,
        format: SummaryFormat = SummaryFormat.DATA,
        group: SummaryGroup = SummaryGroup.DAY,
    ) -> ActivitySummary:
        zone = zone_or_raise(time_zone)
        days = days_between(start, end, zone, SUMMARY_DAYS)
        builder = SummaryBuilder(zone, group)
        for row in self._all_day_rows(days[0], days[-1]):
            builder.add_all_day(row, days[0], days[-1])
        rows = 0
        next_key, end_key = first_key(parse_ms(start)), first_key(parse_ms(end))
        while batch := self._store.timed_rows(next_key, end_key, STEP_ROWS):
            next_key = batch[-1].feed_key + 1
            rows += len(batch)
            if rows > SUMMARY_ROWS:
                raise ResultTooLarge(f"The time range has more than {SUMMARY_ROWS:,} events; use a shorter one.")
            for row in batch:
                builder.add(row)
            await asyncio.sleep(0)
        states = await self._states(builder.issues(), first_key(parse_ms(start)))
        next_meetings = self._next_meetings(parse_ms(end), zone)
        # In a thread: it needs no database, and a year's report takes long enough to delay other requests.
        summary = await asyncio.to_thread(builder.build, start, end, time_zone, days, next_meetings, states)
        if format is SummaryFormat.MARKDOWN:
            return summary.model_copy(update={"markdown": summary_text(summary)})
        return summary

    def _all_day_rows(self, first: date, last: date) -> list[ReportRow]:
        earliest = first - timedelta(days=min(ALL_DAY_DAYS, (first - date.min).days))
        return self._store.all_day_rows(earliest.isoformat(), last.isoformat(), ALL_DAY_ROWS)

    async def _states(self, issues: Sequence[Issue], start: int) -> IssueStates:
        """Returns the states of issues before a feed key, and their current ones."""
        states = IssueStates({}, {})
        for number in range(0, len(issues), STEP_ROWS):
            step = issues[number : number + STEP_ROWS]
            states.before.update(self._store.states_at(step, start))
            states.now.update(self._store.states_at(step, MAX_FEED_KEY) | self._issue_states.get(step))
            await asyncio.sleep(0)
        return states

    def _next_meetings(self, end_ms: int, zone: tzinfo) -> list[SummaryMeeting]:
        """Returns the meetings of the first day after the report that has any."""
        rows = self._store.timed_rows(first_key(end_ms), first_key(end_ms + NEXT_DAYS * DAY_MS), NEXT_ROWS)
        meetings = meetings_of([row for row in rows if row.by_me and is_meeting(row)], zone)
        return [meeting for meeting in meetings if meeting.date == meetings[0].date]
