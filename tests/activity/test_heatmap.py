"""`activity.heatmap`: counts per local day in any time zone, also on days when the clocks change."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sidecar_protocol.activity.reports import ActivityReports

from sidecar.commandline.client import RemoteError
from sidecar.feed import FeedEvent, Origin
from tests.in_process_app import InProcessApp

JIRA = Origin("jira", "j")
CALENDAR = Origin("google_calendar", "g")


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def events(*moments: str, **fields: Any) -> list[FeedEvent]:
    fields = {"event_type": "issue_updated", **fields}
    return [FeedEvent(event_id=f"{at} {moment}", at_ms=ms(moment), **fields) for at, moment in enumerate(moments)]


async def counts(app: InProcessApp, start: str, end: str, time_zone: str, **params: Any) -> dict[str, int]:
    answer = await app.call("activity.heatmap", {"start": start, "end": end, "time_zone": time_zone, **params})
    days = {day["date"]: day["count"] for day in answer["days"]}
    assert list(days) == sorted(days)
    assert answer["total"] == sum(days.values())
    assert answer["highest"] == max(days.values())
    return days


@pytest.mark.parametrize(
    ("time_zone", "days"),
    [
        ("UTC", {"2026-11-22": 0, "2026-11-23": 3, "2026-11-24": 1}),
        ("Etc/GMT-14", {"2026-11-22": 0, "2026-11-23": 1, "2026-11-24": 3}),  # POSIX: this is UTC+14
        ("Pacific/Kiritimati", {"2026-11-22": 0, "2026-11-23": 1, "2026-11-24": 3}),
        ("Etc/GMT+12", {"2026-11-22": 1, "2026-11-23": 3, "2026-11-24": 0}),
        ("Asia/Kathmandu", {"2026-11-22": 0, "2026-11-23": 2, "2026-11-24": 2}),  # +05:45
    ],
)
async def test_events_are_counted_by_the_local_day_of_the_zone(
    app: InProcessApp, time_zone: str, days: dict[str, int]
) -> None:
    app.activity.write(
        JIRA,
        events("2026-11-23T00:00:00Z", "2026-11-23T12:00:00Z", "2026-11-23T18:15:00Z", "2026-11-24T00:00:00Z"),
    )
    begin = datetime(2026, 11, 22, 18, tzinfo=UTC).isoformat() if "+12" not in time_zone else "2026-11-22T18:00:00Z"
    found = await counts(app, begin, "2026-11-24T23:00:00Z", time_zone)
    assert {day: found.get(day, 0) for day in days} == days


async def test_the_day_on_which_clocks_are_set_forward_has_23_hours(app: InProcessApp) -> None:
    """Berlin, 2026-03-29: 02:00 becomes 03:00."""
    app.activity.write(
        JIRA,
        events(
            "2026-03-28T22:59:59.999Z",
            "2026-03-28T23:00:00Z",  # midnight
            "2026-03-29T21:59:59.999Z",  # 23:59:59 in summer time
            "2026-03-29T22:00:00Z",
        ),
    )
    found = await counts(app, "2026-03-28T00:00:00+01:00", "2026-03-31T00:00:00+02:00", "Europe/Berlin")
    assert found == {"2026-03-28": 1, "2026-03-29": 2, "2026-03-30": 1}


async def test_the_day_on_which_clocks_are_set_back_has_25_hours(app: InProcessApp) -> None:
    """New York, 2026-11-01: 02:00 becomes 01:00."""
    app.activity.write(
        JIRA,
        events(
            "2026-11-01T03:59:59.999Z",
            "2026-11-01T04:00:00Z",  # midnight
            "2026-11-01T05:30:00Z",  # 01:30, and an hour later once more
            "2026-11-01T06:30:00Z",
            "2026-11-02T04:59:59.999Z",
            "2026-11-02T05:00:00Z",
        ),
    )
    found = await counts(app, "2026-10-31T00:00:00-04:00", "2026-11-03T00:00:00-05:00", "America/New_York")
    assert found == {"2026-10-31": 1, "2026-11-01": 4, "2026-11-02": 1}


async def test_a_day_may_begin_at_one_o_clock_and_a_date_may_be_skipped(app: InProcessApp) -> None:
    """Beirut sets its clocks forward at midnight; Samoa skipped 2011-12-30."""
    app.activity.write(JIRA, events("2026-03-28T21:59:59Z", "2026-03-28T22:00:00Z"))
    found = await counts(app, "2026-03-28T00:00:00+02:00", "2026-03-30T00:00:00+03:00", "Asia/Beirut")
    assert found == {"2026-03-28": 1, "2026-03-29": 1}
    app.activity.write(CALENDAR, events("2011-12-30T09:59:59Z", "2011-12-30T10:00:00Z"))
    found = await counts(app, "2011-12-29T00:00:00-10:00", "2012-01-01T00:00:00+14:00", "Pacific/Apia")
    assert found == {"2011-12-29": 1, "2011-12-30": 0, "2011-12-31": 1}


@pytest.mark.parametrize("time_zone", ["Pacific/Kiritimati", "UTC", "Etc/GMT+12", "America/Los_Angeles"])
async def test_an_all_day_event_counts_on_its_date_in_every_zone(app: InProcessApp, time_zone: str) -> None:
    """The calendar is in Auckland, where a day begins thirteen hours earlier than in UTC."""
    app.activity.write(
        CALENDAR,
        events("2026-11-24T00:00:00+13:00", local_date="2026-11-24", event_type="event_scheduled")
        + events("2026-11-24T12:00:00Z"),
    )
    found = await counts(app, "2026-11-22T12:00:00Z", "2026-11-26T12:00:00Z", time_zone)
    assert {day: count for day, count in found.items() if count} == (
        {"2026-11-24": 1, "2026-11-25": 1} if time_zone == "Pacific/Kiritimati" else {"2026-11-24": 2}
    )


async def test_one_source_can_be_counted_and_changes_are_counted(app: InProcessApp) -> None:
    feed = app.activity
    feed.write(JIRA, events("2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z"))
    feed.write(CALENDAR, events("2026-11-23T12:00:00Z"))
    span = ("2026-11-23T00:00:00Z", "2026-11-25T00:00:00Z", "UTC")
    assert await counts(app, *span) == {"2026-11-23": 3, "2026-11-24": 0}
    assert await counts(app, *span, source="jira") == {"2026-11-23": 2, "2026-11-24": 0}
    assert await counts(app, *span, source="none") == {"2026-11-23": 0, "2026-11-24": 0}
    moved = FeedEvent(event_id="0 2026-11-23T10:00:00Z", event_type="issue_updated", at_ms=ms("2026-11-24T10:00:00Z"))
    feed.write(JIRA, [moved], remove=["1 2026-11-23T11:00:00Z"])
    assert await counts(app, *span) == {"2026-11-23": 1, "2026-11-24": 1}


async def test_whole_days_are_counted_for_any_range(app: InProcessApp) -> None:
    app.activity.write(JIRA, events("2026-11-23T00:00:00Z", "2026-11-23T23:59:59.999Z"))
    assert await counts(app, "2026-11-23T11:00:00Z", "2026-11-23T12:00:00Z", "UTC") == {"2026-11-23": 2}
    assert await counts(app, "2026-11-23T11:00:00Z", "2026-11-24T00:00:00Z", "UTC") == {"2026-11-23": 2}
    reports = app.remote(ActivityReports)
    year = await reports.heatmap(start="2026-01-01T00:00:00Z", end="2027-01-01T00:00:00Z", time_zone="UTC")
    assert (len(year.days), year.total, year.highest) == (365, 2, 2)


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"time_zone": ""}, "time_zone"),
        ({"end": "2026-11-23T00:00:00Z"}, "end"),
        ({"end": "2037-11-23T00:00:00Z"}, "end"),
        ({"start": "9999-12-30T00:00:00Z", "end": "9999-12-31T23:59:59Z", "time_zone": "Etc/GMT-14"}, "start"),
        ({"start": "0001-01-01T00:00:00Z", "end": "0001-01-02T00:00:00Z", "time_zone": "Etc/GMT+12"}, "start"),
    ],
)
@pytest.mark.parametrize("method", ["activity.heatmap", "activity.summary"])
async def test_invalid_params_are_refused_with_their_path(
    app: InProcessApp, method: str, changed: dict[str, str], path: str
) -> None:
    span = {"start": "2026-11-23T00:00:00Z", "end": "2026-11-24T00:00:00Z", "time_zone": "UTC"}
    with pytest.raises(RemoteError) as refused:
        await app.call(method, span | changed)
    assert refused.value.kind == "invalid_params"
    assert [detail["path"] for detail in refused.value.data["details"]] == [path]


@pytest.mark.parametrize("name", ["Mars/Olympus", "../../etc/passwd", "Europe", "/etc/localtime", "Europe/Berlin\0"])
@pytest.mark.parametrize("method", ["activity.heatmap", "activity.summary"])
async def test_an_unknown_zone_is_refused(app: InProcessApp, method: str, name: str) -> None:
    span = {"start": "2026-11-23T00:00:00Z", "end": "2026-11-24T00:00:00Z", "time_zone": name}
    with pytest.raises(RemoteError) as refused:
        await app.call(method, span)
    assert refused.value.kind == "time_zone_unknown"
