"""One turn of the loop: what was written in it is committed once, then all that depends on that is sent.

Requests of one burst share a transaction, so that full durability costs a fraction of a disk flush each.
"""

import logging
import sqlite3
from collections.abc import Callable
from typing import Protocol

from sidecar.storage.database import Database

log = logging.getLogger(__name__)


class Settled(Protocol):
    """Something that waits for the turn's end; `failure` tells that its writes were undone."""

    def settle(self, failure: sqlite3.Error | None) -> None: ...


class UnitOfWork:
    """Ends each turn once, however many things asked for that."""

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self._call_soon = call_soon
        self._scheduled = False
        self._closed = False
        self._waiting: list[Callable[[sqlite3.Error | None], None]] = []
        self._database: Database | None = None
        self._parts: tuple[Settled, ...] = ()

    def connect(self, database: Database | None, *parts: Settled) -> None:
        """Name who is settled at a turn's end, in this order, and what is committed before, if anything is written."""
        self._database = database
        self._parts = parts

    def soon(self) -> None:
        """See to it that this turn ends: something was written or is to be sent."""
        if not self._scheduled:
            self._scheduled = True
            self._call_soon(self.end)

    def hold(self) -> None:
        """The caller will end this turn itself, after a burst: that saves an iteration of the loop."""
        self._scheduled = True

    def after(self, callback: Callable[[sqlite3.Error | None], None]) -> None:
        """Call back once this turn's writes are durable, or with why they are not."""
        self._waiting.append(callback)
        self.soon()

    def close(self) -> None:
        """No turn ends after this one: the database is about to be closed."""
        self._closed = True

    def end(self) -> None:
        """Commit, then answer, notify and write."""
        if self._closed:
            return
        self._scheduled = False
        failure: sqlite3.Error | None = None
        if self._database is not None:
            try:
                self._database.commit()
            except sqlite3.Error as error:
                log.exception("a turn's writes could not be committed")
                failure = error
        for part in self._parts:
            part.settle(failure)
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for callback in waiting:
                callback(failure)
