"""The times of recurrence rules over changes of the clocks, and rules that are refused."""

from datetime import date, timedelta

import pytest

from sidecar.clock import iso
from sidecar.jobs.schedule_store import milliseconds
from sidecar.jobs.timing import RuleRefused, RuleTimes


def times(rule: str, zone: str, start: str, after: str, count: int) -> list[str]:
    """Returns the next times of a rule, in UTC."""
    found: list[str] = []
    rule_times, moment_ms = RuleTimes(rule, milliseconds(start), zone), milliseconds(after)
    for _ in range(count):
        next_ms = rule_times.after(moment_ms)
        assert next_ms is not None
        found.append(iso(moment_ms := next_ms)[5:16])
    return found


@pytest.mark.parametrize(
    ("zone", "rule", "after", "expected"),
    [
        # 02:00 to 03:00 is skipped on 29 March, and repeated on 25 October.
        ("Europe/Berlin", "BYHOUR=2;BYMINUTE=30", "03-28T00:00", ["03-28T01:30", "03-29T01:30", "03-30T00:30"]),
        ("Europe/Berlin", "BYHOUR=2;BYMINUTE=30", "10-24T00:00", ["10-24T00:30", "10-25T00:30", "10-26T01:30"]),
        ("Europe/Berlin", "BYHOUR=9;BYMINUTE=0", "03-28T00:00", ["03-28T08:00", "03-29T07:00", "03-30T07:00"]),
        ("Europe/Berlin", "BYHOUR=2,3;BYMINUTE=0", "03-29T00:00", ["03-29T01:00", "03-30T00:00", "03-30T01:00"]),
        # 02:00 to 03:00 is skipped on 8 March, and 01:00 to 02:00 repeated on 1 November.
        ("America/New_York", "BYHOUR=2;BYMINUTE=15", "03-07T12:00", ["03-08T07:15", "03-09T06:15"]),
        ("America/New_York", "BYHOUR=1;BYMINUTE=15", "10-31T12:00", ["11-01T05:15", "11-02T06:15"]),
        # By half an hour: 02:00 to 02:30 is skipped on 4 October, and 01:30 to 02:00 repeated on 5 April.
        ("Australia/Lord_Howe", "BYHOUR=2;BYMINUTE=15", "10-02T16:00", ["10-03T15:45", "10-04T15:15"]),
        ("Australia/Lord_Howe", "BYHOUR=1;BYMINUTE=45", "04-03T16:00", ["04-04T14:45", "04-05T15:15"]),
        # By a quarter of an hour off: 03:45 is the first moment after the gap and the end of the repeated hour.
        ("Pacific/Chatham", "BYHOUR=3;BYMINUTE=50", "09-25T16:00", ["09-26T14:05", "09-27T14:05"]),
        ("Pacific/Chatham", "BYHOUR=3;BYMINUTE=50", "04-03T16:00", ["04-04T15:05", "04-05T15:05"]),
    ],
)  # fmt: skip
def test_a_time_that_a_change_of_the_clocks_skips_or_repeats_happens_once(
    zone: str, rule: str, after: str, expected: list[str]
) -> None:
    found = times(f"FREQ=DAILY;{rule}", zone, "2026-01-01T00:00Z", f"2026-{after}Z", len(expected))
    assert found == expected


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2026-11-23T09:00:30.500Z", ["11-23T09:00", "11-24T09:00"]),  # as JavaScript's toISOString writes it
        ("2026-10-25T01:30Z", ["10-25T01:30", "10-26T01:30"]),  # the second 02:30 in Berlin
        ("2026-10-25T00:30Z", ["10-25T00:30", "10-26T01:30"]),  # the first one
    ],
)
def test_a_rule_happens_at_its_start(start: str, expected: list[str]) -> None:
    assert times("FREQ=DAILY", "Europe/Berlin", start, "2026-10-24T23:00Z", 2) == expected
    assert times("FREQ=DAILY;COUNT=1", "Europe/Berlin", start, "2026-10-24T23:00Z", 1) == expected[:1]


def test_the_29th_of_february_is_found_where_a_century_has_none() -> None:
    rule = "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYHOUR=9;BYMINUTE=0"
    found = RuleTimes(rule, milliseconds("2026-01-01T00:00Z"), "UTC").after(milliseconds("2096-03-01T00:00Z"))
    assert found == milliseconds("2104-02-29T09:00Z")


@pytest.mark.parametrize("year", range(2026, 2066))
def test_a_weekly_rule_has_its_times_at_the_end_of_each_year(year: int) -> None:
    rule = "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA,SU"
    expected = [f"{date(year, 12, 24) + timedelta(days=number):%m-%d}T09:00" for number in range(12)]
    assert times(rule, "UTC", "2026-01-05T09:00Z", f"{year}-12-24T00:00Z", 12) == expected


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "no time within ten years"),
        ("FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30;BYMINUTE=0,30", "no time within ten years"),
        ("FREQ=DAILY;UNTIL=20251231", "no time within ten years"),
        ("FREQ=DAILY;COUNT=1;BYHOUR=9", "no time within ten years"),
        ("FREQ=HOURLY;INTERVAL=99999999", "no time within ten years"),
        ("FREQ=DAILY;BYHOUR=9;BYHOUR=17", "BYHOUR of the recurrence rule is repeated"),
        ("FREQ=WEEKLY;BYDAY=1MO", "BYDAY of the recurrence rule has a number"),
        ("FREQ=MINUTELY", "more than 96 times a day"),
        ("FREQ=\tMINUTELY", "more than 96 times a day"),
        ("FREQ=HOURLY;BYMINUTE=0,10,20,30,40", "more than 96 times a day"),
        ("FREQ=DAILY;BYDAY=XX", "BYDAY"),
        ("FREQ=DAILY;EVERY=2", "EVERY"),
        ("every day", "frequency"),
    ],
)
def test_a_rule_that_cannot_be_followed_exactly_is_refused_with_the_reason(rule: str, words: str) -> None:
    with pytest.raises(RuleRefused, match=words):
        RuleTimes(rule, milliseconds("2026-01-01T00:00Z"), "Europe/Berlin").check(milliseconds("2026-01-01T12:00Z"))
