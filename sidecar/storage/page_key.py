"""Cursors: where a page ended, as an opaque text that the next request brings back."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from pydantic_core import from_json, to_json
from sidecar_protocol.errors import InvalidCursor

Position = tuple[str | int, str]
"""The sort key of a page's last row: the column that sorts, and the id that breaks ties."""


def encode_cursor(position: Position) -> str:
    """The cursor after the row at `position`."""
    return urlsafe_b64encode(to_json(position)).decode().rstrip("=")


def decode_cursor(cursor: str, kind: type[str] | type[int]) -> Position:
    """The position in a cursor whose sorting column is of this kind.  Raises InvalidCursor."""
    try:
        position = from_json(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        raise InvalidCursor from None
    match position:
        case [key, str(tie)] if type(key) is kind and (kind is str or abs(int(key)) < 2**63):
            return key, tie
    raise InvalidCursor


def decode_list_cursor(cursor: str | None, list_id: str) -> int:
    """The number after which a page of an append-only list begins: 0 without a cursor.

    The cursor's second part is the id of the list (a job, a session).  Raises InvalidCursor for one of another list.
    """
    if cursor is None:
        return 0
    after, owner = decode_cursor(cursor, int)
    if owner != list_id:
        raise InvalidCursor
    return int(after)
