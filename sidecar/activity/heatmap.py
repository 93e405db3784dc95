"""How many events each local day has.

Counted when asked: an index of the feed by source counts a million events of one year in some ten milliseconds
(`python -m tests.bench.feed`), exactly for any zone, and no table of sums has to be kept right.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta, tzinfo

from sidecar_protocol.activity.reports import ActivityHeatmap, HeatmapDay

from sidecar.activity.filters import PLACES, position_of
from sidecar.activity.store import ActivityStore
from sidecar.days import begins_ms, local


def heatmap(store: ActivityStore, days: Sequence[date], zone: tzinfo, sources: Sequence[str]) -> ActivityHeatmap:
    """The counts of these days, which follow one another."""
    counted: Counter[str] = Counter()
    names = [day.isoformat() for day in days]
    bounds = [position_of(begins_ms(day, zone)) for day in (*days, days[-1] + timedelta(days=1))]
    # An all-day event stands in the feed where its day begins in its calendar's zone, at most a day away from here.
    first, last = (days[0] - timedelta(days=2)).isoformat(), (days[-1] + timedelta(days=2)).isoformat()
    for source in sources:
        counted.update(dict(zip(names, store.counts(source, bounds), strict=True)))
        for feed_key, local_date in store.all_day_places(source, first, last):
            if bounds[0] <= feed_key < bounds[-1]:
                counted[local(feed_key // PLACES, zone).date().isoformat()] -= 1
            counted[local_date] += 1
    made = [HeatmapDay(date=name, count=counted[name]) for name in names]
    return ActivityHeatmap(days=made, total=sum(one.count for one in made), highest=max(one.count for one in made))
