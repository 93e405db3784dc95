"""The sync cursor: how far an account is synced, and what the next sync reads.  Stored as JSON in `sync_state`."""

from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel

from sidecar.clock import DAY_MS

HISTORY_MS: Final = 365 * DAY_MS
"""How far back the first sync reads."""
OVERLAP_MS: Final = 10 * 60 * 1000
"""How far each sync reads back: a site's search learns of a change seconds to minutes after it happened."""
LISTING_DELAY_MS: Final = 2 * 60 * 1000
"""How far the cursor stays behind the start of a sync, since the latest changes may not all be listed yet."""
DEEP_EVERY_MS: Final = DAY_MS
DEEP_MS: Final = 7 * DAY_MS
"""How far a deep sync, once a day, re-reads every object: this makes up for a search index that lagged longer."""
DEEP_SYNCS: Final = 7
"""How many deep syncs re-read a change at least: a computer that was off for weeks has none on most days."""


class SyncCursor(BaseModel):
    """How far an account is synced, in milliseconds since 1970 by the site's clock."""

    since_ms: int | None = None
    """Earlier events are left out; set by the first sync and never changed."""
    high_ms: int | None = None
    """All earlier changes are in the feed; None until the first sync has ended."""
    deep_ms: int = 0
    """When the last deep sync began."""
    recent_deep_ms: list[int] = []
    """When the last `DEEP_SYNCS` deep syncs began, the earliest first; only the first one within a day counts."""
    reset: bool = False
    """Everything stored must be deleted first: it was read with another scope or for another owner."""


@dataclass(frozen=True, slots=True)
class SyncWindow:
    """The range that one sync reads."""

    since_ms: int
    lower_ms: int
    """Objects changed since then are listed."""
    is_full: bool
    is_deep: bool
    """Whether unchanged objects are read again and deleted ones searched for.

    A first sync does not: objects that it finds stored are from an interrupted attempt.
    """


def sync_window(cursor: SyncCursor, now_ms: int, *, full: bool) -> SyncWindow:
    """Returns what to read; `now_ms` is the site's time."""
    since_ms = now_ms - HISTORY_MS if cursor.since_ms is None else cursor.since_ms
    if cursor.high_ms is None:
        return SyncWindow(since_ms, since_ms, is_full=True, is_deep=False)
    if full:
        return SyncWindow(since_ms, since_ms, is_full=True, is_deep=True)
    lower_ms = cursor.high_ms - OVERLAP_MS
    # One in the future began by a clock that was set back since: a site may send no time.
    is_deep = not 0 <= now_ms - cursor.deep_ms < DEEP_EVERY_MS
    if is_deep:
        lower_ms = min(lower_ms, now_ms - DEEP_MS, *cursor.recent_deep_ms)
    return SyncWindow(since_ms, lower_ms, is_full=False, is_deep=is_deep)


def advance_cursor(cursor: SyncCursor, window: SyncWindow, seen_ms: int | None, begun_ms: int) -> SyncCursor:
    """Returns the cursor after a sync that began at `begun_ms` and whose latest listed change was at `seen_ms`."""
    old_ms = window.since_ms if cursor.high_ms is None else cursor.high_ms
    new_ms = old_ms if seen_ms is None else max(old_ms, min(seen_ms, begun_ms - LISTING_DELAY_MS))
    deep_ms, recent = cursor.deep_ms, cursor.recent_deep_ms
    if window.is_deep or cursor.high_ms is None:
        deep_ms, recent = begun_ms, _with_deep(recent, begun_ms)
    return SyncCursor(since_ms=window.since_ms, high_ms=new_ms, deep_ms=deep_ms, recent_deep_ms=recent)


def _with_deep(recent_ms: list[int], begun_ms: int) -> list[int]:
    known = [one for one in recent_ms if one <= begun_ms]
    is_another_day = not known or begun_ms - known[-1] >= DEEP_EVERY_MS
    return [*known, begun_ms][-DEEP_SYNCS:] if is_another_day else known
