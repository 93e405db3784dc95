"""Encodings, line ends, folds and blanks of calendar files."""

import pytest

from sidecar.calendar.ics.expand import IcsCalendar
from tests.calendar.ics.harness import BERLIN, OWNER, TIME_RANGE, expand, titled, vcalendar, vevent


def file(title: str) -> str:
    return vcalendar(vevent("DTSTART:20261201T100000Z", f"SUMMARY:{title}")).decode()


@pytest.mark.parametrize(
    ("title", "encoding", "charset"),
    [
        ("Grün", "utf-8", "iso-8859-1"),  # servers often state a default
        ("Grün", "iso-8859-1", "iso-8859-1"),
        ("Grün – „5 €“", "cp1252", None),
        ("Grün", "cp1252", "utf-8"),
        ("Grün", "cp1252", "no-such-charset"),
        ("Zażółć", "cp1250", "windows-1250"),
        ("会議", "shift_jis", "Shift_JIS"),
        ("会議", "iso-2022-jp", "iso-2022-jp"),
        ("会議", "utf-16", None),
        ("会議", "utf-8-sig", None),
    ],
)
def test_a_file_is_read_in_utf_8_in_the_servers_charset_or_in_windows_1252(
    title: str, encoding: str, charset: str | None
) -> None:
    found = IcsCalendar(file(title).encode(encoding), charset).expand(TIME_RANGE, BERLIN, OWNER)
    assert [event.title for event in found.events] == [title]


def test_one_line_in_another_encoding_does_not_spoil_the_others() -> None:
    body = vcalendar(
        vevent("DTSTART:20261201T100000Z", "SUMMARY:会議", uid="a"),
        vevent("DTSTART:20261202T100000Z", "SUMMARY:Grun", uid="b"),
    ).replace(b"Grun", b"Gr\xfcn")
    assert titled(expand(body=body)) == ["2026-12-01T10:00+00:00 会議", "2026-12-02T10:00+00:00 Grün"]


@pytest.mark.parametrize(
    ("raw", "title"),
    [
        ("Büro für Gr".encode() + b"\xc3", "Büro für Gr\ufffd"),  # cut within a character
        ("Zürich Caf".encode() + b"\xe9", "Zürich Caf\ufffd"),
        (b"Party \xed\xa0\xbd\xed\xb8\x80", "Party 😀"),  # two halves, each encoded by itself
        (b"Gr\xfcn und sch\xf6n", "Grün und schön"),
    ],
)
@pytest.mark.parametrize("charset", [None, "utf-8", "iso-8859-1"])
def test_a_damaged_character_does_not_spoil_the_others_of_its_line(raw: bytes, title: str, charset: str | None) -> None:
    body = vcalendar(vevent("DTSTART:20261201T100000Z", "SUMMARY:TITLE")).replace(b"TITLE", raw)
    found = IcsCalendar(body, charset).expand(TIME_RANGE, BERLIN, OWNER)
    assert [event.title for event in found.events] == [title]


@pytest.mark.parametrize("end", ["\r\r\n", "\r\r\r\n", "\r\n\r\n", "\n\n", "\n\r", "\n", "\r"])
def test_any_line_end_is_read(end: str) -> None:
    assert titled(expand(body=file("Tea").replace("\r\n", end).encode())) == ["2026-12-01T10:00+00:00 Tea"]


@pytest.mark.parametrize("fold", ["\r\n ", "\n\t", "\r\r\n ", "\r\n\r\n ", "\n\n\n\t", "\r\n \r\n "])
def test_folds_are_joined_even_with_empty_lines_within(fold: str) -> None:
    body = file("Tea and cake").replace("100000Z", f"10{fold}0000Z").replace("and", f"a{fold}nd").encode()
    assert titled(expand(body=body)) == ["2026-12-01T10:00+00:00 Tea and cake"]


def test_long_folded_uids_of_outlook_stay_different_with_any_line_end() -> None:
    head = "0400000082" + "0" * 58
    events = [vevent(f"DTSTART:2026120{day}T100000Z", uid=f"{head}\r\n 01000000{day}") for day in (1, 2)]
    for end in ("\r\n", "\r\r\n"):
        found = expand(body=vcalendar(*events).replace(b"\r\n", end.encode()))
        assert {event.event_id for event in found.events} == {f"{head}010000001", f"{head}010000002"}


def test_blanks_around_names_and_values_are_ignored() -> None:
    body = file("Tea").replace(":", ": ").replace("\r\n", " \r\n")
    found = expand(
        body=body.replace("SUMMARY: ", "DTEND :20261201T110000Z\t\r\nRRULE: FREQ=DAILY; COUNT=2\r\nSUMMARY: ").encode()
    )
    assert titled(found) == ["2026-12-01T10:00+00:00 Tea", "2026-12-02T10:00+00:00 Tea"]
    assert found.events[0].end_time == "2026-12-01T11:00:00+00:00"


def test_an_indented_file_is_not_taken_for_one_long_line() -> None:
    begin, *rest = file("Tea").split("\r\n")
    assert titled(expand(body="\r\n".join([begin, *(f"  {line}" for line in rest)]).encode())) == [
        "2026-12-01T10:00+00:00 Tea"
    ]
