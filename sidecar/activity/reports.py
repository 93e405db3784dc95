"""`activity.summary` and `activity.heatmap`."""

import asyncio
from datetime import date, timedelta, tzinfo
from typing import Final

from sidecar_protocol.activity.reports import (
    ActivityHeatmap,
    ActivityReports,
    ActivitySummary,
    SummaryFormat,
    SummaryGroup,
    SummaryMeeting,
)
from sidecar_protocol.errors import ResultTooLarge

from sidecar.activity.filters import ms_of, position_of
from sidecar.activity.heatmap import heatmap
from sidecar.activity.markdown import summary_text
from sidecar.activity.rows import ToldRow
from sidecar.activity.store import ActivityStore
from sidecar.activity.summary import Account, is_meeting, meetings_of
from sidecar.clock import DAY_MS
from sidecar.days import days_between, zone_or_raise

HEATMAP_DAYS: Final = 3_660
"""Ten years: what a screen shows at most."""
SUMMARY_DAYS: Final = 366
SUMMARY_ROWS: Final = 100_000
"""What nobody reads any more; with it the report has taken about a second, in steps."""
STEP: Final = 250
"""Rows between two looks at what else there is to do: a few milliseconds."""
ALL_DAY_DAYS: Final = 62
"""How long before the span an all-day event may have begun that reaches into it; a longer one is no news."""
ALL_DAY_ROWS: Final = 1_000
NEXT_DAYS: Final = 7
NEXT_ROWS: Final = 1_000
"""What lies ahead is in calendars; nobody has so many meetings in a week."""


class ReportsService(ActivityReports):
    """Reports over the feed."""

    def __init__(self, store: ActivityStore) -> None:
        self._store = store

    async def heatmap(self, *, start: str, end: str, time_zone: str, source: str | None = None) -> ActivityHeatmap:
        zone = zone_or_raise(time_zone)
        days = days_between(start, end, zone, HEATMAP_DAYS)
        return heatmap(self._store, days, zone, self._store.sources() if source is None else [source])

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
        account = Account(zone, group)
        for row in self._all_day(days[0], days[-1]):
            account.add_all_day(row, days[0], days[-1])
        rows = 0
        place, until = position_of(ms_of(start)), position_of(ms_of(end))
        while batch := self._store.told(place, until, STEP):
            place = batch[-1].feed_key + 1
            rows += len(batch)
            if rows > SUMMARY_ROWS:
                raise ResultTooLarge(f"More than {SUMMARY_ROWS:,} events lie in this span; ask for a shorter one.")
            for row in batch:
                account.add(row)
            await asyncio.sleep(0)
        ahead = self._next_meetings(ms_of(end), zone)
        # A year's account takes long enough to be noticed; it is reckoned without the database, so elsewhere.
        made = await asyncio.to_thread(account.close, start, end, time_zone, days, ahead)
        if format is SummaryFormat.MARKDOWN:
            return made.model_copy(update={"markdown": summary_text(made)})
        return made

    def _all_day(self, first: date, last: date) -> list[ToldRow]:
        earliest = first - timedelta(days=min(ALL_DAY_DAYS, (first - date.min).days))
        return self._store.told_all_day(earliest.isoformat(), last.isoformat(), ALL_DAY_ROWS)

    def _next_meetings(self, end_ms: int, zone: tzinfo) -> list[SummaryMeeting]:
        """Those of the first day from here on that has any."""
        until = position_of(end_ms + NEXT_DAYS * DAY_MS)
        rows = [row for row in self._store.told(position_of(end_ms), until, NEXT_ROWS) if row.by_me and is_meeting(row)]
        meetings = meetings_of(rows, zone)
        return [meeting for meeting in meetings if meeting.date == meetings[0].date]
