"""Start and end of the events of calendar files: rules, exceptions, all-day events, names of time zones."""

import os
import time
from collections.abc import Iterator
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from sidecar.calendar.ics.expand import IcsCalendar
from tests.calendar.ics.harness import BERLIN, OWNER, TIME_RANGE, occurrences, start_times, timestamp, vcalendar, vevent


def test_a_weekly_event_keeps_its_local_time_when_the_clocks_change() -> None:
    weekly = "RRULE:FREQ=WEEKLY;COUNT=2"
    found = occurrences(
        vevent("DTSTART;TZID=Europe/Berlin:20261020T100000", "DURATION:PT1H", weekly, uid="autumn"),
        vevent("DTSTART;TZID=Europe/Berlin:20270323T100000", "DURATION:PT1H", weekly, uid="spring"),
    )
    assert [(it.start_time, it.end_ts - it.start_ts) for it in found] == [
        ("2026-10-20T10:00:00+02:00", 3600),
        ("2026-10-27T10:00:00+01:00", 3600),
        ("2027-03-23T10:00:00+01:00", 3600),
        ("2027-03-30T10:00:00+02:00", 3600),
    ]
    assert {it.time_zone for it in found} == {"Europe/Berlin"}


def test_all_day_events_begin_at_midnight_in_the_time_zone_of_the_calendar() -> None:
    found = occurrences(
        vevent("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261227", uid="holidays"),
        vevent("DTSTART;VALUE=DATE:20261101", uid="one day"),
        vevent("DTSTART;VALUE=DATE:20261201", "DURATION:P2D", uid="two days"),
        zone=ZoneInfo("America/Los_Angeles"),
    )
    assert [(it.event_id, it.all_day, it.start_time, it.end_time) for it in found] == [
        ("one day", True, "2026-11-01", "2026-11-02"),
        ("two days", True, "2026-12-01", "2026-12-03"),
        ("holidays", True, "2026-12-24", "2026-12-27"),
    ]
    assert found[0].end_ts - found[0].start_ts == 25 * 3600, "the clocks go back on that day"
    assert found[2].start_ts == timestamp("2026-12-24T08:00")


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sets this computer's time zone to Tokyo's."""
    with monkeypatch.context() as patch:
        patch.setitem(os.environ, "TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


def test_a_floating_time_is_in_the_time_zone_of_the_calendar_or_of_this_computer(tokyo: None) -> None:
    floating = vevent("DTSTART:20261201T100000", "DTEND:20261201T110000")
    for zone, start_time, start in (
        (BERLIN, "2026-12-01T10:00:00+01:00", "2026-12-01T09:00"),
        (None, "2026-12-01T10:00:00+09:00", "2026-12-01T01:00"),
    ):
        [event] = occurrences(floating, zone=zone)
        assert (event.start_time, event.start_ts, event.time_zone) == (start_time, timestamp(start), None)


@pytest.mark.parametrize(
    ("tzid", "offset", "key"),
    [
        ("W. Europe Standard Time", "+02:00", "Europe/Berlin"),
        ("Eastern Standard Time", "-04:00", "America/New_York"),
        ("Korea Standard Time", "+09:00", "Asia/Seoul"),
        ("/freeassociation.sourceforge.net/Europe/Berlin", "+02:00", "Europe/Berlin"),
        ('"Europe/Berlin"', "+02:00", "Europe/Berlin"),
    ],
)
def test_windows_prefixed_and_quoted_names_of_time_zones_are_understood(tzid: str, offset: str, key: str) -> None:
    file = IcsCalendar(vcalendar(vevent(f"DTSTART;TZID={tzid}:20260701T100000")))
    [event] = file.expand(TIME_RANGE, UTC, OWNER).events
    assert (event.start_time, event.time_zone) == (f"2026-07-01T10:00:00{offset}", key)
    assert file.describe("x").time_zone == key


def custom_zone(offset: str) -> str:
    return "\r\n".join(
        [
            "BEGIN:VTIMEZONE",
            "TZID:Customized Time Zone",
            "BEGIN:STANDARD",
            "DTSTART:16010101T000000",
            f"TZOFFSETFROM:{offset}",
            f"TZOFFSETTO:{offset}",
            "END:STANDARD",
            "END:VTIMEZONE",
            "",
        ]
    )


def test_a_time_zone_defined_by_a_file_applies_to_that_file_only() -> None:
    event = vevent("DTSTART;TZID=Customized Time Zone:20261201T100000")
    for offset, iso_offset in (("+0330", "+03:30"), ("-0500", "-05:00")):
        assert start_times(occurrences(custom_zone(offset), event)) == [f"2026-12-01T10:00:00{iso_offset}"]
    assert start_times(occurrences(event)) == ["2026-12-01T10:00:00+01:00"]


def test_an_occurrence_keeps_its_id_when_moved_and_disappears_when_cancelled() -> None:
    series = vevent("DTSTART;TZID=Europe/Berlin:20261102T100000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=4")
    moved = vevent(
        "RECURRENCE-ID;TZID=Europe/Berlin:20261109T100000",
        "DTSTART;TZID=Europe/Berlin:20261111T150000",
        "DURATION:PT2H",
        "SUMMARY:Moved",
    )
    cancelled = vevent("RECURRENCE-ID:20261116T090000Z", "DTSTART:20261116T090000Z", "STATUS:CANCELLED")
    plain, changed = occurrences(series), occurrences(series, moved, cancelled)
    assert [it.event_id for it in plain] == [f"event_202611{day}T090000Z" for day in ("02", "09", "16", "23")]
    assert [(it.event_id, it.start_time) for it in changed] == [
        ("event_20261102T090000Z", "2026-11-02T10:00:00+01:00"),
        ("event_20261109T090000Z", "2026-11-11T15:00:00+01:00"),
        ("event_20261123T090000Z", "2026-11-23T10:00:00+01:00"),
    ]
    assert (changed[1].title, changed[1].original_start_time) == ("Moved", "2026-11-09T10:00:00+01:00")
    assert {(it.recurring_event_id, it.ical_uid) for it in changed} == {("event", "event")}


def test_occurrences_keep_their_ids_when_this_and_all_following_are_moved() -> None:
    series = vevent("DTSTART;TZID=Europe/Berlin:20261102T100000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=5")
    later = vevent(
        "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20261116T100000",
        "DTSTART;TZID=Europe/Berlin:20261117T140000",
        "DTEND;TZID=Europe/Berlin:20261117T143000",
        "SUMMARY:On Tuesdays",
    )
    found = occurrences(series, later)
    assert [it.event_id for it in found] == [it.event_id for it in occurrences(series)]
    assert [(it.start_time[:16], it.title, it.end_ts - it.start_ts) for it in found] == [
        ("2026-11-02T10:00", None, 3600),
        ("2026-11-09T10:00", None, 3600),
        ("2026-11-17T14:00", "On Tuesdays", 1800),
        ("2026-11-24T14:00", "On Tuesdays", 1800),
        ("2026-12-01T14:00", "On Tuesdays", 1800),
    ]
    assert [it.original_start_time for it in found][3] == "2026-11-23T10:00:00+01:00"


def test_exdate_removes_occurrences_and_rdate_adds_them() -> None:
    found = occurrences(
        vevent(
            "DTSTART;TZID=Europe/Berlin:20261102T100000",
            "DTEND;TZID=Europe/Berlin:20261102T103000",
            "RRULE:FREQ=DAILY;UNTIL=20261106T090000Z",
            "EXDATE;TZID=Europe/Berlin:20261103T100000,20261104T100000",
            "RDATE;TZID=Europe/Berlin:20261120T170000",
        )
    )
    assert [it[:16] for it in start_times(found)] == [
        "2026-11-02T10:00",
        "2026-11-05T10:00",
        "2026-11-06T10:00",
        "2026-11-20T17:00",
    ]


def test_a_rule_without_an_end_that_began_long_ago_fills_the_time_range() -> None:
    birthday = vevent("DTSTART;VALUE=DATE:16040512", "RRULE:FREQ=YEARLY", uid="birthday")
    weekly = vevent("DTSTART;TZID=Europe/Berlin:20200106T100000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY", uid="weekly")
    found = occurrences(birthday, weekly)
    assert start_times(it for it in found if it.all_day) == ["2026-05-12", "2027-05-12"]
    weeks = [it.start_ts for it in found if not it.all_day]
    assert (weeks[0], weeks[-1], len(weeks)) == (timestamp("2026-05-04T08:00"), timestamp("2027-11-29T09:00"), 83)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SECONDLY",
        "FREQ=MINUTELY",
        "FREQ=MINUTELY;INTERVAL=5",
        "FREQ=SECONDLY;COUNT=9999999",
        "FREQ=SECONDLY;UNTIL=20270601T000000Z",
        "FREQ=YEARLY;BYHOUR=" + ",".join(map(str, range(24))) + ";BYMINUTE=" + ",".join(map(str, range(60))),
    ],
)
def test_a_rule_with_too_many_steps_is_ignored_and_its_event_happens_once(rule: str) -> None:
    found = occurrences(
        vevent("DTSTART:20261101T100000Z", f"RRULE:{rule}"), vevent("DTSTART:20261102T100000Z", uid="x")
    )
    assert [(it.event_id, it.start_time) for it in found] == [
        ("event", "2026-11-01T10:00:00+00:00"),
        ("x", "2026-11-02T10:00:00+00:00"),
    ]


def test_a_short_rule_by_the_second_or_the_hour_is_followed() -> None:
    assert len(occurrences(vevent("DTSTART:20261101T100000Z", "RRULE:FREQ=SECONDLY;COUNT=5"))) == 5
    hourly = occurrences(vevent("DTSTART:20261101T100000Z", "RRULE:FREQ=HOURLY;INTERVAL=8;UNTIL=20261108T100000Z"))
    assert len(hourly) == 22


def test_an_event_of_any_length_that_overlaps_the_time_range_is_found() -> None:
    found = occurrences(
        vevent("DTSTART:20200101T000000Z", "DTEND:20300101T000000Z", uid="era"),
        vevent("DTSTART:20200101T000000Z", "DURATION:P3650D", uid="decade"),
        vevent("DTSTART:20200101T000000Z", "DTEND:20200102T000000Z", uid="over"),
        vevent("DTSTART:20300101T000000Z", "DTEND:20300102T000000Z", uid="far"),
        vevent("DTSTART;VALUE=DATE:20260420", "DTEND;VALUE=DATE:20260503", uid="reaches in"),
        vevent("DTSTART:20261101T100000Z", uid="a moment"),
    )
    assert [it.event_id for it in found] == ["decade", "era", "reaches in", "a moment"]
    assert found[3].start_ts == found[3].end_ts
