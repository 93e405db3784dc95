"""Reads of Jira's and Confluence's JSON, beyond those of `sidecar.json_reader`."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sidecar.clock import LATEST_MS
from sidecar.json_reader import get


def get_string(value: object, *path: str) -> str | None:
    """Returns a string, or None if it is empty; an integer as its digits, since ids arrive as both."""
    found = get(value, *path)
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    return found if isinstance(found, str) and found else None


def get_time_ms(value: object, *path: str) -> int | None:
    """Returns a time in milliseconds since 1970, or None if there is none, or none that the feed can hold.

    Jira's changelog/bulkfetch sends milliseconds where its description promises a string; everything else sends
    `2026-08-24T11:11:52.944+0000`.
    """
    found = get(value, *path)
    if isinstance(found, str):
        try:
            at = datetime.fromisoformat(found)
            found = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp() * 1000
        except (ValueError, OverflowError):
            return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        return None
    return round(found) if 0 <= found <= LATEST_MS else None


def by_id(objects: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Returns the objects that have an `id`, by it."""
    return {object_id: item for item in objects if (object_id := get_string(item, "id")) is not None}
