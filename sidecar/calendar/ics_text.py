"""An iCalendar file in pieces (RFC 5545 §3.4): the calendar's own lines, its time zones, its events.

The pieces are parsed one by one: a bad one costs nothing but itself, and no parser's regular expression runs over all
of a large file, during which the loop would stand still.
"""

from typing import NamedTuple


class NotACalendar(Exception):
    """The text is no iCalendar file, or was cut off.  The message goes on after "it"."""


class Pieces(NamedTuple):
    """Content lines, unfolded; of zones and events those between BEGIN and END."""

    calendar: list[str]
    zones: list[list[str]]
    events: list[list[str]]


def pieces_of(body: bytes) -> Pieces:
    """Take a file apart; several calendars in one file count as one.  Raises `NotACalendar`."""
    # Unfolded as bytes, since a fold may go through the middle of a character.
    lines = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n ", b"").replace(b"\n\t", b"")
    text = lines.decode("utf-8-sig", "replace").strip("\0\x1a \n")
    if text[:15].upper() != "BEGIN:VCALENDAR":
        raise NotACalendar("does not begin as an iCalendar file does")
    if text[-13:].upper() != "END:VCALENDAR":  # nothing else would tell a cut file from a short one
        raise NotACalendar("is cut off")
    pieces = Pieces([], [], [])
    into, left_out = pieces.calendar, ""
    for line in text.split("\n"):
        word, what = _mark(line)
        if left_out and what not in ("VEVENT", "VCALENDAR"):  # these end it too: its own END may be missing
            left_out = "" if (word, what) == ("END", left_out) else left_out
            continue
        left_out = ""
        if what in ("VEVENT", "VTIMEZONE", "VCALENDAR"):
            into = pieces.calendar
            if word == "BEGIN" and what != "VCALENDAR":
                into = []
                (pieces.events if what == "VEVENT" else pieces.zones).append(into)
        elif word == "BEGIN" and what not in ("STANDARD", "DAYLIGHT"):
            left_out = what  # an alarm, a task, and whatever else is no event
        elif line.strip():
            into.append(line)
    return pieces


def name_of(line: str) -> str:
    """The property that a content line sets."""
    return line.partition(":")[0].partition(";")[0].strip().upper()


def _mark(line: str) -> tuple[str, str]:
    """BEGIN or END, and of what; of any other line nothing."""
    word, _, what = line[:64].partition(":")
    word = word.strip().upper()
    return (word, what.strip().upper()) if word in ("BEGIN", "END") else ("", "")
