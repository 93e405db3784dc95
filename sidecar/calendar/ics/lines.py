"""Takes content lines of an iCalendar file apart (RFC 5545 §3.1)."""

import re
from typing import Final, NamedTuple

TIME_PROPERTIES: Final = frozenset({"DTSTART", "DTEND", "RECURRENCE-ID", "EXDATE", "RDATE"})
_LINE: Final = re.compile(r'\s*([A-Za-z0-9-]+)\s*((?:;(?:"[^"]*"|[^":])*)?):(.*)', re.DOTALL)
# The value begins at the colon before a date, since Outlook and others do not quote a TZID with colons, such as
# "tzone://Microsoft/Utc" or "(UTC+01:00) Berlin"; some write a colon before the parameters.
_TIME_LINE: Final = re.compile(r"\s*([A-Za-z-]+)\s*((?:[;:].*?)?)\s*:\s*(\d{4}-?\d\d-?\d\d.*)", re.DOTALL)
_MALFORMED_LINE: Final = re.compile(r"\s*([A-Za-z0-9-]+)()[;\s][^:]*:(.*)", re.DOTALL)  # an unclosed quote, for example
_PARAMETER: Final = re.compile(r'[;:]\s*([A-Za-z0-9-]+)\s*=\s*("[^"]*"|(?:(?![;:]\s*[A-Za-z0-9-]+\s*=).)*)')


class Property(NamedTuple):
    """A property: name and parameter names in upper case, parameters without quotes, the value as it is written."""

    name: str
    parameters: dict[str, str]
    value: str


def parse_line(line: str) -> Property:
    """Returns the property of a content line.  Raises `ValueError`."""
    match = None
    if property_name(line) in TIME_PROPERTIES:
        match = _TIME_LINE.fullmatch(" ".join(line.split()))  # a long run of blanks would take the pattern very long
    match = match or _LINE.fullmatch(line) or _MALFORMED_LINE.fullmatch(line)
    if match is None:
        raise ValueError(line[:100])
    name, parameters, value = match.groups()
    found = {key.upper(): text.strip().strip('"').strip() for key, text in reversed(_PARAMETER.findall(parameters))}
    return Property(name.upper(), found, value.strip())


def property_name(line: str) -> str:
    """Returns the name in upper case; it is arbitrary if the line is not a content line."""
    return line.partition(":")[0].partition(";")[0].strip().upper()
