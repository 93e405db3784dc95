"""Local days when clocks change, also at midnight, and when a zone skipped a whole day."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sidecar_protocol.scalars import canonical_time

from sidecar.days import computer_zone_name, spans


def local_days(start: datetime, end: datetime, zone: str) -> list[tuple[str, str, str]]:
    """Returns the local days between two times, with their start and end."""
    days = spans(canonical_time(start), canonical_time(end), ZoneInfo(zone), 60)
    return [(day.isoformat(), since, before) for day, since, before in days]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-10-25", 25),
        ("Europe/Berlin", "2027-03-28", 23),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Africa/Cairo", "2026-04-24", 23),  # midnight is skipped
        ("America/Havana", "2026-11-01", 25),  # midnight occurs twice
        ("Asia/Kathmandu", "2026-01-01", 24),
    ],
)
def test_days_are_those_of_the_time_zone(zone: str, day: str, hours: float) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(days=2)
    found = {name: ends for name, *ends in local_days(start, start + timedelta(5), zone)}
    since, before = map(datetime.fromisoformat, found[day])
    assert before - since == timedelta(hours=hours)
    assert since.astimezone(ZoneInfo(zone)).date().isoformat() == day


def test_a_day_that_the_zone_skipped_is_left_out() -> None:
    start = datetime(2011, 12, 29, 12, tzinfo=UTC)
    days = [day for day, _, _ in local_days(start, start + timedelta(days=2), "Pacific/Apia")]
    assert days == ["2011-12-29", "2011-12-31", "2012-01-01"]


@given(
    since_s=st.integers(631_152_000, 2_051_222_400),  # 1990 to 2035
    length_s=st.integers(1, 40 * 24 * 3600),
    zone=st.sampled_from(["Europe/Berlin", "America/Havana", "Pacific/Apia", "Africa/Cairo", "Asia/Tehran", "UTC"]),
)
def test_the_days_cover_the_range_without_gap_or_overlap(since_s: int, length_s: int, zone: str) -> None:
    start, end = datetime.fromtimestamp(since_s, UTC), datetime.fromtimestamp(since_s + length_s, UTC)
    days = local_days(start, end, zone)
    edges = [(datetime.fromisoformat(since), datetime.fromisoformat(before)) for _, since, before in days]
    assert (edges[0][0], edges[-1][1]) == (start, end)
    assert all(before == since for (_, before), (since, _) in pairwise(edges))
    for (day, _, _), (since, before) in zip(days, edges, strict=True):
        for moment in (since, before - timedelta(milliseconds=1)):
            assert moment.astimezone(ZoneInfo(zone)).date().isoformat() == day


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("Asia/Tokyo", "Asia/Tokyo"),
        (":Europe/Berlin", "Europe/Berlin"),
        ("", "UTC"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", None),
        ("Mars/Olympus", None),
    ],
)
def test_the_computers_zone_is_that_of_tz_as_it_is_now(
    monkeypatch: pytest.MonkeyPatch, value: str, name: str | None
) -> None:
    monkeypatch.setenv("TZ", value)
    assert computer_zone_name() == name


def test_the_computers_zone_is_that_of_the_system_without_tz(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TZ", raising=False)
    name = computer_zone_name()
    assert name is None or ZoneInfo(name).key == name
