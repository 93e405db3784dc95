"""The time zones that files name and define."""

from datetime import UTC, datetime, tzinfo
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.calendar.ics.zones import TimeZones
from tests.calendar.ics.harness import expand, spans, starts, vevent, vtimezone

NEW_YORK = ("X-WR-TIMEZONE:America/New_York",)
BERLIN = ("X-WR-TIMEZONE:Europe/Berlin",)


@pytest.mark.parametrize(
    ("tzid", "offset"),
    [
        ("tzone://Microsoft/Utc", "+00:00"),
        ('"tzone://Microsoft/Utc"', "+00:00"),
        ("tzone://Microsoft/Olson/Europe/Paris", "+02:00"),
        ('"tzone://Microsoft/Olson/Europe/Paris"', "+02:00"),
        ("GMT+01:00", "+01:00"),
        ('"GMT+01:00"', "+01:00"),
        ("GMT+0100", "+01:00"),
        ("GMT+1", "+01:00"),
        ("UTC+01:00", "+01:00"),
        ("UTC-3", "-03:00"),
        ("+02:00", "+02:00"),
        ("+0530", "+05:30"),
        ("Etc/GMT+5", "-05:00"),
        ("UTC", "+00:00"),
        ("utc", "+00:00"),
        ("Z", "+00:00"),
        ("(UTC+01:00) Amsterdam", "+02:00"),
        ('"(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna"', "+02:00"),
        ("(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna", "+02:00"),
        ("(GMT+01.00) Sarajevo/Warsaw/Zagreb", "+02:00"),
        ("(GMT) Greenwich Mean Time : Dublin, Edinburgh, Lisbon, London", "+01:00"),
        ("(UTC) Dublin, Edinburgh, Lisbon, London", "+01:00"),
        ("(UTC) Coordinated Universal Time", "+00:00"),
        ("Coordinated Universal Time", "+00:00"),
        ("Coordinated Universal Time (UTC)", "+00:00"),
        ("(UTC+05:30) Chennai, Kolkata, Mumbai, New Delhi", "+05:30"),
        ("(UTC+03:00) Atlantis", "+03:00"),
        ("(UTC-08:00) Pacific Time (US & Canada)", "-07:00"),
        ("europe/berlin", "+02:00"),
        ("EUROPE/BERLIN", "+02:00"),
        ("'Europe/Berlin'", "+02:00"),
        ("w. europe standard time", "+02:00"),
        ("W. Europe Daylight Time", "+02:00"),
        ("GMT Standard Time 1", "+01:00"),
        ("Western/Central Europe", "+02:00"),
        ("/mozilla.org/20070129_1/Europe/Berlin", "+02:00"),
        ("/softwarestudio.org/Olson_20011030_5/America/Argentina/Buenos_Aires", "-03:00"),
        ("/freeassociation.sourceforge.net/Tzfile/Europe/Paris", "+02:00"),
        ("/Europe/Vienna", "+02:00"),
        ("Europe/Berlin (CEST)", "+02:00"),
        ("GMT+02:00 (Europe/Berlin)", "+02:00"),
        ("US-Eastern", "-04:00"),
        ("Europe_Berlin", "+02:00"),
        ("Los_Angeles", "-07:00"),
        ("Europe/Oslo\0\0\0", "+02:00"),
        ("CEST", "+02:00"),
        ("MESZ", "+02:00"),
        ("AEDT", "+10:00"),
        ("PST", "-07:00"),
    ],
)
def test_a_zone_is_found_by_any_of_its_names(tzid: str, offset: str) -> None:
    found = expand(
        vevent(f"DTSTART;TZID={tzid}:20260710T100000", f"DTEND;TZID={tzid}:20260710T110000"), properties=NEW_YORK
    )
    assert spans(found) == [f"2026-07-10T10:00{offset}/2026-07-10T11:00{offset}"]
    assert found.problems == []


@pytest.mark.parametrize(
    "tzid",
    [
        "(GMT-05:00) Eastern Time",
        "(GMT-05:00) Eastern Time (US & Canada)",
        "(GMT-05.00) Eastern Time (US & Canada)",
        "Eastern Time",
        "America/New York",
        "US/Eastern",
        "EDT",
        "EST5EDT",
    ],
)
def test_a_zone_of_america_is_not_taken_for_the_calendars(tzid: str) -> None:
    found = expand(vevent(f"DTSTART;TZID={tzid}:20260710T100000"), properties=BERLIN)
    assert starts(found) == ["2026-07-10T10:00-04:00"]


@pytest.mark.parametrize("tzid", ["Mars/Olympus", "tzone://Microsoft/Custom", '"tzone://Microsoft/Custom"'])
def test_an_unknown_zone_is_replaced_by_the_calendars_and_reported(tzid: str) -> None:
    found = expand(vevent(f"DTSTART;TZID={tzid}:20260710T100000", "SUMMARY:Launch"), properties=NEW_YORK)
    assert starts(found) == ["2026-07-10T10:00-04:00"]
    name = tzid.strip('"')
    assert found.problems == [("Launch", f'its time zone "{name}" is unknown', False)]


