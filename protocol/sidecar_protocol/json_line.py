"""One line of JSON as a peer sends it: its value, the reason why it cannot be read, and the id that it carries.

The reading is lenient where a value can be restored: a byte-order mark, and half of an emoji that JavaScript has cut.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic_core import from_json

MAX_ID_CHARS: Final = 128
MAX_ID: Final = 2**53 - 1
"""JavaScript's Number.MAX_SAFE_INTEGER."""
RECOVERY_BYTES: Final = 4096
"""Length of the beginning of an invalid line that is searched for its id."""
MAX_DEPTH: Final = 200
"""Levels of arrays and objects in a line; the parser accepts at least these."""
MAX_DIGITS: Final = 4_300
"""Digits of an integer."""
MAX_CONTAINERS: Final = 2_000_000
"""Objects and arrays in a line; brackets in texts count too.  Each takes 64 bytes of memory."""
_TOO_MANY: Final = f"The line has too many objects and arrays: at most {MAX_CONTAINERS:,} are accepted."
_LIMITS: Final = {
    "recursion limit exceeded": f"The line is nested too deep: at most {MAX_DEPTH} levels are accepted.",
    "number out of range": f"A number is too long: at most {MAX_DIGITS:,} digits are accepted.",
}
"""Messages for JSON that is valid but cannot be read, by the beginning of jiter's."""

Id = int | str
_BOM = b"\xef\xbb\xbf"
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)


class Unreadable(ValueError):
    """The line cannot be read.  The message has the reason, and does not quote the line."""


def read_json(line: bytes) -> Any:
    """Returns the value of a line.  Raises `Unreadable`, or `EOFError` if the line is blank."""
    line = line.removeprefix(_BOM)
    # A shorter line has no room for more.
    if len(line) > 2 * MAX_CONTAINERS and line.count(b"{") + line.count(b"[") > MAX_CONTAINERS:
        raise Unreadable(_TOO_MANY)
    try:
        return from_json(line, allow_inf_nan=False)
    except ValueError as error:
        if not line or line.isspace():
            raise EOFError from None
        message = _without_lone_surrogates(line)
        if message is None:
            reason = str(error).partition(" at line")[0]  # jiter's messages do not quote the input
            raise Unreadable(_LIMITS.get(reason, f"The line is not JSON: {reason}.")) from None
        return message


def recover_id(line: bytes) -> Id | None:
    """Returns the id of a message that is not valid JSON, searched in its first 4 KiB, or None.

    Everything before the id must be well-formed, since a wrong id would end an unrelated request.
    """
    head = line[:RECOVERY_BYTES].removeprefix(_BOM)
    key = b""
    for position, (token, end) in enumerate(_members(head)):
        match position % 4:
            case 0:
                key = token
            case 2 if key == b'"id"':
                is_whole = token.startswith(b'"') or end < len(head)
                return _id_of(token) if is_whole else None
            case 2 if token in b":,":
                return None
            case 1 | 3 if token != (b":" if position % 4 == 1 else b","):
                return None
    return None


def _members(head: bytes) -> Iterator[tuple[bytes, int]]:
    """Yields the tokens of the outermost object and their end offsets, a nested value as one, up to a syntax error."""
    closing, end = b"", 0
    for match in _TOKEN.finditer(head):
        token, gap = match.group(), head[end : match.start()]
        end = match.end()
        if gap.strip():  # an unterminated string
            return
        if token in b"{[":
            closing += b"}" if token == b"{" else b"]"
        elif token in b"}]":
            if not closing.endswith(token):
                return
            closing = closing[:-1]
        if not closing:  # the object has ended, or the line does not begin with one
            return
        if closing == b"}" and token not in b"{[":
            yield token, end


def _id_of(token: bytes) -> Id | None:
    try:
        value = from_json(token)
    except ValueError:
        return None
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if is_id(value) else None


def is_id(value: Any) -> bool:
    """Returns whether a value can be the id of a request; JavaScript must be able to represent it."""
    if type(value) is int:
        return -MAX_ID <= value <= MAX_ID
    return type(value) is str and len(value) <= MAX_ID_CHARS


def _without_lone_surrogates(line: bytes) -> Any:
    """Parses a line with lone surrogates replaced by U+FFFD; returns None if it is not JSON even then.

    JavaScript's JSON.stringify writes a lone surrogate for an emoji that was cut in two.  An id with one becomes None:
    the response could not repeat it.
    """
    if b"\\ud" not in line and b"\\uD" not in line:
        return None
    try:
        message, other = (
            from_json(_ESCAPE.sub(lambda m: mark if m.group(1) else m.group(), line), allow_inf_nan=False)  # noqa: B023
            for mark in (b"\\ufffd", b"\\ufffe")
        )
    except ValueError:
        return None
    for one, same in zip(message, other, strict=True) if type(message) is list else ((message, other),):
        if type(one) is dict and one.get("id") != same.get("id"):
            one["id"] = None
    return message
