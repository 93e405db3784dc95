"""Recurrence rules with parts that are unknown, invalid or written loosely."""

from datetime import date, datetime, timedelta

import pytest

from sidecar.recurrence import Rule
from tests.calendar.ics.harness import expand, starts, titled, vevent

TEN = "DTSTART:20261201T100000Z"  # a Tuesday


def december(*days: int) -> list[str]:
    return [f"2026-12-{day:02d}T10:00+00:00" for day in days]


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        ("RSCALE=GREGORIAN;FREQ=DAILY;COUNT=3", (1, 2, 3)),
        ("FREQ=DAILY;COUNT=3;SKIP=OMIT", (1, 2, 3)),
        ("freq=daily;count=3", (1, 2, 3)),
        ("FREQ=DAILY;;COUNT=3;", (1, 2, 3)),
        ("RRULE:FREQ=DAILY;COUNT=3", (1, 2, 3)),
        ("FREQ = DAILY ; COUNT = 3", (1, 2, 3)),
        ("FREQ=WEEKLY;COUNT=3;BYDAY=TU, TH", (1, 3, 8)),
        ("FREQ=WEEKLY;COUNT=3;BYDAY= TU,TH ;WKST=MO", (1, 3, 8)),
        ("FREQ=WEEKLY;COUNT=3;BYDAY=TUE,THU", (1, 3, 8)),
        ("FREQ=WEEKLY;COUNT=2;BYDAY=1TU", (1, 8)),
        ("FREQ=DAILY;BYSETPOS=1;COUNT=3", (1, 2, 3)),
        ("FREQ=DAILY;UNTIL=20261203T100000Z;COUNT=10", (1, 2, 3)),
        ("FREQ=DAILY;UNTIL=20261231T100000Z;COUNT=3", (1, 2, 3)),
        ("FREQ=DAILY;UNTIL=20261203T100000Z;UNTIL=20261209T100000Z", (1, 2, 3)),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", (1,)),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", (1,)),
        ("FREQ=WEEKLY;BYDAY=MO,TH;BYSETPOS=2;COUNT=2", (1, 3, 10)),
        ("FREQ=WEEKLY;BYMONTH=12;BYSETPOS=1;COUNT=3", (1, 8, 15)),
    ],
)
def test_a_rule_is_followed_however_it_is_written(rule: str, days: tuple[int, ...]) -> None:
    found = expand(vevent(TEN, f"RRULE:{rule}"))
    assert starts(found) == december(*days)
    assert found.problems == []


@pytest.mark.parametrize(
    ("rule", "days", "reason"),
    [
        ("FREQ=DAILY;COUNT=3;X-FOO=1", (1, 2, 3), "the part X-FOO of the recurrence rule is unknown"),
        ("FREQ=DAILY;COUNT=3;BYEASTER=0", (1, 2, 3), "the part BYEASTER of the recurrence rule is unknown"),
        ("FREQ=DAILY;COUNT=3;INTERVAL=", (1, 2, 3), "the part INTERVAL= of the recurrence rule has no value"),
        ("FREQ=DAILY;COUNT=3;INTERVAL=0", (1, 2, 3), "INTERVAL of the recurrence rule is invalid"),
        ("FREQ=DAILY;COUNT=3;INTERVAL=-1", (1, 2, 3), "INTERVAL of the recurrence rule is invalid"),
        ("FREQ=DAILY;COUNT=3;WKST=XX", (1, 2, 3), "WKST of the recurrence rule is invalid"),
        ("FREQ=DAILY;COUNT=3;UNTIL=never", (1, 2, 3), "UNTIL of the recurrence rule is invalid"),
        ("FREQ=DAILY;COUNT=-1;UNTIL=20261203", (1, 2, 3), "COUNT of the recurrence rule is invalid"),
        ("FREQ=DAILY;COUNT=0;UNTIL=20261203", (1, 2, 3), "COUNT of the recurrence rule is invalid"),
        ("FREQ=DAILY;BYSETPOS=0;COUNT=3", (1, 2, 3), "BYSETPOS of the recurrence rule has an invalid value"),
        ("FREQ=WEEKLY;COUNT=3;BYDAY=TU,XX,TH", (1, 3, 8), "BYDAY of the recurrence rule has an invalid value"),
        ("FREQ=DAILY;COUNT=3;BYHOUR=10,25", (1, 2, 3), "BYHOUR of the recurrence rule has an invalid value"),
        ("FREQ=YEARLY;BYMONTH=5L,12;COUNT=1", (1,), "BYMONTH of the recurrence rule has an invalid value"),
        ("FREQ=DAYLY;COUNT=3", (1,), "the recurrence rule has no valid frequency"),
        ("COUNT=3;INTERVAL=2", (1,), "the recurrence rule has no valid frequency"),
        ("", (1,), "the recurrence rule has no valid frequency"),
        ("RSCALE=CHINESE;FREQ=DAILY", (1,), "the recurrence rule counts in the calendar CHINESE"),
        ("FREQ=SECONDLY", (1,), "the recurrence rule repeats too often"),
        ("FREQ=MONTHLY;SKIP=FORWARD;COUNT=1", (1,), "SKIP of the recurrence rule is not followed"),
    ],
)
def test_what_cannot_be_followed_is_dropped_and_reported(rule: str, days: tuple[int, ...], reason: str) -> None:
    found = expand(vevent(TEN, f"RRULE:{rule}", "SUMMARY:Tea"))
    assert starts(found) == december(*days)
    assert found.problems == [("Tea", reason, False)]


