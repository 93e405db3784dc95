"""The event log: every durable notification, with its seq, in the transaction that made it true.

It is bounded; what falls out of the window can no longer be replayed, and whoever asks for it is told so.
"""

from typing import Final

from pydantic_core import to_json
from sidecar_protocol.contract import Encoded, Model, as_models, encode
from sidecar_protocol.events import EventPage, Events, LoggedEvent

from sidecar.clock import iso
from sidecar.storage.database import PAGE_BYTES, Database

LOG_ROWS: Final = 10_000
LOG_BYTES: Final = 64 * 1024 * 1024
LOG_MS: Final = 7 * 24 * 3600 * 1000
PRUNE_EVERY: Final = 256
"""Pruning at every insert would cost more than the rows that it keeps out."""
PRUNE_EVERY_BYTES: Final = LOG_BYTES // 4
"""By size it reads the whole log, so it is done when that may have grown by a quarter."""


class EventLog:
    """The table of durable notifications."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def epoch(self) -> str:
        """Which database this is."""
        row = self._database.row("SELECT value FROM database_facts WHERE name = 'epoch'")
        return str(row[0]) if row else ""

    def window(self) -> tuple[int, int]:
        """The oldest and the latest seq; (latest + 1, latest) where the log is empty."""
        oldest, latest = self._database.rows(
            "SELECT (SELECT min(seq) FROM event_log), (SELECT seq FROM sqlite_sequence WHERE name = 'event_log')"
        )[0]
        return (oldest if oldest is not None else (latest or 0) + 1), latest or 0

    def append(self, at: str, method: str, members: bytes) -> int:
        """Write one; gives its seq."""
        return self._database.execute(
            "INSERT INTO event_log (at, method, members) VALUES (?, ?, ?)", (at, method, members.decode())
        )

    def after(self, seq: int, limit: int) -> list[tuple[int, str, str, str]]:
        """Up to `limit` of those after `seq`: (seq, at, method, members)."""
        return self._database.rows(
            "SELECT seq, at, method, members FROM event_log WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)
        )

    def prune(self, now_ms: int, limit: int) -> int:
        """Forget those of the oldest `limit` events that are beyond the window, by number or age; how many."""
        return self._forget(max(0, self.window()[1] - LOG_ROWS), iso(now_ms - LOG_MS), limit)

    def prune_bytes(self, limit: int) -> int:
        """Forget those of the oldest `limit` events that the window has no room for; how many.  Reads the whole log."""
        row = self._database.row(
            """
            SELECT max(seq) FROM (SELECT seq, sum(length(members)) OVER (ORDER BY seq DESC) AS total FROM event_log)
            WHERE total > ?
            """,
            (LOG_BYTES,),
        )
        return self._forget((row[0] if row is not None else 0) or 0, "", limit)

    def _forget(self, up_to: int, before: str, limit: int) -> int:
        rows = self._database.rows(
            """
            DELETE FROM event_log WHERE seq IN (
                SELECT seq FROM (SELECT seq, at FROM event_log ORDER BY seq LIMIT ?) WHERE seq <= ? OR at < ?)
            RETURNING seq
            """,
            (limit, up_to, before),
        )
        return len(rows)


def logged_params(seq: int, at: str, members: bytes) -> bytes:
    """A durable notification's params as they are sent and replayed."""
    return b'{"seq":%d,"at":%s,%s}' % (seq, to_json(at), members)


class EventsService(Events):
    """`events.*`."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def replay(self, *, after_seq: int, limit: int = 500) -> EventPage:
        oldest, latest = self._log.window()
        events: list[Encoded[LoggedEvent]] = []
        size = 0
        for seq, at, method, members in self._log.after(after_seq, limit):
            params = logged_params(seq, at, members.encode())
            size += len(params)
            if events and size > PAGE_BYTES:
                break
            # `params` may be any JSON: its model says nothing about it.
            events.append(encode(LoggedEvent, method=method, params=Encoded(Model, params)))
        return encode(
            EventPage,
            events=as_models(events),
            latest_seq=latest,
            epoch=self._log.epoch(),
            truncated=after_seq + 1 < oldest,
        ).as_model()
