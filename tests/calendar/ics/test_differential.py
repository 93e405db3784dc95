"""Comparison with independent programs: rules with rrule-temporal, files with recurring-ical-events.

Each known difference has its reason here.  The files are those of the test suites of two libraries; they are installed
with them and not part of this repository.
"""

import json
import random
import re
import shutil
import subprocess
import warnings
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pytest
from icalendar import Calendar

from sidecar.calendar.ics.expand import IcsCalendar
from sidecar.calendar.provider import TimeRange
from sidecar.recurrence import Rule
from tests.calendar.ics.harness import OWNER

RULES: Final = 300
LAST: Final = datetime(2028, 6, 1)  # noqa: DTZ001 - a local time
SCRIPT: Final = Path(__file__).with_name("rrule_temporal.mjs")
MODULE: Final = Path(__file__).parents[3] / ".ci" / "node_modules" / "rrule-temporal" / "dist" / "index.js"
WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def has_two_kinds_of_days(rule: str) -> bool:
    """Whether a yearly rule names days in two of these ways: of the month, of the year, of a week, with a number.

    Only days that are both are meant (RFC 5545 §3.3.10, the table and its note 2).  rrule-temporal ignores one of them.
    """
    ways = ("BYMONTHDAY=", "BYYEARDAY=", "BYWEEKNO=", r"BYDAY=[^;]*\d")
    return "FREQ=YEARLY" in rule and sum(re.search(way, rule) is not None for way in ways) > 1