@pytest.mark.parametrize(
    "line",
    [
        "DTSTART:TZID=Europe/Berlin:20260710T100000",
        "DTSTART ; VALUE=DATE-TIME ; TZID = Europe/Berlin : 20260710T100000 ",
        'DTSTART;TZID="Europe/Berlin";VALUE=DATE-TIME:20260710T100000',
        "DTSTART;VALUE=DATE-TIME;TZID=/Europe/Berlin:20260710T1000",
        "dtstart;tzid=Europe/Berlin:20260710t100000",
        "DTSTART;TZID=Europe/Berlin:2026-07-10T10:00:00",
        "DTSTART;TZID=Europe/Berlin:20260710T100000.000",
        "DTSTART;TZID=Europe/Berlin:20260710 T100000",
        "DTSTART:20260710T100000+02",
        "DTSTART:\r\nDTSTART;TZID=Europe/Berlin:20260710T100000",
        "DTSTART:never\r\nDTSTART;TZID=Europe/Berlin:20260710T100000",
    ],
)
def test_a_start_is_read_in_any_spelling(line: str) -> None:
    assert starts(expand(vevent(line))) == ["2026-07-10T10:00+02:00"]


@pytest.mark.parametrize("tzid", ["Europe/Berlin", "Mars/Olympus", "tzone://Microsoft/Custom"])
def test_a_time_with_z_is_in_utc_whatever_its_tzid(tzid: str) -> None:
    series = vevent(f"DTSTART;TZID={tzid}:20261204T110000Z", "RRULE:FREQ=DAILY;COUNT=2")
    moved = vevent(f"RECURRENCE-ID;TZID={tzid}:20261205T110000Z", f"DTSTART;TZID={tzid}:20261205T130000Z")
    assert starts(expand(series, moved)) == ["2026-12-04T11:00+00:00", "2026-12-05T13:00+00:00"]


@pytest.mark.parametrize("name", ["EST", "MST", "HST", "GMT", "UTC", "Etc/GMT", "BST", "Z", "My Zone", "GMT+02:00"])
def test_a_zone_that_the_file_defines_governs_under_any_name_but_a_regions(name: str) -> None:
    event = vevent(f'DTSTART;TZID="{name}":20260710T100000')
    assert starts(expand(vtimezone(name, "-0500", "-0400"), event)) == ["2026-07-10T10:00-04:00"]
    assert starts(expand(event, vtimezone(name, "+0330"))) == ["2026-07-10T10:00+03:30"]


@pytest.mark.parametrize(
    ("defined", "named"),
    [
        ("(UTC+07:00) A\\, B\\, C", '"(UTC+07:00) A, B, C"'),
        ("(UTC+07:00) A, B, C", "(UTC+07:00) A\\, B\\, C"),
        ("", ""),
        (" 1", " 1"),
        ("(GMT-03:00)", '"(GMT-03:00)"'),
    ],
)
def test_a_zone_that_the_file_defines_is_found_under_odd_names(defined: str, named: str) -> None:
    event = vevent(f"DTSTART;TZID={named}:20260710T100000")
    assert starts(expand(vtimezone(defined, "-0500", "-0400"), event)) == ["2026-07-10T10:00-04:00"]


def test_a_region_is_that_of_the_database_even_if_the_file_defines_it_otherwise() -> None:
    found = expand(vtimezone("Europe/Berlin", "-0500"), vevent("DTSTART;TZID=Europe/Berlin:20260710T100000"))
    assert [(it.start_time, it.time_zone) for it in found.events] == [("2026-07-10T10:00:00+02:00", "Europe/Berlin")]


def test_a_windows_zone_has_its_iana_name_if_the_file_defines_the_same() -> None:
    event = vevent("DTSTART;TZID=W. Europe Standard Time:20260710T100000")
    [same] = expand(vtimezone("W. Europe Standard Time", "+0100", "+0200"), event).events
    assert (same.start_time, same.time_zone) == ("2026-07-10T10:00:00+02:00", "Europe/Berlin")
    [without_summer] = expand(vtimezone("W. Europe Standard Time", "+0100"), event).events
    assert (without_summer.start_time, without_summer.time_zone) == ("2026-07-10T10:00:00+01:00", None)


def observance(name: str, *lines: str) -> str:
    return "\r\n".join([f"BEGIN:{name}", *lines, f"END:{name}", ""])


