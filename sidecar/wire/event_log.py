"""The event log: durable notifications with their sequence numbers, written in the transaction of the change itself.

It is bounded by number, age and size.  `events.replay` reports `truncated` if older events were asked for.
"""

from typing import Final

from pydantic_core import to_json
from sidecar_protocol.contract import Encoded, Model, as_models, encode
from sidecar_protocol.events import EventPage, Events, LoggedEvent

from sidecar.clock import DAY_MS, iso
from sidecar.storage.database import PAGE_BYTES, Database
from sidecar.storage.identity import epoch

LOG_ROWS: Final = 10_000
"""Maximum number of events; a client that missed more must fetch snapshots."""
LOG_BYTES: Final = 64 * 1024 * 1024
"""Maximum total size of the events' params, in bytes; bounds the file when single events are large."""
LOG_MS: Final = 7 * DAY_MS
"""Maximum age of an event in milliseconds; an app that was closed for longer must fetch snapshots."""
PRUNE_EVERY: Final = 256
"""Events between two prunings; pruning at every insert would cost more than the few extra rows."""
PRUNE_EVERY_BYTES: Final = LOG_BYTES // 4
"""Bytes between two prunings by size, which read the whole log."""


class EventLog:
    """The table of durable notifications."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._added = 0
        self._added_bytes = 0

    def epoch(self) -> str:
        """Returns the id of this database; sequence numbers are comparable only within one epoch."""
        return epoch(self._database.rows)

    def window(self) -> tuple[int, int]:
        """Returns the oldest and the latest `seq`, or (latest + 1, latest) if the log is empty."""
        oldest, latest = self._database.rows(
            "SELECT (SELECT min(seq) FROM event_log), (SELECT seq FROM sqlite_sequence WHERE name = 'event_log')"
        )[0]
        return (oldest if oldest is not None else (latest or 0) + 1), latest or 0

    def add(self, now_ms: int, method: str, params_fragment: bytes) -> None:
        self.append(iso(now_ms), method, params_fragment)
        self._added += 1
        self._added_bytes += len(params_fragment)
        if self._added % PRUNE_EVERY == 0:
            self.prune(now_ms, PRUNE_EVERY * 2)
        if self._added_bytes > PRUNE_EVERY_BYTES:
            self._added_bytes = 0
            self.prune_bytes(PRUNE_EVERY * 2)

    def append(self, at: str, method: str, params_fragment: bytes) -> int:
        """Writes an event and returns its `seq`; `params_fragment` is its params as JSON without the braces."""
        return self._database.execute(
            "INSERT INTO event_log (at, method, params_fragment) VALUES (?, ?, ?)",
            (at, method, params_fragment.decode()),
        )

    def after(self, seq: int, limit: int) -> list[tuple[int, str, str, str]]:
        """Returns up to `limit` events after `seq`: (seq, at, method, params_fragment)."""
        return self._database.rows(
            "SELECT seq, at, method, params_fragment FROM event_log WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)
        )

    def prune(self, now_ms: int, limit: int) -> int:
        """Deletes those of the oldest `limit` events that exceed LOG_ROWS or LOG_MS; returns how many."""
        return self._delete(max(0, self.window()[1] - LOG_ROWS), iso(now_ms - LOG_MS), limit)

    def prune_bytes(self, limit: int) -> int:
        """Deletes those of the oldest `limit` events that exceed LOG_BYTES; returns how many.  Reads the whole log."""
        row = self._database.row(
            """
            SELECT max(seq) FROM (
                SELECT seq, sum(length(params_fragment)) OVER (ORDER BY seq DESC) AS total FROM event_log)
            WHERE total > ?
            """,
            (LOG_BYTES,),
        )
        return self._delete((row[0] if row is not None else 0) or 0, "", limit)

    def _delete(self, up_to: int, before: str, limit: int) -> int:
        # Only up to the first event that is kept: if the clock was set back, a later one can have an earlier time, and
        # without it the log would have a gap that no client could notice.
        rows = self._database.rows(
            """
            DELETE FROM event_log WHERE seq IN (
                SELECT seq FROM (
                    SELECT seq, max(seq > ? AND at >= ?) OVER (ORDER BY seq) AS follows_kept
                    FROM (SELECT seq, at FROM event_log ORDER BY seq LIMIT ?))
                WHERE follows_kept = 0)
            RETURNING seq
            """,
            (up_to, before, limit),
        )
        return len(rows)


def logged_params(seq: int, at: str, params_fragment: bytes) -> bytes:
    """Returns a durable notification's params as JSON, as they are sent and replayed."""
    return b'{"seq":%d,"at":%s,%s}' % (seq, to_json(at), params_fragment)


class EventsService(Events):
    """Serves `events.replay`."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def replay(self, *, after_seq: int, limit: int = 500) -> EventPage:
        oldest, latest = self._log.window()
        events: list[Encoded[LoggedEvent]] = []
        size = 0
        for seq, at, method, params_fragment in self._log.after(after_seq, limit):
            params = logged_params(seq, at, params_fragment.encode())
            size += len(params)
            if events and size > PAGE_BYTES:
                break
            # `params` may be any JSON: its model does not describe it.
            events.append(encode(LoggedEvent, method=method, params=Encoded(Model, params)))
        return encode(
            EventPage,
            events=as_models(events),
            latest_seq=latest,
            epoch=self._log.epoch(),
            truncated=not oldest - 1 <= after_seq <= latest,
        ).as_model()
