"""Counts the events of each local day.

They are counted for each request: an index of the feed by source counts a million events of one year in tens of
milliseconds (`python -m tests.bench.feed`).  That is exact in every time zone and needs no table of totals.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta, tzinfo

from sidecar_protocol.activity.reports import ActivityHeatmap, HeatmapDay

from sidecar.activity.filters import KEYS_PER_MS, first_key
from sidecar.activity.store import ActivityStore
from sidecar.days import begins_ms, local


def heatmap(store: ActivityStore, days: Sequence[date], zone: tzinfo, sources: Sequence[str]) -> ActivityHeatmap:
    """Returns the counts of consecutive days."""
    counts: Counter[str] = Counter()
    names = [day.isoformat() for day in days]
    bounds = [first_key(begins_ms(day, zone)) for day in (*days, days[-1] + timedelta(days=1))]
    # The feed key of an all-day event is the start of its day in the calendar's zone, at most a day away from here.
    first, last = (days[0] - timedelta(days=2)).isoformat(), (days[-1] + timedelta(days=2)).isoformat()
    for source in sources:
        counts.update(dict(zip(names, store.counts(source, bounds), strict=True)))
        for feed_key, local_date in store.all_day_dates(source, first, last):
            if bounds[0] <= feed_key < bounds[-1]:
                counts[local(feed_key // KEYS_PER_MS, zone).date().isoformat()] -= 1
            counts[local_date] += 1
    listed = [counts[name] for name in names]
    return ActivityHeatmap(
        days=[HeatmapDay(date=name, count=counts[name]) for name in names], total=sum(listed), highest=max(listed)
    )
