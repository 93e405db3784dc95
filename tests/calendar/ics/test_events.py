"""Reading the events and properties of calendar files, including malformed ones."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json
from sidecar_protocol.calendar.calendars import Calendar, CalendarEvent

from sidecar.calendar.ics import expand
from sidecar.calendar.ics.events import EVENT_PROPERTIES
from sidecar.calendar.ics.expand import IcsCalendar
from sidecar.calendar.ics.split import LimitExceeded, NotACalendar
from sidecar.calendar.provider import RemoteCalendar, RemoteEvent
from tests.calendar.ics.harness import BERLIN, OWNER, TIME_RANGE, occurrences, vcalendar, vevent

TEN = "DTSTART:20261201T100000Z"
NOW = "2026-11-25T08:00:00.000Z"


def expand_file(body: bytes) -> expand.Expansion:
    return IcsCalendar(body).expand(TIME_RANGE, BERLIN, OWNER)


def titles(body: bytes) -> list[str | None]:
    return [one.title for one in expand_file(body).events]


def test_every_field_of_an_event_is_read() -> None:
    [event] = occurrences(
        vevent(
            "DTSTART;TZID=Europe/Berlin:20261201T100000",
            "DTEND;TZID=Europe/Berlin:20261201T113000",
            "SUMMARY:Planning\\, part 2",
            "DESCRIPTION:Bring tea\\nand <b>biscuits</b>",
            "LOCATION:Room 4",
            "CLASS:PRIVATE",
            "TRANSP:TRANSPARENT",
            "STATUS:TENTATIVE",
            "SEQUENCE:3",
            "URL:https://calendar.example.com/planning",
            "X-GOOGLE-CONFERENCE:https://meet.example.com/abc",
            "ORGANIZER;CN=Bob:mailto:bob@example.com",
            "ATTENDEE;CN=Ada;PARTSTAT=DECLINED:MAILTO:Ada@Example.com",
            "ATTENDEE;ROLE=OPT-PARTICIPANT;PARTSTAT=ACCEPTED:mailto:eve@example.com",
            "ATTENDEE;CUTYPE=ROOM:mailto:room4@example.com",
            uid="planning@example.com",
        )
    )
    assert event == RemoteEvent(
        event_id="planning@example.com",
        start_ts=1_796_115_600,
        end_ts=1_796_121_000,
        start_time="2026-12-01T10:00:00+01:00",
        end_time="2026-12-01T11:30:00+01:00",
        title="Planning, part 2",
        description="Bring tea\nand <b>biscuits</b>",
        location="Room 4",
        conference_url="https://meet.example.com/abc",
        visibility="private",
        status="tentative",
        organizer={"email": "bob@example.com", "displayName": "Bob", "responseStatus": "needsAction"},
        attendees=[
            {"email": "Ada@Example.com", "displayName": "Ada", "responseStatus": "declined"},
            {"email": "eve@example.com", "responseStatus": "accepted", "optional": True},
            {"email": "room4@example.com", "responseStatus": "needsAction", "resource": True},
        ],
        html_link="https://calendar.example.com/planning",
        time_zone="Europe/Berlin",
        transparency="transparent",
        response_status="declined",
        ical_uid="planning@example.com",
        sequence=3,
    )


def test_name_colour_and_time_zone_of_a_calendar_are_read() -> None:
    properties = [
        "X-WR-CALNAME:Ada’s",
        "X-WR-CALDESC:All",
        "X-APPLE-CALENDAR-COLOR:#1BADF8FF",
        "X-WR-TIMEZONE:Asia/Seoul",
    ]
    assert IcsCalendar(vcalendar(properties=properties)).describe(OWNER) == RemoteCalendar(
        calendar_id="ics",
        name="Ada’s",
        description="All",
        is_primary=True,
        access_role="reader",
        background_color="#1BADF8",
        time_zone="Asia/Seoul",
    )
    unnamed = IcsCalendar(vcalendar(vevent("DTSTART;TZID=Europe/Paris:20261201T100000"))).describe(OWNER)
    assert (unnamed.name, unnamed.time_zone) == (OWNER, "Europe/Paris")
    malformed = IcsCalendar(
        vcalendar(properties=["X-WR-TIMEZONE:Mars/Olympus", "COLOR:turquoise", "not a content line"])
    )
    assert (malformed.describe(OWNER).time_zone, malformed.describe(OWNER).background_color) == (None, None)


MALFORMED = (
    vevent("DTSTART:tomorrow", uid="bad start"),
    vevent("SUMMARY:No start", uid="no start"),
    vevent(TEN, "RRULE:FREQ=WEEKLY;UNTIL=never", "SUMMARY:Bad rule", uid="bad rule"),
    vevent("DTSTART:00010101T000000Z", "RRULE:FREQ=DAILY;COUNT=1", uid="year one"),
    vevent("DTSTART;VALUE=PERIOD:20261201T100000Z/PT1H", uid="period"),
    vevent(TEN, "DURATION:soon", "RRULE:FREQ=DAILY;COUNT=2", "EXDATE:x", uid="bad duration"),
    vevent("DTSTART:20261301T256199Z", uid="no such day"),
    vevent("DTSTART:99991231T235959Z", "DURATION:P9999D", uid="end of time"),
    vevent(TEN, "RECURRENCE-ID:nonsense", uid="bad id"),
    "BEGIN:VEVENT\r\nUID:cut",
    "\r\n",
    "BEGIN:VTODO\r\nUID:task\r\nSUMMARY:A task\r\n",
    "BEGIN:VTIMEZONE\r\nTZID:Empty\r\nEND:VTIMEZONE\r\n",
    "END:VALARM\r\n",
    "\r\n\r\nthis is not a content line\r\n",
)


@pytest.mark.parametrize("malformed", MALFORMED)
def test_a_malformed_component_affects_no_other_event(malformed: str) -> None:
    before, after = (vevent(TEN, f"SUMMARY:{name}", uid=name) for name in ("Before", "After"))
    assert {"Before", "After"} <= set(titles(vcalendar(before, malformed, after)))


@pytest.mark.parametrize(
    "start", ["17962044", "1796204400", "20260002T100000Z", "20261301", "12/02/2026 10:00", "x", ""]
)
def test_an_event_whose_start_cannot_be_read_is_reported(start: str) -> None:
    found = expand_file(vcalendar(vevent(f"DTSTART:{start}", "SUMMARY:Lost")))
    assert (found.events, [(it.title, it.is_skipped) for it in found.problems]) == ([], [("Lost", True)])


@pytest.mark.parametrize(
    "line",
    [
        "SUMMARY;LANGUAGE=en us:Title",
        'SUMMARY;X=a"b:Title',
        'SUMMARY;LANGUAGE="de:Title',
        "SUMMARY;:Title",
        "SUMMARY;CHARSET=utf-8;:Title",
        "SUMMARY;LANGUAGE:Title",
        "SUMMARY;=x:Title",
        "SUMMARY;VALUE=DATE:Title",
        'SUMMARY;ALTREP="http://example.com/?a=b;c":Title',
        "SUMMARY ; LANGUAGE=de : Title",
        "SUMMARY;ENCODING=QUOTED-PRINTABLE;CHARSET=ISO-8859-1:T=69tle",
        "SUMMARY;ENCODING=QUOTED-PRINTABLE:Ti=\r\ntle",
    ],
)
def test_a_title_is_read_whatever_its_parameters(line: str) -> None:
    [event] = expand_file(vcalendar(vevent(TEN, line, "LOCATION:Room"))).events
    assert (event.title, event.location) == ("Title", "Room")


def test_text_in_an_old_encoding_is_read() -> None:
    lines = (
        "SUMMARY;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:Gr=FCn",
        "DESCRIPTION;ENCODING=QUOTED-PRINTABLE:One=0D=0ATwo=2C three",
    )
    [event] = expand_file(vcalendar(vevent(TEN, *lines))).events
    assert (event.title, event.description) == ("Grün", "One\nTwo, three")


def test_people_are_read_whatever_their_parameters() -> None:
    lines = (
        'ORGANIZER;CN=John "Johnny" Doe;X=:mailto:john@example.com',
        'ATTENDEE;CN="Ada:mailto:ada@example.com',
        "ATTENDEE;CN=Bob;junk;PARTSTAT=ACCEPTED;CUTYPE=INDIVIDUAL:mailto:bob@example.com",
    )
    [event] = expand_file(vcalendar(vevent(TEN, *lines))).events
    assert (event.organizer["email"], event.organizer["displayName"]) == ("john@example.com", "John 'Johnny' Doe")
    assert [it["email"] for it in event.attendees] == ["ada@example.com", "bob@example.com"]
    assert event.attendees[1]["responseStatus"] == "accepted"


def test_the_conference_is_the_first_one_with_a_web_address() -> None:
    lines = (
        "CONFERENCE;VALUE=URI;FEATURE=PHONE:tel:+1-412-555-0123",
        'CONFERENCE;VALUE=URI;FEATURE=AUDIO,VIDEO;LABEL="Room: 1":https://video.example.com/1',
        "CONFERENCE;VALUE=URI:https://video.example.com/2",
    )
    [event] = expand_file(vcalendar(vevent(TEN, *lines))).events
    assert event.conference_url == "https://video.example.com/1"


def test_a_person_without_an_address_has_that_of_the_parameter_email() -> None:
    path = "/aMTIzNDU2Nzg5MDEyMzQ1Njc/principal/"  # as iCloud writes people
    lines = (
        f'ORGANIZER;CN="Bob";EMAIL="bob@example.com":{path}',
        f'ATTENDEE;CN="Ada";EMAIL={OWNER};PARTSTAT=DECLINED:{path}',
        "ATTENDEE;EMAIL=other@example.com:mailto:carl@example.com",
    )
    [event] = expand_file(vcalendar(vevent(TEN, *lines))).events
    assert event.organizer["email"] == "bob@example.com"
    assert [it["email"] for it in event.attendees] == [OWNER, "carl@example.com"]
    assert event.response_status == "declined"


def test_the_events_of_a_cancellation_are_cancelled_and_those_of_other_calendars_are_not() -> None:
    event = vevent(TEN, "SUMMARY:Tea", "SEQUENCE:0")
    cancelled = vcalendar(event.replace("SEQUENCE:0", "SEQUENCE:1"), properties=["METHOD:CANCEL"])
    assert expand_file(cancelled) == ([], [])
    assert expand_file(vcalendar(event) + cancelled) == ([], []), "the later revision counts"
    other = vcalendar(vevent(TEN, "SUMMARY:Coffee", uid="other"))
    assert [it.title for it in expand_file(cancelled + other).events] == ["Coffee"]


@pytest.mark.parametrize("status", ["CANCELLED", "canceled"])
def test_a_cancelled_event_is_not_shown_and_not_reported(status: str) -> None:
    assert expand_file(vcalendar(vevent(TEN, f"STATUS:{status}"))) == ([], [])


def test_a_malformed_exdate_does_not_affect_the_series() -> None:
    found = occurrences(vevent(TEN, "RRULE:FREQ=DAILY;COUNT=3", "EXDATE:20261202T100000Z", "EXDATE;VALUE=DATE:"))
    assert [it.start_time[:10] for it in found] == ["2026-12-01", "2026-12-03"]


def test_two_rules_of_one_event_are_both_followed() -> None:
    rules = ("RRULE:FREQ=DAILY;COUNT=2", "RRULE:FREQ=WEEKLY;COUNT=2")
    assert len(occurrences(vevent(TEN, *rules))) == 3


def test_an_alarm_is_ignored_even_if_its_end_line_is_missing() -> None:
    alarm = ["BEGIN:VALARM", "TRIGGER:-PT10M", "DESCRIPTION:Ring", "END:VALARM"]
    [event] = occurrences(vevent(TEN, *alarm, "DESCRIPTION:Tea"))
    assert event.description == "Tea"
    assert titles(vcalendar(vevent(TEN, "SUMMARY:A", "BEGIN:VALARM", uid="a"), vevent(TEN, "SUMMARY:B", uid="b"))) == [
        "A",
        "B",
    ]


def test_an_event_without_a_uid_is_identified_by_its_start_and_title() -> None:
    first = vevent(TEN, "SUMMARY:Tea", "DESCRIPTION:One", uid=None)
    edited = vevent(TEN, "SUMMARY:Tea", "DESCRIPTION:Two", uid=None).replace("20261101", "20261125")
    other = vevent(TEN, "SUMMARY:Cake", uid=None)
    [a], [b], both = occurrences(first), occurrences(edited), occurrences(first, other)
    assert (a.event_id, a.description, b.description) == (b.event_id, "One", "Two")
    assert len({it.event_id for it in both}) == 2
    weekly = occurrences(vevent(TEN, "RRULE:FREQ=WEEKLY;COUNT=3", uid=None))
    assert len({it.event_id for it in weekly}) == 3


def test_events_with_one_uid_are_revisions_or_separate_events() -> None:
    old = vevent(TEN, "SUMMARY:Old", "SEQUENCE:1")
    new = vevent("DTSTART:20261202T100000Z", "SUMMARY:New", "SEQUENCE:2")
    assert titles(vcalendar(new, old)) == ["New"]
    twice = occurrences(vevent(TEN, "SUMMARY:A"), vevent("DTSTART:20261202T100000Z", "SUMMARY:B"))
    assert [(it.event_id, it.title) for it in twice] == [
        ("event_20261201T100000Z", "A"),
        ("event_20261202T100000Z", "B"),
    ]
    assert titles(vcalendar(vevent(TEN, "SUMMARY:Same"), vevent(TEN, "SUMMARY:Same"))) == ["Same"]


def test_event_ids_fit_the_contract_for_a_uid_of_any_length() -> None:
    found = occurrences(
        vevent(TEN, "RRULE:FREQ=DAILY;COUNT=2", uid="u" * 5_000 + "1"),
        vevent(TEN, uid="u" * 5_000 + "2"),
        vevent(TEN, uid="u" * 399),
    )
    assert len({it.event_id for it in found}) == 4
    assert max(len(it.event_id) for it in found) <= 512
    assert max(len(it.ical_uid or "") for it in found) == 2_000


def test_long_texts_are_truncated() -> None:
    [event] = occurrences(vevent(TEN, f"SUMMARY:{'t' * 3_000}", f"DESCRIPTION:{'d' * 200_000}", "LOCATION:a\0b"))
    assert (len(event.title or ""), len(event.description or ""), event.location) == (2_000, 100_000, "ab")


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_any_line_ending_a_byte_order_mark_and_folds_within_a_character_are_read(end: str, bom: bytes) -> None:
    body = vcalendar(vevent(TEN, "SUMMARY:주간 회의 東京 café 🎉")).replace(b"\r\n", end.encode())
    cut = body.index("회".encode()) + 1
    folded = body[:cut] + end.encode() + b" " + body[cut:]
    assert titles(bom + folded) == ["주간 회의 東京 café 🎉"]


def test_several_calendars_in_one_file_are_merged_and_case_does_not_matter() -> None:
    one = vcalendar(vevent(TEN, "SUMMARY:A", uid="a"))
    two = vcalendar(vevent(TEN, "SUMMARY:B", uid="b")).replace(b"BEGIN:VEVENT", b"begin:vevent")
    assert titles(one + b"\r\n" + two + b"\r\n\x1a") == ["A", "B"]
    assert titles(one + b"generated in 0.2 s\n") == ["A"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "BEGIN:VCALENDAR"),
        (b"<!DOCTYPE html><title>Sign in</title>", "BEGIN:VCALENDAR"),
        (b"\xff\xfeB\0E\0G\0I\0N\0", "BEGIN:VCALENDAR"),
        (vcalendar(vevent(TEN))[:-5], "truncated"),
        (b"BEGIN:VCALENDAR", "truncated"),
        (vcalendar(vevent(TEN)) + b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:x", "truncated"),
    ],
)
def test_a_file_that_is_not_a_calendar_or_is_truncated_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(NotACalendar, match=message):
        IcsCalendar(body)


def test_a_file_with_too_many_events_is_refused_and_not_truncated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expand, "MAX_OCCURRENCES", 100)
    assert len(occurrences(vevent(TEN, "RRULE:FREQ=HOURLY;COUNT=100"))) == 100
    with pytest.raises(LimitExceeded, match="more than 100 events"):
        occurrences(vevent(TEN, "RRULE:FREQ=HOURLY;COUNT=100"), vevent(TEN, uid="one more"))


def test_the_digest_ignores_the_time_at_which_a_server_wrote_the_file() -> None:
    body = vcalendar(vevent(TEN, "SUMMARY:A"))
    assert IcsCalendar(body).digest == IcsCalendar(body.replace(b"DTSTAMP:2026", b"DTSTAMP:2027")).digest
    assert IcsCalendar(body).digest != IcsCalendar(body.replace(b"SUMMARY:A", b"SUMMARY:B")).digest


def test_expansion_can_be_stopped_between_two_events() -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise InterruptedError

    file = IcsCalendar(vcalendar(*(vevent(TEN, uid=f"{number}") for number in range(10))))
    with pytest.raises(InterruptedError):
        file.expand(TIME_RANGE, BERLIN, OWNER, check)
    assert calls == 3


VALUES = st.one_of(
    st.sampled_from(
        ["20261201T100000Z", "20261201", "20261201T100000", "00010101", "99991231T235959Z", "PT1H", "-P1D"]
    ),
    st.sampled_from(["FREQ=DAILY;COUNT=3", "FREQ=WEEKLY;BYDAY=MO", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=1"]),
    st.sampled_from(["FREQ=MONTHLY;BYDAY=5FR;UNTIL=20270101", "FREQ=HOURLY;INTERVAL=0", "20261201T100000Z/PT1H", "1"]),
    st.text(max_size=20),
)
PARAMS = st.sampled_from(
    [
        "",
        ";VALUE=DATE",
        ";VALUE=PERIOD",
        ";TZID=Europe/Berlin",
        ";TZID=W. Europe Standard Time",
        ";TZID=\x01",
        ';CN="a',
        ";RANGE=THISANDFUTURE",
        ";PARTSTAT=x",
        ";=;",
    ]
)
NAMES = st.sampled_from([*sorted(EVENT_PROPERTIES), "BEGIN", "END", "X-FOO", ""])
LINES = st.tuples(NAMES, PARAMS, VALUES).map(lambda parts: f"{parts[0]}{parts[1]}:{parts[2]}")
EVENTS = st.builds(
    lambda starts, lines, uid: vevent(*starts, *lines, uid=uid),
    st.sampled_from([[TEN], ["DTSTART;VALUE=DATE:20261201"], ["DTSTART;TZID=Europe/Berlin:20261201T100000"], []]),
    st.lists(LINES, max_size=6),
    st.sampled_from(["a", "b", None]),
)


@settings(max_examples=300)
@given(st.lists(EVENTS, max_size=4), st.lists(LINES, max_size=3))
def test_the_events_of_any_file_fit_the_contract(events: list[str], properties: list[str]) -> None:
    file = IcsCalendar(vcalendar(*events, properties=properties))
    fixed = {"account_id": "a", "calendar_id": "ics", "created_at": NOW, "updated_at": NOW}
    calendar = {name: value for name, value in file.describe(OWNER)._asdict().items() if name in Calendar.model_fields}
    Calendar.model_validate({**calendar, **fixed})
    found = file.expand(TIME_RANGE, BERLIN, OWNER).events
    for event in found:
        fields = {name: value for name, value in event._asdict().items() if name in CalendarEvent.model_fields}
        CalendarEvent.model_validate_json(to_json({**fields, **fixed}))
        assert event.start_ts <= event.end_ts
        assert 1 <= len(event.event_id) <= 512
    assert len({event.event_id for event in found}) == len(found)


@settings(max_examples=300)
@given(st.lists(LINES, max_size=6))
def test_an_event_with_a_start_is_shown_or_reported_whatever_else_it_has(lines: list[str]) -> None:
    removing = ("BEGIN", "END", "STATUS", "EXDATE", "EXRULE", "X-MICROSOFT")
    found = expand_file(vcalendar(vevent(TEN, *(line for line in lines if not line.startswith(removing)))))
    assert found.events or found.problems


@settings(max_examples=200)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_read_as_a_calendar_or_refused(noise: bytes, framed: bool) -> None:
    body = b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n" + noise + b"\r\nEND:VCALENDAR" if framed else noise
    try:
        IcsCalendar(body).expand(TIME_RANGE, BERLIN, OWNER)
    except NotACalendar:
        assert not framed