def test_the_changed_occurrences_of_a_series_without_a_valid_rule_remain() -> None:
    moved = vevent("RECURRENCE-ID:20261202T100000Z", "DTSTART:20261202T150000Z", "SUMMARY:moved")
    found = expand(vevent(TEN, "RRULE:FREQ=DAYLY", "SUMMARY:first"), moved)
    assert titled(found) == ["2026-12-01T10:00+00:00 first", "2026-12-02T15:00+00:00 moved"]


@pytest.mark.parametrize(
    ("start", "rule", "expected"),
    [
        ("20261231", "RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=BACKWARD;COUNT=3", ["2026-12-31", "2027-01-31", "2027-02-28"]),
        ("20240229", "RSCALE=GREGORIAN;FREQ=YEARLY;SKIP=BACKWARD", ["2027-02-28"]),
        ("20240229", "FREQ=YEARLY", []),
        ("20260117", "FREQ=YEARLY;BYWEEKNO=53", ["2027-01-02"]),
    ],
)
def test_days_that_a_month_does_not_have_are_skipped_backward_if_the_rule_says_so(
    start: str, rule: str, expected: list[str]
) -> None:
    found = expand(vevent(f"DTSTART;VALUE=DATE:{start}", f"RRULE:{rule}"))
    assert [one for one in starts(found) if one != "2026-01-17"] == expected


@pytest.mark.parametrize("number", [1, 52, 53, -1])
def test_the_weeks_of_a_year_are_those_of_iso_8601_also_around_new_year(number: int) -> None:
    start, last = datetime(2019, 1, 1, 10), datetime(2040, 1, 1)  # noqa: DTZ001 - local times
    rule = Rule(f"FREQ=YEARLY;BYWEEKNO={number};BYDAY=MO,TU,WE,TH,FR,SA,SU", start, datetime.fromisoformat)
    days = [start + timedelta(days=offset) for offset in range((last - start).days + 1)]
    weeks = {year: date(year, 12, 28).isocalendar().week for year in range(2018, 2042)}
    expected = [
        day for day in days if day.isocalendar().week == (number if number > 0 else weeks[day.isocalendar().year])
    ]
    assert list(rule.starts(start, last)) == expected


def test_an_excluding_rule_is_followed_unless_it_is_invalid() -> None:
    daily = (TEN, "RRULE:FREQ=DAILY;COUNT=5")
    assert starts(expand(vevent(*daily, "EXRULE:FREQ=DAILY;INTERVAL=2;COUNT=3"))) == december(2, 4)
    assert starts(expand(vevent(*daily, "EXRULE:FREQ=NO"))) == december(1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("until", "days"), [("20261130", ()), ("20261130T235959Z", ()), ("20261201T000000Z", (1,)), ("20261201", (1,))]
)
def test_a_series_that_ends_before_the_day_of_its_start_never_happens(until: str, days: tuple[int, ...]) -> None:
    found = expand(vevent(TEN, f"RRULE:FREQ=DAILY;UNTIL={until}"))
    assert starts(found) == december(*days)
    assert bool(found.problems) != bool(days)


def test_the_start_counts_in_addition_to_a_rule_that_does_not_have_it() -> None:
    assert starts(expand(vevent(TEN, "RRULE:FREQ=WEEKLY;BYDAY=WE;COUNT=2"))) == december(1, 2, 9)
