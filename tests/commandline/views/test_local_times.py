"""Times as a person types and reads them, in zones whose clocks change."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import click
import pytest

from sidecar.commandline.assignments import completions, find_method, params_of
from sidecar.commandline.views.local_times import LocalTimes

BERLIN = ZoneInfo("Europe/Berlin")


def at(now: str, zone: str = "Europe/Berlin") -> LocalTimes:
    moment = datetime.fromisoformat(now)
    assert moment.tzinfo is not None
    return LocalTimes(lambda: moment, ZoneInfo(zone))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2026-11-23T08:15:30.250Z"),
        ("today", "2026-11-22T23:00:00.000Z"),
        ("Yesterday", "2026-11-21T23:00:00.000Z"),
        ("tomorrow 9:00", "2026-11-24T08:00:00.000Z"),
        ("tomorrow at 9:00", "2026-11-24T08:00:00.000Z"),
        ("18:30", "2026-11-23T17:30:00.000Z"),
        ("-7d", "2026-11-16T08:15:30.250Z"),
        ("+1w 09:30", "2026-11-30T08:30:00.000Z"),
        ("-36h", "2026-11-21T20:15:30.250Z"),
        ("+90min", "2026-11-23T09:45:30.250Z"),
        ("-5s", "2026-11-23T08:15:25.250Z"),
        ("2026-11-20", "2026-11-19T23:00:00.000Z"),
        ("2026-11-20 07:05", "2026-11-20T06:05:00.000Z"),
        ("2026-11-20T07:05:09", "2026-11-20T06:05:09.000Z"),
        ("2026-11-20T07:05:09+09:00", "2026-11-20T07:05:09+09:00"),
        ("2026-11-20T07:05Z", "2026-11-20T07:05Z"),
    ],
)
def test_a_time_is_read_as_a_person_means_it(text: str, expected: str) -> None:
    assert at("2026-11-23T08:15:30.250Z").parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "-7",
        "7d",
        "-3m",
        "-999999999d",
        "+999999w",
        "25:00",
        "2026-13-01",
        "today 9",
        "tomorrow -7d",
        "٣:٠٠",
    ],
)
def test_a_text_that_is_no_time_is_refused_rather_than_guessed(text: str) -> None:
    assert at("2026-11-23T08:15:30Z").parse(text) is None


def test_days_keep_the_time_of_the_day_when_the_clocks_change_and_hours_are_exact() -> None:
    spring = at("2026-03-29T10:00:00+02:00")  # the clocks were set forward in the night
    assert spring.parse("today") == "2026-03-28T23:00:00.000Z"
    assert spring.parse("tomorrow") == "2026-03-29T22:00:00.000Z"
    assert spring.parse("-1d") == "2026-03-28T09:00:00.000Z"
    assert spring.parse("-24h") == "2026-03-28T08:00:00.000Z"
    autumn = at("2026-10-25T10:00:00+01:00")
    assert autumn.parse("today") == "2026-10-24T22:00:00.000Z"
    assert autumn.parse("tomorrow") == "2026-10-25T23:00:00.000Z"
    assert autumn.parse("-7d") == "2026-10-18T08:00:00.000Z"


def test_a_time_that_is_skipped_moves_forward_and_one_that_occurs_twice_is_the_first() -> None:
    assert at("2026-03-29T10:00:00+02:00").parse("today 2:30") == "2026-03-29T01:30:00.000Z"  # 03:30 in summer time
    assert at("2026-10-25T10:00:00+01:00").parse("today 2:30") == "2026-10-25T00:30:00.000Z"
    beirut = at("2026-03-29T12:00:00+03:00", "Asia/Beirut")  # its clocks skip midnight
    assert beirut.parse("today") == "2026-03-28T22:00:00.000Z"
    assert beirut.show("2026-03-28T22:00:00Z") == "today 01:00"


def test_times_and_spans_are_printed_in_the_persons_zone() -> None:
    times = at("2026-11-23T08:15:30Z")
    assert times.show("2026-11-23T08:30:00.000Z") == "today 09:30"
    assert times.show("2026-11-23T08:30:05.000Z", seconds=True) == "today 09:30:05"
    assert times.show("2026-11-22T23:30:00Z", padded=True) == "today      00:30"
    assert times.show("2026-11-26T10:00:00+09:00") == "Thu 26 Nov 02:00"
    assert times.show("2024-02-01T10:00:00Z") == "2024-02-01 11:00"
    assert times.show("2026-11-24") == "tomorrow"
    assert times.show(1_795_422_600) == "today 09:30"
    assert [times.show(value) for value in ("soon", "", "2026-11-23T08:30:00", 10**18)] == [
        "soon",
        "",
        "2026-11-23T08:30:00",
        str(10**18),
    ]
    assert times.span("2026-11-26T09:30:00Z", "2026-11-26T10:15:00Z") == "Thu 26 Nov 10:30–11:15"
    assert times.span("2026-11-26T21:00:00Z", "2026-11-26T23:00:00Z") == "Thu 26 Nov 22:00–24:00"
    assert times.span("2026-11-26T21:00:00Z", "2026-11-27T02:00:00Z") == "Thu 26 Nov 22:00–Fri 27 Nov 03:00"
    assert times.span("2026-11-26T21:00:00Z", None) == "Thu 26 Nov 22:00"
    assert times.span("2026-11-26T21:00:00Z", "2026-11-26T21:00:00Z") == "Thu 26 Nov 22:00"
    assert times.span("2026-11-26", "2026-11-27") == "Thu 26 Nov"
    assert times.span("2026-11-26", None) == "Thu 26 Nov"
    assert times.span("2026-11-26", "2026-11-29") == "Thu 26 Nov–Sat 28 Nov"


def test_a_span_over_a_clock_change_names_the_zones() -> None:
    times = at("2026-10-24T08:00:00Z")
    assert times.span("2026-10-25T00:30:00Z", "2026-10-25T01:15:00Z") == "tomorrow 02:30 CEST–02:15 CET"


def test_time_params_are_read_and_a_zone_that_is_left_out_is_this_computers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Seoul")
    times = at("2026-11-23T08:15:30Z", "Asia/Seoul")
    declared = find_method("activity.heatmap")
    assert params_of(declared, ["start=-7d 0:00", "end=today"], times) == {
        "start": "2026-11-15T15:00:00.000Z",
        "end": "2026-11-22T15:00:00.000Z",
        "time_zone": "Asia/Seoul",
    }
    assert params_of(declared, ["start:=5", "end=today", "time_zone=UTC"], times)["time_zone"] == "UTC"
    assert "time_zone" not in params_of(find_method("claude.usage.list"), ["start=-7d", "end=now"], times)
    assert params_of(find_method("jobs.create"), ["type=x", "run_at=tomorrow 9:00"], times)["run_at"] == (
        "2026-11-24T00:00:00.000Z"
    )
    with pytest.raises(click.UsageError, match=r"end must be a time such as now, today, .*, not 'soon'\."):
        params_of(declared, ["start=today", "end=soon"], times)
    assert ("start=yesterday", "") in completions(declared, "start=")


def test_the_clock_of_this_computer_is_used_unless_another_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    assert LocalTimes.of_this_computer("2026-11-23T03:00:00Z").parse("today") == "2026-11-22T05:00:00.000Z"
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")  # a rule without a name: the C library knows the zone
    now = datetime.now(UTC)
    parsed = LocalTimes.of_this_computer().parse("now")
    assert parsed is not None
    assert abs((datetime.fromisoformat(parsed) - now).total_seconds()) < 60
