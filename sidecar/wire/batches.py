"""The order in which the requests of a batch are served.

A batch is answered as a whole, so its slow requests delay the responses of the others, which no notification about what
they have made may precede.  Requests that do not wait are therefore served last, once the slow ones are answered
(JSON-RPC 2.0 leaves the order to the server, section 6): the notifications of their changes need not wait.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from sidecar_protocol.connection import Batch, Request
from sidecar_protocol.json_line import Id

serving: Final[ContextVar[Batch | None]] = ContextVar("serving", default=None)
"""The batch of the request that is being served: the batch's response precedes the notifications that it sends."""


class _Pending(NamedTuple):
    """A batch: its slow requests that are unanswered, and the requests served after them."""

    slow: set[Id]
    deferred: list[Callable[[], None]]


class BatchOrder:
    """Defers requests until the slow ones of their batch are answered."""

    def __init__(self) -> None:
        self._pending: WeakKeyDictionary[Batch, _Pending] = WeakKeyDictionary()

    def begin(self, batch: Batch, is_slow: Callable[[Request], bool]) -> None:
        """Call it before a request of the batch is served; `is_slow` is called once for each of them."""
        if batch not in self._pending:
            self._pending[batch] = _Pending({request.id for request in batch.requests if is_slow(request)}, [])

    def defer(self, batch: Batch, request_id: Id, serve: Callable[[], None]) -> bool:
        """Calls `serve` later, unless the batch has no slow request that is unanswered; returns whether it will.

        A request that was taken for slow is not deferred: what made it slow, an import, has ended meanwhile.
        """
        pending = self._pending[batch]
        is_deferred = bool(pending.slow) and request_id not in pending.slow
        if is_deferred:
            pending.deferred.append(serve)
        return is_deferred

    def on_answered(self, batch: Batch, request_id: Id) -> None:
        """Serves the deferred requests if this was the last slow one."""
        pending = self._pending[batch]
        if request_id in pending.slow:
            pending.slow.remove(request_id)
            if not pending.slow:
                for serve in pending.deferred:
                    serve()
