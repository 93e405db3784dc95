"""Work that cannot be compared, since it gets further or less far each time.

It was unfinished when a run ended, or raced with a request (see `races`).  What the messages say of it from then on,
also in later runs, is checked for form only, and so is everything created from it.  What had ended in the recording
must end, however it ends; work that a request stopped while it was running must end as stopped.
"""

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from pydantic_core import to_json

from sidecar.transcripts.file.format import Entry
from sidecar.transcripts.file.patterns import ids_in, names_any
from sidecar.transcripts.verify.findings import LOST, UNSTOPPED, Mismatch
from sidecar.transcripts.verify.work.received import ReceivedWork
from sidecar.transcripts.verify.work.recorded import RecordedWork
from sidecar.transcripts.verify.work.states import INTERRUPTED, STOPPED, State


class Unsettled:
    """The unsettled work of one transcript, by its recorded ids."""

    def __init__(self, recorded: RecordedWork, received: ReceivedWork) -> None:
        self._recorded = recorded
        self._received = received
        self.since: dict[str, int] = {}
        """Maps an id to the line after which messages that have it are not compared."""
        self._new: set[str] = set()
        """Received ids of things created from it that were not recorded."""
        self._stopped: set[str] = set()
        """The work that must end as stopped."""
        self._runs = 0
        self._unfinished: list[State] = []
        """The work that is live when the present run ends."""
        self._unfinished_end = math.inf
        """The line at which the present run ends, if work is unfinished then."""
        self._is_ending = False
        self.notes: list[str] = []
        """Sentences that name the work that is not compared."""

    def begin_run(self, entries: list[Entry]) -> None:
        """Marks the work that was unfinished at the end of a run, from the last notification about it on."""
        end = next((entry.line for entry in entries if entry.is_eof), entries[-1].line + 1 if entries else 0)
        self._runs += 1
        self._is_ending = False
        self._unfinished = self._recorded.live_at(end)
        self._unfinished_end = end if self._unfinished else math.inf
        told = {own: entry.line for entry in entries if entry.line < end for own in self._recorded.subjects(entry)}
        self.mark({one.id: told.get(one.id, end) for one in self._unfinished if one.id not in self.since})
        if self._unfinished:
            kinds = Counter(one.kind for one in self._unfinished)
            count = " and ".join(f"{count} {kind}{'s' * (count > 1)}" for kind, count in kinds.items())
            were, what = ("was", "it") if kinds.total() == 1 else ("were", "them")
            rest = f"what became of {what} is not compared"
            self.notes.append(f"{count} {were} unfinished when run {self._runs} ended: {rest}")

    def end_run(self) -> None:
        """Notes that stdin has ended: what comes now is about the unfinished work, if there is any."""
        self._is_ending = bool(self._unfinished)

    def spans(self) -> Iterator[tuple[str, int, float]]:
        """Yields (id as JSON, first line, infinity) for all work that is live when the run ends."""
        for state in self._unfinished:
            yield to_json(state.id).decode(), self._recorded.first_line(state.id), math.inf

    def mark(self, since: dict[str, int]) -> None:
        """Marks work as unsettled from a line on, with the entities that it works on or creates."""
        self.since |= since
        if not since:
            return
        first = self._recorded.first
        known = {own for own, _ in first}
        for (own, _), entry in first.items():
            if own in since:  # what it works on, such as its session
                named = known.intersection(ids_in(entry.message))
                self.since |= {one: min(since[own], self.since.get(one, since[own])) for one in named}
        for (own, _), entry in first.items():
            if own not in self.since:
                self._follow(own, entry, since)

    def _follow(self, own: str, first: Entry, since: dict[str, int]) -> None:
        """Marks everything created from unsettled work, or live when that became unsettled: a session's turn."""
        if self.is_recorded(first.message, first.line):
            self.since[own] = first.line - 1
        for one, line in since.items():
            state = self._recorded.state(own, line)
            if state is not None and state.is_live and names_any(first.message, [one]):
                self.since.setdefault(own, line)

    def mark_stopped(self, own: str, line: int) -> None:
        """Marks work that a request stops on its way as unsettled from a line on, and that it must end as stopped."""
        known = dict(self.since)
        self.mark({own: line})
        self._received.forget_stop(own)
        self._stopped |= {one for one, _ in self.since.items() - known.items()}

    def add_new(self, received_ids: list[str]) -> None:
        """Notes the ids of something created from unsettled work that was not recorded."""
        self._new.update(received_ids)

    def is_marked(self, own: str, line: int) -> bool:
        """Returns whether this work was unsettled before a line."""
        return self.since.get(own, line) < line

    def is_any(self, line: int) -> bool:
        """Returns whether anything was unsettled before a line."""
        return any(since < line for since in self.since.values())

    def is_recorded(self, message: Any, line: int) -> bool:
        """Returns whether a recorded message names work that is unsettled at its line."""
        return line > self._unfinished_end or names_any(message, self._marked_before(line))

    def is_about(self, message: Any) -> bool:
        """Returns whether a recorded message names work that is unsettled, or becomes so after it."""
        return names_any(message, self.since)

    def is_received(self, message: Any, line: float = math.inf) -> bool:
        """Returns whether a received message names work that is unsettled before a line, or something created from it.

        A notification may be ahead of its line.
        """
        ids = [self._received.received_id(own) for own in self._marked_before(line)]
        return self._is_ending or names_any(message, [*ids, *self._new])

    def is_new(self, message: Any) -> bool:
        """Returns whether a received message names something created from unsettled work that was not recorded."""
        return names_any(message, self._new)

    def _marked_before(self, line: float) -> list[str]:
        return [own for own, since in self.since.items() if since < line]

    def ended_before(self, line: int) -> Iterator[State]:
        """Yields the recorded ends of the unsettled work that had ended before a line."""
        for own in [*self.since]:  # what comes while these are waited for can add to them
            end = self._recorded.end_before(own, line)
            if end is not None and (end.status != INTERRUPTED or own in self._stopped):
                yield end

    def wrong_end(self, recorded: State, line: int) -> Mismatch | None:
        """Returns how work has not ended as it must, or None."""
        what, now = f"the {recorded.kind} {recorded.id}", self._received.state(recorded.id)
        if now is None or now.is_live:
            text = f"{what} has not ended; when it was recorded it had, as {recorded.status}"
            return Mismatch(line, text, kind=LOST)
        must_be_stopped = recorded.id in self._stopped and recorded.status in STOPPED
        if must_be_stopped and not self._received.has_stopped(recorded.id):
            text = f"{what} was not stopped but {now.status}; when it was recorded it was {recorded.status}"
            return Mismatch(line, text, kind=UNSTOPPED)
        return None
