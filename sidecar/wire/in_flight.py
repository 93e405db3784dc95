"""Requests in flight: each runs as a task, can be cancelled, has a deadline, and may report progress."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, Final

from sidecar_protocol.connection import Request
from sidecar_protocol.contract import Model, RpcError
from sidecar_protocol.errors import Cancelled, Overloaded, ServerCancelled
from sidecar_protocol.json_line import Id
from sidecar_protocol.meta import Meta

MAX_IN_FLIGHT: Final = 256
"""Requests served at once; more are refused with `overloaded`, so that a runaway client costs bounded memory.

As many can wait for the import of a feature; then reading pauses, as most of them are of methods that do not wait.
"""
ENDING: Final = "The sidecar is shutting down."
RETRY_AFTER_MS: Final = 200
"""Suggested delay before an overloaded request is retried, in milliseconds."""

HandlerOutcome = Model | None | BaseException
"""A handler's result, None if the method has no result, or the exception that it raised."""
ReportProgress = Callable[[str | None, float | None], None]

_report: ContextVar[ReportProgress | None] = ContextVar("report", default=None)


def report_progress(message: str | None = None, fraction: float | None = None) -> None:
    """Sends `$/progress` for the request that is being served, if the client passed a progress token."""
    if (report := _report.get()) is not None:
        report(message, fraction)


class InFlightRequest:
    """One request whose handler has not finished."""

    def __init__(self, request: Request, task: asyncio.Task[None]) -> None:
        self.request = request
        self.task = task
        self.is_shutdown = request.method == "shutdown"
        self.has_started = False
        self.cancel_reason: RpcError | None = None
        self.deadline: asyncio.TimerHandle | None = None

    def cancel(self, reason: RpcError) -> None:
        """Cancels the handler; the first reason becomes the response."""
        if self.cancel_reason is None:
            self.cancel_reason = reason
            if self.has_started:  # a task that is cancelled before it starts never runs, and would send no response
                self.task.cancel()


class InFlightRequests:
    """All requests in flight, by id."""

    def __init__(
        self,
        respond: Callable[[Request, HandlerOutcome], None],
        progress: Callable[[Id, str | None, float | None], None],
        discard_progress: Callable[[Id], None],
    ) -> None:
        self._respond = respond
        self._progress = progress
        self._discard_progress = discard_progress
        self._requests: dict[Id, InFlightRequest] = {}
        self._held: set[Id] = set()
        """Those that wait for an import; most of them will not wait for anything else."""

    def __len__(self) -> int:
        return len(self._requests)

    def has_room(self) -> bool:
        """Returns whether another request can be held."""
        return len(self._held) < MAX_IN_FLIGHT

    def hold(self, request: Request, handler: Coroutine[Any, Any, Model | None], meta: Meta | None) -> None:
        """Runs a handler that waits for an import first.  It does not count as in flight until it calls `admit`."""
        self._held.add(request.id)
        self._start(request, handler, meta)

    def admit(self, request: Request) -> None:
        """Counts a request that was held from now on.  Raises `Overloaded`."""
        self._require_room()
        self._held.discard(request.id)

    def start(self, request: Request, handler: Coroutine[Any, Any, Model | None], meta: Meta | None) -> None:
        """Runs the handler and responds with its outcome.  Raises `Overloaded`."""
        try:
            self._require_room()
        except Overloaded:
            handler.close()
            raise
        self._start(request, handler, meta)

    def _require_room(self) -> None:
        if len(self._requests) - len(self._held) >= MAX_IN_FLIGHT:
            raise Overloaded(retry_after_ms=RETRY_AFTER_MS)

    def _start(self, request: Request, handler: Coroutine[Any, Any, Model | None], meta: Meta | None) -> None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._serve(request, handler, meta))
        entry = self._requests[request.id] = InFlightRequest(request, task)
        if meta is not None and meta.timeout_ms is not None:
            expired = ServerCancelled("The request's deadline passed.")
            entry.deadline = loop.call_later(meta.timeout_ms / 1000, entry.cancel, expired)

    def cancel(self, request_id: Id) -> None:
        if (entry := self._requests.get(request_id)) is not None:
            entry.cancel(Cancelled())

    async def drain(self, grace_s: float, cancel_s: float) -> int:
        """Waits `grace_s` seconds for requests to finish, then cancels the rest; returns how many were cancelled.

        Cancelled handlers get up to `cancel_s` seconds to clean up.  `shutdown` is left alone: it waits for this.
        """
        await self._wait_until_finished(grace_s)
        others = self._others()
        for entry in others:
            entry.cancel(ServerCancelled(ENDING))
        await self._wait_until_finished(cancel_s)
        return len(others)

    def abandon(self) -> None:
        """Answers the requests whose handlers have not ended: the process ends, and does not wait for them any more."""
        requests, self._requests = self._requests, {}
        for entry in requests.values():
            self._respond(entry.request, entry.cancel_reason or ServerCancelled(ENDING))

    async def _wait_until_finished(self, timeout_s: float) -> None:
        if tasks := [entry.task for entry in self._others()]:
            await asyncio.wait(tasks, timeout=timeout_s)

    def _others(self) -> list[InFlightRequest]:
        return [entry for entry in self._requests.values() if not entry.is_shutdown]

    async def _serve(self, request: Request, handler: Coroutine[Any, Any, Model | None], meta: Meta | None) -> None:
        token = meta.progress_token if meta is not None else None
        if token is not None:
            _report.set(lambda message, fraction: self._progress(token, message, fraction))
        entry = self._requests[request.id]
        entry.has_started = True
        if entry.cancel_reason is not None:
            handler.close()
        outcome: HandlerOutcome
        try:
            outcome = entry.cancel_reason or await handler
        except asyncio.CancelledError:
            outcome = entry.cancel_reason or ServerCancelled()
        except Exception as error:  # noqa: BLE001 - passed to the dispatcher, which turns errors into responses
            outcome = error
        if self._requests.pop(request.id, None) is None:
            return  # it was abandoned
        self._held.discard(request.id)
        if entry.deadline is not None:
            entry.deadline.cancel()
        if token is not None:
            self._discard_progress(token)
        self._respond(request, outcome)
