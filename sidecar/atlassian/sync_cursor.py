"""How far an account has got: what the next sync begins with.  Stored as JSON in `sync_state`."""

from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ValidationError

from sidecar.clock import DAY_MS

HISTORY_MS: Final = 365 * DAY_MS
"""How far back the first sync reads."""
OVERLAP_MS: Final = 10 * 60 * 1000
"""A site's search learns of a change some seconds to minutes after it happened."""
SETTLED_MS: Final = 2 * 60 * 1000
"""What happened this recently may not all have been listed, so the position stays behind it."""
DEEP_EVERY_MS: Final = DAY_MS
DEEP_MS: Final = 7 * DAY_MS
"""Once a day this much is read anew, listed change or not: a search that lagged longer than it should is healed."""


class Position(BaseModel):
    """Where an account's next sync begins, in milliseconds since 1970 by the site's clock."""

    since_ms: int | None = None
    """What happened before is left out; set by the first sync, for good."""
    high_ms: int | None = None
    """All that has changed before is in the feed; None: the first sync has not ended yet."""
    deep_ms: int = 0
    """When the last deep sync was."""
    reset: bool = False
    """All that is known is to be forgotten first: it was read with another scope, or for another owner."""


def parse_position(stored: str | None) -> Position:
    """The stored position; what cannot be read is the beginning."""
    if stored is None:
        return Position()
    try:
        return Position.model_validate_json(stored)
    except ValidationError:  # such as the old backend's
        return Position()


@dataclass(frozen=True, slots=True)
class Plan:
    """What one sync does."""

    since_ms: int
    lower_ms: int
    full: bool
    deep: bool
    """Whether things are read although the search says that they have not changed, and what was deleted is looked for.

    A first sync does not: what it finds read already, an earlier try has read before it was interrupted.
    """


def plan(position: Position, now_ms: int, *, full: bool) -> Plan:
    """What to do, `now_ms` being the site's time."""
    since_ms = now_ms - HISTORY_MS if position.since_ms is None else position.since_ms
    if position.high_ms is None:
        return Plan(since_ms, since_ms, full=True, deep=False)
    if full:
        return Plan(since_ms, since_ms, full=True, deep=True)
    lower_ms = position.high_ms - OVERLAP_MS
    deep = now_ms - position.deep_ms >= DEEP_EVERY_MS
    return Plan(since_ms, min(lower_ms, now_ms - DEEP_MS) if deep else lower_ms, full=False, deep=deep)


def advanced(position: Position, done: Plan, seen_ms: int | None, begun_ms: int) -> Position:
    """The position after a sync that began then, and whose latest listed change was at `seen_ms`."""
    old_ms = done.since_ms if position.high_ms is None else position.high_ms
    new_ms = old_ms if seen_ms is None else max(old_ms, min(seen_ms, begun_ms - SETTLED_MS))
    deep_ms = begun_ms if done.deep or position.high_ms is None else position.deep_ms
    return Position(since_ms=done.since_ms, high_ms=new_ms, deep_ms=deep_ms)