@pytest.mark.parametrize(
    ("definition", "summer", "winter"),
    [
        (vtimezone("A", "+01:00", "+02:00"), "+02:00", "+01:00"),
        (
            "BEGIN:VTIMEZONE\r\nTZID:A\r\nX-LIC-LOCATION:Europe/Berlin\r\nEND:VTIMEZONE\r\n",
            "+02:00",
            "+01:00",
        ),
        (
            "BEGIN:VTIMEZONE\r\nTZID:A\r\n"
            + observance("STANDARD", "DTSTART:16010101T000000", "TZOFFSETTO:+0300")
            + "END:VTIMEZONE\r\n",
            "+03:00",
            "+03:00",
        ),
        (
            "BEGIN:VTIMEZONE\r\nTZID:A\r\n"
            + observance("DAYLIGHT", "DTSTART:20260329T020000", "TZOFFSETFROM:+0100", "TZOFFSETTO:+0200")
            + observance("STANDARD", "DTSTART;VALUE=DATE:20261025", "TZOFFSETFROM:+0200", "TZOFFSETTO:+0100", "X-A:b")
            + "END:VTIMEZONE\r\n",
            "+02:00",
            "+01:00",
        ),
        (
            "BEGIN:VTIMEZONE\r\nTZID:A\r\n"
            + observance(
                "DAYLIGHT",
                "DTSTART:19800406T020000",
                "RDATE:20260329T020000,20270328T020000",
                "TZOFFSETFROM:+0100",
                "TZOFFSETTO:+0200",
            )
            + observance(
                "STANDARD",
                "DTSTART:19801026T030000",
                "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU;UNTIL=20271031T010000Z;X-B=1",
                "TZOFFSETFROM:+0200",
                "TZOFFSETTO:+0100",
            )
            + "END:VTIMEZONE\r\n",
            "+02:00",
            "+01:00",
        ),
    ],
)
def test_the_definition_of_a_zone_is_read_in_any_form(definition: str, summer: str, winter: str) -> None:
    events = [vevent(f"DTSTART;TZID=A:2026{day}T100000", uid=day) for day in ("0710", "1210")]
    assert starts(expand(definition, *events)) == [f"2026-07-10T10:00{summer}", f"2026-12-10T10:00{winter}"]


@cache
def defined_zone() -> tzinfo:
    """Returns the zone of a VTIMEZONE that defines the same as Europe/Berlin."""
    _, *lines, _, _ = vtimezone("Defined", "+0100", "+0200").split("\r\n")
    zone = TimeZones([lines]).find("Defined")
    assert zone is not None
    return zone


@given(st.datetimes(min_value=datetime(1997, 1, 1), max_value=datetime(2037, 1, 1)), st.sampled_from([0, 1]))  # noqa: DTZ001
def test_a_defined_zone_has_the_offsets_of_the_same_zone_in_the_database(moment: datetime, fold: int) -> None:
    zone, berlin = defined_zone(), ZoneInfo("Europe/Berlin")
    local = moment.replace(microsecond=0, fold=fold)
    assert zone.utcoffset(local) == berlin.utcoffset(local)
    ours, theirs = (local.replace(tzinfo=UTC).astimezone(one) for one in (zone, berlin))
    assert (ours.replace(tzinfo=None), ours.fold) == (theirs.replace(tzinfo=None), theirs.fold)


def test_one_unreadable_observance_does_not_lose_the_zone() -> None:
    definition = (
        "BEGIN:VTIMEZONE\r\nTZID:A\r\n"
        + observance("STANDARD", "DTSTART:16010101T230000", "TZOFFSETFROM:-0200", "TZOFFSETTO:-0300")
        + observance("DAYLIGHT", "DTSTART:soon", "TZOFFSETFROM:-0300", "TZOFFSETTO:-0200")
        + observance("DAYLIGHT", "TZOFFSETFROM:-0300", "TZOFFSETTO:-0200", "RRULE:FREQ=YEARLY;BYDAY=4SU;BYMONTH=10")
        + "END:VTIMEZONE\r\n"
    )
    assert starts(expand(definition, vevent("DTSTART;TZID=A:20261210T100000"))) == ["2026-12-10T10:00-02:00"]


def test_times_that_clocks_skip_or_show_twice_are_read_alike_in_a_defined_zone_and_in_the_database() -> None:
    for zone in ("Europe/Berlin", "Defined"):
        found = expand(
            vtimezone("Defined", "+0100", "+0200"),
            vevent(f"DTSTART;TZID={zone}:20261025T023000", "DURATION:PT1H", uid="twice"),
            vevent(f"DTSTART;TZID={zone}:20270328T023000", "DURATION:PT1H", uid="never"),
        )
        assert spans(found) == [
            "2026-10-25T02:30+02:00/2026-10-25T02:30+01:00",
            "2027-03-28T03:30+02:00/2027-03-28T04:30+02:00",
        ]


def test_the_zone_of_a_calendar_is_that_of_its_events_or_the_only_one_that_it_defines() -> None:
    date = vevent("DTSTART;VALUE=DATE:20261201", "RRULE:FREQ=DAILY;UNTIL=20261202T230000Z", uid="days")
    berlin = vtimezone("W. Europe Standard Time", "+0100", "+0200")
    assert len(expand(date, berlin).events) == 3
    assert len(expand(date, vevent("DTSTART;TZID=tzone://Microsoft/Olson/Europe/Berlin:20261110T100000")).events) == 4
