"""Typed reads of JSON that another program or service sent.

The getters follow a path of member names.  None raises: a missing member, a null and a value of another type all
give the default, since vendors add, drop and null fields without notice.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import from_json

MAX_COUNT: Final = 2**53
"""Larger integers lose digits in JavaScript."""
_ESCAPES: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
"""The escapes of a JSON text, with half a surrogate pair as the group."""
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_json(body: bytes) -> Any:
    """Parses JSON that others wrote.  Half a surrogate pair, such as half an emoji, becomes U+FFFD.

    Raises `ValueError` if it is not JSON or is nested more than several hundred levels deep.
    """
    try:
        return from_json(body)
    except ValueError:  # the fast parser also refuses halves of pairs, and more than 200 levels
        pass
    try:
        return json.loads(without_halves(body).decode("utf-8-sig", "replace"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def without_halves(body: bytes) -> bytes:
    """Returns a JSON text in which U+FFFD replaces each half of a surrogate pair."""
    if _SURROGATE.search(body) is None:
        return body
    return _ESCAPES.sub(lambda found: rb"\ufffd" if found[1] else found[0], body)


def parse_object(text: str | bytes) -> dict[str, Any] | None:
    """Parses a JSON object.  Returns None if the text is not JSON or another value.

    Bytes that are not UTF-8 become U+FFFD; halves of surrogate pairs are kept.
    """
    try:
        value = json.loads(text if isinstance(text, str) else text.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def get(value: object, *path: str) -> Any:
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def get_object(value: object, *path: str) -> Mapping[str, Any]:
    found = get(value, *path)
    return found if isinstance(found, dict) else {}


def get_objects(value: object, *path: str) -> list[dict[str, Any]]:
    """Returns the objects of an array; its other items are left out."""
    found = get(value, *path)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def get_text(value: object, *path: str) -> str | None:
    found = get(value, *path)
    return found if isinstance(found, str) else None


def get_number(value: object, *path: str) -> float | None:
    found = get(value, *path)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    try:
        return float(found) if math.isfinite(found) else None
    except OverflowError:  # an integer beyond the range of a double
        return None


def get_count(value: object, *path: str) -> int | None:
    """Returns a number from 0 to `MAX_COUNT`, without its fraction."""
    number = get_number(value, *path)
    return int(number) if number is not None and 0 <= number < MAX_COUNT else None
