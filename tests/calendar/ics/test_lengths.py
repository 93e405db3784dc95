"""Ends and lengths of events: exact hours, calendar days, all-day events of Outlook, unreadable ends."""

import pytest

from tests.calendar.ics.harness import expand, spans, vevent

ALL_DAY = "X-MICROSOFT-CDO-ALLDAYEVENT:TRUE"


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        # Clocks go forward at 2:00 on 28 March 2027, and back at 3:00 on 25 October 2026.
        ("20270327T120000", "DURATION:PT24H", ["2027-03-27T12:00+01:00/2027-03-28T13:00+02:00"]),
        ("20270327T120000", "DURATION:P1D", ["2027-03-27T12:00+01:00/2027-03-28T12:00+02:00"]),
        ("20270327T000000", "DURATION:P1DT4H", ["2027-03-27T00:00+01:00/2027-03-28T05:00+02:00"]),
        ("20261024T120000", "DURATION:P1W", ["2026-10-24T12:00+02:00/2026-10-31T12:00+01:00"]),
        ("20261025T013000", "DURATION:PT2H", ["2026-10-25T01:30+02:00/2026-10-25T02:30+01:00"]),
        (
            "20261025T013000",
            "DTEND;TZID=Europe/Berlin:20261025T033000",
            ["2026-10-25T01:30+02:00/2026-10-25T03:30+01:00"],
        ),
    ],
)
def test_hours_are_exact_and_days_are_calendar_days_when_the_clocks_change(
    start: str, length: str, expected: list[str]
) -> None:
    assert spans(expand(vevent(f"DTSTART;TZID=Europe/Berlin:{start}", length))) == expected


def test_hours_are_exact_and_days_are_calendar_days_in_every_occurrence_of_a_series() -> None:
    def series(start: str, length: str) -> list[str]:
        return spans(expand(vevent(f"DTSTART;TZID=Europe/Berlin:{start}", length, "RRULE:FREQ=DAILY;COUNT=2")))

    assert series("20261024T013000", "DURATION:PT2H") == [
        "2026-10-24T01:30+02:00/2026-10-24T03:30+02:00",
        "2026-10-25T01:30+02:00/2026-10-25T02:30+01:00",
    ]
    assert series("20261024T120000", "DURATION:P1D") == [
        "2026-10-24T12:00+02:00/2026-10-25T12:00+01:00",
        "2026-10-25T12:00+01:00/2026-10-26T12:00+01:00",
    ]
    assert series("20261023T220000", "DTEND;TZID=Europe/Berlin:20261024T060000") == [
        "2026-10-23T22:00+02:00/2026-10-24T06:00+02:00",
        "2026-10-24T22:00+02:00/2026-10-25T05:00+01:00",
    ]


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("DTEND;TZID=America/New_York:20261224T130000", "2026-12-24T13:00-05:00"),
        ("DTEND:20261224T100000Z", "2026-12-24T10:00+00:00"),
        ("DTEND:20261224T110000", "2026-12-24T11:00+01:00"),
        ("DTEND;VALUE=DATE:20261225", "2026-12-25T00:00+01:00"),
        ("DTEND;TZID=Europe/Berlin:20261224T240000", "2026-12-25T00:00+01:00"),
        ("DTEND;TZID=Europe/Berlin:20261224T235960", "2026-12-24T23:59+01:00"),
        ("DTEND;TZID=Europe/Berlin:20261224T1130", "2026-12-24T11:30+01:00"),
        ("DURATION:1H", "2026-12-24T10:00+01:00"),
        ("DURATION: pt1h ", "2026-12-24T11:00+01:00"),
        ("DURATION:P0Y0M0DT1H0M0S", "2026-12-24T11:00+01:00"),
        ("DURATION:PT3600.0S", "2026-12-24T11:00+01:00"),
        ("DTEND:soon", "2026-12-24T10:00+01:00"),
        ("DTEND;TZID=Europe/Berlin:20261224T090000", "2026-12-24T10:00+01:00"),
        ("DURATION:-PT1H", "2026-12-24T10:00+01:00"),
    ],
)
def test_an_end_of_any_kind_is_read_and_one_before_the_start_is_ignored(end: str, expected: str) -> None:
    found = expand(vevent("DTSTART;TZID=Europe/Berlin:20261224T100000", end))
    assert spans(found) == [f"2026-12-24T10:00+01:00/{expected}"]
    assert bool(found.problems) == (expected == "2026-12-24T10:00+01:00")


@pytest.mark.parametrize(
    ("lines", "days"),
    [
        (("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261226"), 2),
        (("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261224"), 1),
        (("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261223"), 1),
        (("DTSTART;VALUE=DATE:20261224", "DTEND:20261226T000000"), 2),
        (("DTSTART;VALUE=DATE:20261224", "DURATION:PT48H"), 2),
        (("DTSTART;VALUE=DATE:20261224T000000", "DTEND;VALUE=DATE:20261225T000000"), 1),
        (("DTSTART:20261224", "DTEND:20261226"), 2),
        (("DTSTART;TZID=Europe/Berlin:20261224", "DTEND;TZID=Europe/Berlin:20261226"), 2),
        (("DTSTART:VALUE=DATE:20261224",), 1),
        (("DTSTART:20261223T183000Z", "DTEND:20261225T183000Z", ALL_DAY), 2),
        (("DTSTART:20261224T000000", "DTEND:20261225T000000", ALL_DAY), 1),
        (("DTSTART:20261224T000000", "DTEND:20261224T235900", ALL_DAY), 1),
        (("DTSTART;TZID=Europe/Berlin:20261224T000000", ALL_DAY), 1),
        (("DTSTART;TZID=Europe/Berlin:20261224T000000", "DURATION:PT24H", ALL_DAY), 1),
        (("DTSTART:20261224T000000", "DTEND:20261224T000000", "X-MICROSOFT-MSNCALENDAR-ALLDAYEVENT:TRUE"), 1),
    ],
)
def test_an_all_day_event_is_recognized_and_lasts_at_least_a_day(lines: tuple[str, ...], days: int) -> None:
    found = expand(vevent(*lines))
    assert spans(found) == [f"2026-12-24/2026-12-{24 + days}"]
    assert [event.all_day for event in found.events] == [True]


def test_outlooks_mark_of_an_all_day_event_applies_to_its_series_and_not_to_other_times() -> None:
    midnight = ("DTSTART;TZID=Europe/Berlin:20261201T000000", "DTEND;TZID=Europe/Berlin:20261202T000000")
    series = vevent(*midnight, "RRULE:FREQ=DAILY;COUNT=3", "EXDATE;TZID=Europe/Berlin:20261202T000000", ALL_DAY)
    assert spans(expand(series)) == ["2026-12-01/2026-12-02", "2026-12-03/2026-12-04"]
    nine = ("DTSTART;TZID=Europe/Berlin:20261201T090000", "DTEND;TZID=Europe/Berlin:20261201T100000")
    assert spans(expand(vevent(*nine, ALL_DAY))) == ["2026-12-01T09:00+01:00/2026-12-01T10:00+01:00"]
    unmarked = vevent(*midnight, "X-MICROSOFT-CDO-ALLDAYEVENT:FALSE")
    assert spans(expand(unmarked)) == ["2026-12-01T00:00+01:00/2026-12-02T00:00+01:00"]
