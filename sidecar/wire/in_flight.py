"""Requests that wait: each runs as a task, can be cancelled, has a deadline, and may tell how far it is."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, Final

from sidecar_protocol.connection import Id, Request
from sidecar_protocol.contract import Model, RpcError
from sidecar_protocol.errors import Cancelled, Overloaded, ServerCancelled
from sidecar_protocol.meta import Meta

MAX_IN_FLIGHT: Final = 256
RETRY_AFTER_MS: Final = 200

Outcome = Model | None | BaseException
ReportProgress = Callable[[str, str | None, float | None], None]

_report: ContextVar[ReportProgress | None] = ContextVar("report", default=None)


def report_progress(message: str | None = None, fraction: float | None = None) -> None:
    """Tell the client how far the request that is being served is, if it asked to be told."""
    if (report := _report.get()) is not None:
        report("report", message, fraction)


class WaitingRequest:
    """One request whose handler has suspended."""

    def __init__(self, task: asyncio.Task[None], *, ends_the_process: bool) -> None:
        self._task = task
        self.ends_the_process = ends_the_process
        self.has_begun = False
        self.reason: RpcError | None = None
        self.deadline: asyncio.TimerHandle | None = None

    def give_up(self, reason: RpcError) -> None:
        """Cancel the handler; the first reason counts."""
        if self.reason is None:
            self.reason = reason
            if self.has_begun:  # a task that is cancelled before it begins never runs, and would answer nothing
                self._task.cancel()


class InFlightRequests:
    """All requests that wait, by id."""

    def __init__(
        self,
        answer: Callable[[Request, Outcome], None],
        progress: Callable[[Id, str, str | None, float | None], None],
        forget_progress: Callable[[Id], None],
    ) -> None:
        self._answer = answer
        self._progress = progress
        self._forget_progress = forget_progress
        self._waiting: dict[Id, WaitingRequest] = {}
        self._one_ended = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def start(self, request: Request, handler: Coroutine[Any, Any, Model | None], meta: Meta | None) -> None:
        """Run the handler; its outcome becomes the request's answer."""
        if len(self._waiting) >= MAX_IN_FLIGHT:
            handler.close()
            raise Overloaded(retry_after_ms=RETRY_AFTER_MS)
        loop = asyncio.get_running_loop()
        waiting = WaitingRequest(
            loop.create_task(self._serve(request, handler, meta)), ends_the_process=request.method == "shutdown"
        )
        self._waiting[request.id] = waiting
        if meta is not None and meta.timeout_ms is not None:
            expired = ServerCancelled("The request's deadline passed.")
            waiting.deadline = loop.call_later(meta.timeout_ms / 1000, waiting.give_up, expired)

    def cancel(self, request_id: Id) -> None:
        """The client gives a request up; one that is answered already stays so."""
        if (waiting := self._waiting.get(request_id)) is not None:
            waiting.give_up(Cancelled())

    async def drain(self, grace_s: float, unwind_s: float) -> int:
        """Let them end by themselves for a while, then give up those that have not; how many that were.

        `shutdown` is left alone: it waits for this.  Those given up get some time too, to stop what they started.
        """
        await self._until_ended(grace_s)
        others = self._others()
        for waiting in others:
            waiting.give_up(ServerCancelled("The sidecar is shutting down."))
        await self._until_ended(unwind_s)
        return len(others)

    async def _until_ended(self, limit_s: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limit_s
        while self._others():
            self._one_ended.clear()
            try:
                await asyncio.wait_for(self._one_ended.wait(), deadline - loop.time())
            except TimeoutError:
                return

    def _others(self) -> list[WaitingRequest]:
        return [waiting for waiting in self._waiting.values() if not waiting.ends_the_process]

    async def _serve(self, request: Request, handler: Coroutine[Any, Any, Model | None], meta: Meta | None) -> None:
        token = meta.progress_token if meta is not None else None
        if token is not None:
            _report.set(lambda kind, message, fraction: self._progress(token, kind, message, fraction))
            self._progress(token, "begin", None, None)
        waiting = self._waiting[request.id]
        waiting.has_begun = True
        if waiting.reason is not None:
            handler.close()
        outcome: Outcome
        try:
            outcome = waiting.reason or await handler
        except asyncio.CancelledError:
            outcome = waiting.reason or ServerCancelled()
        except Exception as error:  # noqa: BLE001 - handed to the dispatcher, the boundary where errors become answers
            outcome = error
        del self._waiting[request.id]
        if waiting.deadline is not None:
            waiting.deadline.cancel()
        if token is not None:
            self._forget_progress(token)
        self._one_ended.set()
        self._answer(request, outcome)
