"""The unit of work: the writes of one event-loop iteration are committed together, before their results are sent."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from typing import Protocol

from sidecar.storage.database import Database

log = logging.getLogger(__name__)


class CommitListener(Protocol):
    """Called after every commit; `failure` is the error that rolled the writes back, or None."""

    def on_commit(self, failure: sqlite3.Error | None) -> None: ...


class UnitOfWork:
    """Commits once per loop iteration, however many requests for a commit were made in it."""

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self._call_soon = call_soon
        self._is_requested = False
        self._is_closed = False
        self._callbacks: list[Callable[[sqlite3.Error | None], None]] = []
        self._database: Database | None = None
        self._listeners: tuple[CommitListener, ...] = ()

    def connect(self, database: Database | None, *listeners: CommitListener) -> None:
        """Sets the database to commit, None if nothing is written, and who is called afterwards, in this order."""
        self._database = database
        self._listeners = listeners

    def request_commit(self) -> None:
        """Schedules a commit for this loop iteration: something was written or is ready to be sent."""
        if not self._is_requested:
            self._is_requested = True
            self._call_soon(self.commit)

    def begin(self) -> None:
        """Starts a burst: requests are ignored until the caller calls `commit`, which saves a loop iteration."""
        self._is_requested = True

    def after_commit(self, callback: Callable[[sqlite3.Error | None], None]) -> None:
        """Calls `callback` once after the next commit, with the error that rolled it back or None."""
        self._callbacks.append(callback)
        self.request_commit()

    async def committed(self) -> None:
        """Returns once everything written so far is durable.  Raises the commit's `sqlite3.Error`."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def on_commit(failure: sqlite3.Error | None) -> None:
            if not done.done():
                done.set_result(None) if failure is None else done.set_exception(failure)

        self.after_commit(on_commit)
        await done

    def close(self) -> None:
        self._is_closed = True

    def commit(self) -> None:
        """Commits the writes, then calls the listeners, which send responses and notifications."""
        if self._is_closed:
            return
        self._is_requested = False
        failure: sqlite3.Error | None = None
        if self._database is not None:
            try:
                self._database.commit()
            except sqlite3.Error as error:
                log.exception("commit failed; the writes were rolled back")
                failure = error
        for listener in self._listeners:
            listener.on_commit(failure)
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(failure)
