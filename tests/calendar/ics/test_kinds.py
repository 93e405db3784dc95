"""Values of a series that are of another kind than its start: dates, times in UTC, in another zone, or in none."""

import pytest

from tests.calendar.ics.harness import expand, starts, titled, vevent

BERLIN_10 = "DTSTART;TZID=Europe/Berlin:20261214T100000"
NEW_YORK_23 = "DTSTART;TZID=America/New_York:20261214T230000"
UTC_9 = "DTSTART:20261214T090000Z"
FLOATING_10 = "DTSTART:20261214T100000"
ALL_DAY = "DTSTART;VALUE=DATE:20261214"
OFFSETS = {BERLIN_10: "+01:00", NEW_YORK_23: "-05:00", UTC_9: "+00:00", FLOATING_10: "+05:30", ALL_DAY: ""}


def on(start: str, *days: int) -> list[str]:
    """Returns the starts of a series on these days of December."""
    clock = "" if start == ALL_DAY else f"T{start.rpartition('T')[2][:2]}:00"
    return [f"2026-12-{day:02d}{clock}{OFFSETS[start]}" for day in days]


@pytest.mark.parametrize(
    ("start", "until"),
    [
        (BERLIN_10, "20261216"),
        (NEW_YORK_23, "20261216"),
        (UTC_9, "20261216"),
        (FLOATING_10, "20261216"),
        (BERLIN_10, "20261216T100000"),
        (BERLIN_10, "20261216T090000Z"),
        (BERLIN_10, "20261217T085959Z"),
        (BERLIN_10, "2026-12-16T09:00:00Z"),
        (BERLIN_10, "2026-12-16"),
        (BERLIN_10, "20261216Z"),
        (BERLIN_10, "20261216T100000+0100"),
        (UTC_9, "20261216T090000"),
        (FLOATING_10, "20261216T043000Z"),
        (FLOATING_10, "20261216T100000Z"),
        (ALL_DAY, "20261216T100000"),
        (ALL_DAY, "20261216T000000"),
    ],
)
def test_a_series_ends_with_the_day_or_time_of_until_whatever_its_kind(start: str, until: str) -> None:
    assert starts(expand(vevent(start, f"RRULE:FREQ=DAILY;UNTIL={until}"))) == on(start, 14, 15, 16)


@pytest.mark.parametrize(
    ("zone", "until"),
    [
        ("Europe/Berlin", "20261215T230000Z"),  # midnight in the calendar's zone
        ("Europe/Berlin", "20261216T225959Z"),  # its last second
        ("Europe/Berlin", "20261216T000000Z"),  # the day's name in UTC
        ("Europe/Berlin", "20261216T235959Z"),
        ("America/New_York", "20261216T050000Z"),
        ("America/New_York", "20261216T000000Z"),
        ("America/New_York", "20261217T045959Z"),
        ("Pacific/Auckland", "20261215T110000Z"),
        ("Europe/London", "20261216T000000Z"),
        ("America/Chicago", "20261215T230000Z"),  # midnight in the zone of another person
        ("Europe/Berlin", "20261215T150000Z"),
        ("Europe/Berlin", "20261216T050000Z"),
    ],
)
def test_a_time_in_utc_ends_a_series_of_days_on_its_local_date(zone: str, until: str) -> None:
    found = expand(vevent(ALL_DAY, f"RRULE:FREQ=DAILY;UNTIL={until}"), properties=[f"X-WR-TIMEZONE:{zone}"])
    assert starts(found) == on(ALL_DAY, 14, 15, 16)


@pytest.mark.parametrize(
    ("zone", "exdate"),
    [
        ("Europe/Berlin", "20261214T230000Z"),
        ("America/New_York", "20261215T050000Z"),
        ("Pacific/Auckland", "20261214T110000Z"),
    ],
)
def test_exdate_rdate_and_recurrence_id_in_utc_mean_the_local_date_in_a_series_of_days(zone: str, exdate: str) -> None:
    properties = [f"X-WR-TIMEZONE:{zone}"]
    daily = (ALL_DAY, "RRULE:FREQ=DAILY;COUNT=3")
    assert starts(expand(vevent(*daily, f"EXDATE:{exdate}"), properties=properties)) == on(ALL_DAY, 14, 16)
    assert starts(expand(vevent(ALL_DAY, f"RDATE:{exdate}"), properties=properties)) == on(ALL_DAY, 14, 15)
    moved = vevent(f"RECURRENCE-ID:{exdate}", "DTSTART;VALUE=DATE:20261220")
    assert starts(expand(vevent(*daily), moved, properties=properties)) == on(ALL_DAY, 14, 16, 20)


EXCEPTIONS = [
    (BERLIN_10, ";VALUE=DATE:20261215"),
    (BERLIN_10, ":20261215"),
    (NEW_YORK_23, ";VALUE=DATE:20261215"),
    (BERLIN_10, ":20261215T100000"),
    (BERLIN_10, ":20261215T090000Z"),
    (BERLIN_10, ";TZID=America/New_York:20261215T040000"),
    (BERLIN_10, ";TZID=W. Europe Standard Time:20261215T100000"),
    (BERLIN_10, ";TZID=tzone://Microsoft/Olson/Europe/Berlin:20261215T100000"),
    (BERLIN_10, ";TZID=Europe/Berlin:20261215T000000"),
    (BERLIN_10, ":20261215T100000Z"),
    (UTC_9, ";TZID=Europe/Berlin:20261215T100000"),
    (UTC_9, ":20261215T090000"),
    (FLOATING_10, ":20261215T043000Z"),
    (FLOATING_10, ":20261215T100000Z"),
    (FLOATING_10, ";TZID=Asia/Kolkata:20261215T100000"),
    (ALL_DAY, ";TZID=W. Europe Standard Time:20261215T000000"),
    (ALL_DAY, ":20261215T000000"),
    (ALL_DAY, ":20261215T000000Z"),
]


