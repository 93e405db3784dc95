"""Reading what Atlassian sent: never by faith, since fields come and go, and null is where a value was promised."""

import math
from datetime import UTC, datetime
from typing import Any, Final

YEAR_9999_MS: Final = 253_402_300_799_999


def dig(value: object, *path: str) -> Any:
    """What lies at the end of these names; None where something on the way is missing or no object."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def text(value: object, *path: str) -> str | None:
    """A text; a number counts as its digits, since ids come as both."""
    found = dig(value, *path)
    if isinstance(found, bool):
        return None
    if isinstance(found, int):
        return str(found)
    return found if isinstance(found, str) and found else None


def number(value: object, *path: str) -> int:
    """A whole number; 0 where there is none."""
    found = dig(value, *path)
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        return 0
    return int(found)


def items(value: object, *path: str) -> list[dict[str, Any]]:
    """The objects of a list."""
    found = dig(value, *path)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def moment(value: object, *path: str) -> int | None:
    """A time in milliseconds since 1970.

    Jira's changelog/bulkfetch sends such numbers where its description says text; everything else sends
    `2026-08-24T11:11:52.944+0000`.
    """
    found = dig(value, *path)
    if isinstance(found, bool):
        return None
    if isinstance(found, int | float):
        return round(found) if 0 <= found <= YEAR_9999_MS else None
    if not isinstance(found, str):
        return None
    try:
        at = datetime.fromisoformat(found)
        return round((at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
