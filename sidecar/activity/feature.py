"""The activity feature, composed."""

from collections.abc import Awaitable, Callable

from protocol.contract import Notification
from sidecar.activity.service import ActivityService
from sidecar.activity.store import ActivityStore
from sidecar.clock import Clock
from sidecar.database import Database


def activity_service(
    database: Database, clock: Clock, notify: Callable[[Notification], None], committed: Callable[[], Awaitable[None]]
) -> ActivityService:
    """The feed, over a store whose full-text index is there and right."""
    store = ActivityStore(database)
    store.index.prepare()
    return ActivityService(database, store, clock, notify, committed=committed)
