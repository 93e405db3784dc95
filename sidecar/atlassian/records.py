"""Where a sync writes: the tables and the feed that an account's past is spread over."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from sidecar.atlassian.objects import ObjectsStore
from sidecar.atlassian.store import AtlassianStore
from sidecar.atlassian.sync_cursor import Position, parse_position
from sidecar.clock import Clock
from sidecar.feed import Feed, Origin
from sidecar.job_handler import JobFailed
from sidecar.storage.database import Database
from sidecar.storage.sync_state import SyncState

FORGET_ROWS: Final = 2_000
"""Rows a step, some milliseconds each."""


@dataclass(frozen=True, slots=True)
class Records:
    """Where a sync writes."""

    database: Database
    accounts: AtlassianStore
    objects: ObjectsStore
    sync_state: SyncState
    feed: Feed
    clock: Clock
    committed: Callable[[], Awaitable[None]]

    def position(self, origin: Origin) -> Position:
        """Where the account's next sync begins."""
        return parse_position(self.sync_state.cursor(connector(origin)))

    def read_anew(self, origin: Origin) -> None:
        """Have the next sync forget what there is, and begin from the beginning."""
        self.sync_state.set(connector(origin), Position(reset=True).model_dump_json(), None)

    def begin_anew(self, origin: Origin) -> None:
        """Everything has been forgotten: from here on the position is that of a first sync."""
        self.sync_state.set(connector(origin), Position().model_dump_json(), None)

    async def forget(self, origin: Origin) -> None:
        """Forget all that was read for an account.  In steps; after a crash in between it is begun again."""
        await self.feed.remove_all(origin)
        while True:
            with self.database.write():
                gone = self.objects.drop_some(origin.account_id, FORGET_ROWS)
            await self.committed()
            if not gone:
                return


def connector(origin: Origin) -> str:
    """The account's name in `sync_state`."""
    return f"{origin.source}:{origin.account_id}"


def account_gone() -> JobFailed:
    """What a sync of an account that is being deleted, or is gone, comes to."""
    return JobFailed("The account was deleted.", kind="account_gone")
