"""`activity.*`: the feed, as clients read it and as features write it."""

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from pydantic_core import to_json

from protocol.activity import Activity, ActivityChanged, ActivityEvent, ActivityPage
from protocol.contract import Notification, page
from sidecar.activity.store import ActivityFilter, ActivityStore, NewEvent
from sidecar.clock import Clock, iso
from sidecar.database import Database

LOCAL: Final = "local"
"""The account of what this machine did itself."""


class ActivityService(Activity):
    """The one feed."""

    def __init__(
        self, database: Database, store: ActivityStore, clock: Clock, notify: Callable[[Notification], None]
    ) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._notify = notify

    def record(
        self,
        *,
        event_id: str,
        source: str,
        event_type: str,
        account_id: str = LOCAL,
        title: str | None = None,
        description: str | None = None,
        url: str | None = None,
        actor: str | None = None,
        event_ms: int | None = None,
        raw: Mapping[str, object] | None = None,
    ) -> None:
        """Put one event into the feed, or bring it up to date, and tell the host.

        `event_id` is stable: the same thing never becomes two rows.  `event_ms`: milliseconds since 1970; None: now.
        """
        now = self._clock.now_ms()
        moment = now if event_ms is None else event_ms
        encoded = None if raw is None else to_json(raw, inf_nan_mode="null")
        event = NewEvent(
            event_id,
            source,
            account_id,
            event_type,
            iso(moment),
            moment // 1000,
            title,
            description,
            url,
            actor,
            encoded,
        )
        with self._database.write():
            stored, added = self._store.put(event, iso(now))
            self._notify(
                ActivityChanged(
                    source=source,
                    account_id=account_id,
                    added=int(added),
                    updated=int(not added),
                    removed=0,
                    events=[ActivityEvent.encoded(stored)],
                )
            )

    async def list_events(
        self,
        *,
        start: str | None = None,
        end: str | None = None,
        source: str | None = None,
        account_id: str | None = None,
        event_type: str | None = None,
        query: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> ActivityPage:
        wanted = ActivityFilter(_seconds(start), _seconds(end), source, account_id, event_type, query)
        events, next_cursor = self._store.page(wanted, limit, cursor)
        return ActivityPage.encoded(page("events", events, next_cursor))


def _seconds(moment: str | None) -> int | None:
    """Whole seconds since 1970, rounded up: `event_ts >= start` and `event_ts < end` then mean what they say."""
    return None if moment is None else math.ceil(datetime.fromisoformat(moment).timestamp())