def random_rule(source: random.Random) -> str:
    def some(values: Any, most: int) -> str:
        return ",".join(map(str, sorted(source.sample(list(values), source.randint(1, most)))))

    frequency = source.choice(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"])
    parts = [f"FREQ={frequency}"]
    days = source.sample(WEEKDAYS, source.randint(1, 3))
    if frequency in ("MONTHLY", "YEARLY") and source.random() < 0.6:
        days = [f"{source.choice([1, 2, 3, 4, 5, -1, -2])}{day}" for day in days]
    optional = [
        (0.5, f"INTERVAL={source.randint(1, 4)}"),
        (0.4, f"BYMONTH={some(range(1, 13), 3)}"),
        (0.4 if frequency != "WEEKLY" else 0, f"BYMONTHDAY={some([1, 2, 13, 15, 28, 29, 30, 31, -1, -2], 2)}"),
        (0.5, f"BYDAY={','.join(days)}"),
        (0.15 if frequency == "YEARLY" else 0, f"BYYEARDAY={source.choice([1, 100, 200, 366, -1])}"),
        (0.15 if frequency == "YEARLY" else 0, f"BYWEEKNO={source.choice([10, 20, 30, 53])}"),
        (0.15, f"BYHOUR={some(range(24), 2)}"),
        (0.2, f"WKST={source.choice(['MO', 'SU'])}"),
    ]
    parts += [part for chance, part in optional if source.random() < chance]
    if any(part.startswith("BY") for part in parts) and source.random() < 0.2:
        parts.append(f"BYSETPOS={source.choice([1, -1, 2])}")
    ends = [f"COUNT={source.randint(1, 12)}", f"UNTIL=2027{source.randint(1, 12):02d}15T120000Z"]
    return ";".join([*parts, source.choice([*ends, ""])]).removesuffix(";")


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
@pytest.mark.skipif(not MODULE.is_file(), reason="rrule-temporal is not installed: `.ci/run` does that")
def test_random_rules_have_the_starts_that_rrule_temporal_computes() -> None:
    source = random.Random(5545)
    requests: list[tuple[datetime, str]] = []
    for _ in range(RULES):
        start = datetime(2026, source.randint(1, 12), source.randint(1, 28), source.randint(0, 23), 30)  # noqa: DTZ001
        requests.append((start, random_rule(source)))
    lines = (json.dumps([f"{start:%Y%m%dT%H%M%S}", rule, LAST.isoformat()]) for start, rule in requests)
    command = ["node", str(SCRIPT), MODULE.as_uri()]
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, timeout=240, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == RULES
    compared = 0
    differences: list[tuple[str, str]] = []
    for (start, text), theirs in zip(requests, answers, strict=True):
        ours = [one.isoformat() for one in Rule(text, start, until).starts(start, LAST)]
        if isinstance(theirs, dict):  # it gives up a rule that matches nothing
            continue
        if ours == theirs:
            compared += 1
        elif not has_two_kinds_of_days(text):
            differences.append((start.isoformat(), text))
    assert differences == []
    assert compared > 0.85 * RULES


def until(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ")  # noqa: DTZ007


KNOWN_FILES: Final = {
    "invalid_duration.ics": "an unreadable duration: the event is kept here, without a length",
    "issue_1081_invalid_rrule_freq.ics": "an unknown FREQ: the event is kept here, once",
    "issue_156_RDATE_with_PERIOD_TZID_khal.ics": "the zone of RDATE is resolved here",
    "issue_156_RDATE_with_PERIOD_TZID_khal_2.ics": "the zone of RDATE is resolved here",
    "issue_1633_rdate_with_dates.ics": "a date in RDATE has the time of the start here, and so adds nothing",
    "issue_1633_rdate_with_dates_and_tzid.ics": "a date in RDATE has the time of the start here, and so adds nothing",
    "issue_165_missing_event.ics": "UNTIL and start of different kinds: the series is kept here",
    "issue_526_calendar_with_different_events.ics": "Lotus' zone `Western/Central Europe` is known here",
    "issue_526_calendar_with_event_subset.ics": "Lotus' zone `Western/Central Europe` is known here",
    "issue_526_calendar_with_events.ics": "Lotus' zone `Western/Central Europe` is known here",
    "issue_526_calendar_with_shuffeled_events.ics": "Lotus' zone `Western/Central Europe` is known here",
    "rfc_7529.ics": "other calendars than the Gregorian: the events are kept here, once",
    "issue_464_invalid_rdate.ics": "an unreadable RDATE: the others are kept here",
    "bad_rrule_missing_until_event.ics": "the part UNTL: the series is kept here, without an end",
    "end_before_start_event.ics": "an end before the start is ignored here; there both are exchanged",
    "issue_132_swapped_start_and_end.ics": "an end before the start is ignored here; there both are exchanged",
    "issue_201_mixed_datetime_and_date.ics": "a start that is a date makes an all-day event here",
    "issue_201_test_matrix.ics": "a start that is a date makes an all-day event here",
    "issue_28_rrule_with_UTC_endinginZ.ics": "UNTIL is midnight in London: that day is included here",
    "issue_75_range_parameter.ics": "UNTIL as a date includes that day here",
}
"""File -> how it is read here, and how recurring-ical-events does if that is not to leave it out."""


def library_files() -> list[Path]:
    found: list[Path] = []
    for package in ("icalendar", "recurring_ical_events"):
        spec = find_spec(package)
        for folder in () if spec is None else spec.submodule_search_locations or ():
            found += Path(folder).rglob("*.ics")
    return sorted(found)


FILES: Final = library_files()


@pytest.mark.skipif(not FILES, reason="icalendar and recurring-ical-events are installed without their test suites")
def test_files_of_two_libraries_have_the_events_that_recurring_ical_events_finds() -> None:
    assert len(FILES) > 200
    same, differences = 0, []
    for path in FILES:
        body = path.read_bytes()
        if b"END:VCALENDAR" not in body.upper():  # a component alone, or a file that was cut
            body = b"BEGIN:VCALENDAR\r\n" + body.strip() + b"\r\nEND:VCALENDAR\r\n"
        window = window_of(body)
        if b"BEGIN:VEVENT" not in body.upper():
            continue
        time_range = TimeRange(int(window[0].timestamp()), int(window[1].timestamp()))
        found = IcsCalendar(body).expand(time_range, UTC, OWNER)
        ours = Counter((comparable(moment(it.start_time)), it.title or "") for it in found.events)
        try:
            theirs = Counter(reference(body, window))
        except Exception:  # noqa: BLE001, S112 - it refuses the file, which is not a difference
            continue
        if ours == theirs:
            same += 1
        else:
            differences.append(path.name)
    assert set(differences) - set(KNOWN_FILES) == set()
    assert same > 150


def reference(body: bytes, window: tuple[datetime, datetime]) -> Iterator[tuple[str, str]]:
    from recurring_ical_events import CalendarQuery  # type: ignore[import-untyped]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for calendar in Calendar.from_ical(body, multiple=True):
            for event in CalendarQuery(calendar, components=["VEVENT"], skip_bad_series=True).between(*window):
                if str(event.get("STATUS", "")).upper() != "CANCELLED":
                    yield comparable(event["DTSTART"].dt), str(event.get("SUMMARY", "")).strip()[:2_000]


def window_of(body: bytes) -> tuple[datetime, datetime]:
    """Returns two years from the first start of the file."""
    days = [day for day in re.findall(rb"DTSTART[^\n]*?:(\d{8})", body) if b"19900101" < day < b"20400101"]
    first = datetime.strptime(min(days, default=b"20260101").decode() + "Z", "%Y%m%d%z") - timedelta(days=2)
    return first, first + timedelta(days=730)


def moment(text: str) -> date:
    return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)


def comparable(start: date) -> str:
    """Returns a date, or a time in UTC; floating times are in UTC."""
    if not isinstance(start, datetime):
        return start.isoformat()
    return (start.replace(tzinfo=UTC) if start.tzinfo is None else start.astimezone(UTC)).isoformat()
