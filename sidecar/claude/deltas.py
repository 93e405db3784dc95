"""An answer's text on its way to the client: gathered for a moment, so that a word is not a notification.

The model writes about a hundred pieces a second; a screen needs twenty.
"""

from collections.abc import Callable
from typing import Any, Protocol

from sidecar.claude.stream import Delta

GATHER_S = 0.05


class CallLater(Protocol):
    """`asyncio.AbstractEventLoop.call_later`."""

    def __call__(self, delay: float, callback: Callable[[], object], /) -> Any: ...


class DeltaGatherer:
    """Joins the deltas of one message; a timer runs only while text is pending."""

    def __init__(self, emit: Callable[[Delta], None], call_later: CallLater) -> None:
        self._emit = emit
        self._call_later = call_later
        self._pending: list[Delta] = []
        self._timer_runs = False

    def add(self, delta: Delta) -> None:
        """Take a piece.  One of another message sends what is pending first, so that messages keep their order."""
        if self._pending and self._pending[0].message_id != delta.message_id:
            self.flush()
        self._pending.append(delta)
        if not self._timer_runs:
            self._timer_runs = True
            self._call_later(GATHER_S, self._on_timer)

    def flush(self) -> None:
        """Send what is pending now."""
        if self._pending:
            first = self._pending[0]
            text = "".join(delta.text for delta in self._pending)
            self._pending = []
            self._emit(Delta(first.message_id, first.offset, text))

    def _on_timer(self) -> None:
        self._timer_runs = False
        self.flush()
