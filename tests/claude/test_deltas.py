"""How pieces of text are gathered; the test turns the clock."""

from collections.abc import Callable

from sidecar.claude.deltas import GATHER_S, DeltaGatherer
from sidecar.claude.stream import Delta


class Timers:
    """A `call_later` that is fired by hand."""

    def __init__(self) -> None:
        self.waiting: list[tuple[float, Callable[[], object]]] = []

    def call_later(self, delay: float, callback: Callable[[], object]) -> None:
        self.waiting.append((delay, callback))

    def fire(self) -> None:
        due, self.waiting = self.waiting, []
        for _, callback in due:
            callback()


def test_pieces_within_a_moment_become_one_notification() -> None:
    timers, sent = Timers(), list[Delta]()
    gatherer = DeltaGatherer(sent.append, timers.call_later)
    for offset, text in enumerate("abc"):
        gatherer.add(Delta("m1", offset, text))
    assert (sent, [delay for delay, _ in timers.waiting]) == ([], [GATHER_S])
    timers.fire()
    gatherer.add(Delta("m1", 3, "d"))
    timers.fire()
    assert sent == [Delta("m1", 0, "abc"), Delta("m1", 3, "d")]


def test_no_timer_runs_while_nothing_is_pending() -> None:
    timers, sent = Timers(), list[Delta]()
    gatherer = DeltaGatherer(sent.append, timers.call_later)
    gatherer.add(Delta("m1", 0, "a"))
    gatherer.flush()
    timers.fire()
    assert (sent, timers.waiting) == ([Delta("m1", 0, "a")], [])


def test_messages_keep_their_order() -> None:
    timers, sent = Timers(), list[Delta]()
    gatherer = DeltaGatherer(sent.append, timers.call_later)
    gatherer.add(Delta("m1", 0, "a"))
    gatherer.add(Delta("m2", 0, "b"))
    gatherer.flush()
    assert sent == [Delta("m1", 0, "a"), Delta("m2", 0, "b")]