@pytest.mark.parametrize(("start", "exdate"), EXCEPTIONS)
def test_exdate_removes_the_occurrence_of_that_day_or_time(start: str, exdate: str) -> None:
    assert starts(expand(vevent(start, "RRULE:FREQ=DAILY;COUNT=3", f"EXDATE{exdate}"))) == on(start, 14, 16)


@pytest.mark.parametrize(("start", "recurrence_id"), EXCEPTIONS)
def test_recurrence_id_replaces_the_occurrence_of_that_day_or_time(start: str, recurrence_id: str) -> None:
    series = vevent(start, "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:series")
    moved = vevent(f"RECURRENCE-ID{recurrence_id}", "DTSTART:20261215T120000Z", "SUMMARY:moved")
    found = expand(series, moved)
    first, last = on(start, 14, 16)
    assert titled(found) == [f"{first} series", "2026-12-15T12:00+00:00 moved", f"{last} series"]
    assert found.events[1].original_start_time is not None
    ids = [event.event_id for event in expand(series).events]
    assert [event.event_id for event in found.events] == ids, "the moved occurrence keeps its id"


@pytest.mark.parametrize(
    ("start", "rdate", "days"),
    [
        (BERLIN_10, ";VALUE=DATE:20261216,20261218", (14, 16, 18)),
        (BERLIN_10, ":20261216", (14, 16)),
        (BERLIN_10, ":20261216T090000Z", (14, 16)),
        (BERLIN_10, ":20261216T100000", (14, 16)),
        (BERLIN_10, ";TZID=America/New_York:20261216T040000", (14, 16)),
        (UTC_9, ";VALUE=DATE:20261216", (14, 16)),
        (ALL_DAY, ":20261216T000000,20261218T000000", (14, 16, 18)),
        (ALL_DAY, ";VALUE=PERIOD:20261216T000000Z/P1D", (14, 16)),
    ],
)
def test_rdate_adds_the_occurrence_of_that_day_or_time(start: str, rdate: str, days: tuple[int, ...]) -> None:
    assert starts(expand(vevent(start, f"RDATE{rdate}"))) == on(start, *days)


def test_a_value_is_never_taken_for_the_occurrence_at_its_time_in_utc() -> None:
    twice = ("DTSTART;TZID=Europe/Berlin:20261214T090000", "RRULE:FREQ=DAILY;COUNT=2;BYHOUR=9,10", "SUMMARY:s")
    found = expand(vevent(*twice, "EXDATE;TZID=Europe/Berlin:20261214T100000"))
    assert starts(found) == ["2026-12-14T09:00+01:00"]
    moved = vevent("RECURRENCE-ID;TZID=Europe/Berlin:20261214T100000", "DTSTART:20261214T200000Z", "SUMMARY:m")
    assert titled(expand(vevent(*twice), moved)) == ["2026-12-14T09:00+01:00 s", "2026-12-14T20:00+00:00 m"]


def test_a_date_replaces_the_occurrence_with_the_same_time_on_a_day_with_several() -> None:
    twice = vevent("DTSTART:20261214T090000Z", "RRULE:FREQ=DAILY;COUNT=2;BYHOUR=9,15", "SUMMARY:s")
    renamed = vevent("RECURRENCE-ID;VALUE=DATE:20261214", "DTSTART:20261214T150000Z", "SUMMARY:m")
    assert titled(expand(twice, renamed)) == ["2026-12-14T09:00+00:00 s", "2026-12-14T15:00+00:00 m"]


@pytest.mark.parametrize("moment", [":20270328T013000Z", ";TZID=Europe/Berlin:20270328T033000"])
def test_an_occurrence_at_a_time_that_the_clocks_skip_is_found_by_the_time_at_which_it_takes_place(moment: str) -> None:
    series = vevent("DTSTART;TZID=Europe/Berlin:20270327T023000", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:Ferry")
    others = ["2027-03-27T02:30+01:00 Ferry", "2027-03-29T02:30+02:00 Ferry"]
    excluded = series.replace("SUMMARY", f"EXDATE{moment}\r\nSUMMARY")
    assert titled(expand(excluded)) == others
    moved = vevent(f"RECURRENCE-ID{moment}", "DTSTART:20270328T090000Z", "SUMMARY:Late ferry")
    assert titled(expand(series, moved)) == [others[0], "2027-03-28T09:00+00:00 Late ferry", others[1]]


@pytest.mark.parametrize("never", ["00010101T000000Z", "99991231T235959Z"])
def test_a_time_at_the_end_of_the_calendar_does_not_lose_the_series(never: str) -> None:
    for zone, offset in (("America/New_York", "-05:00"), ("Asia/Tokyo", "+09:00")):
        series = vevent(f"DTSTART;TZID={zone}:20261214T100000", "RRULE:FREQ=DAILY;COUNT=2", f"EXDATE:{never}")
        assert starts(expand(series)) == [f"2026-12-14T10:00{offset}", f"2026-12-15T10:00{offset}"]
