"""The work in a transcript: the states of jobs and sessions, and which of them its requests name.

All ids and lines are recorded ones.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

from pydantic_core import to_json

from sidecar.transcripts.file.facts import ContractFacts
from sidecar.transcripts.file.format import Entry
from sidecar.transcripts.file.patterns import ids_in, names_any
from sidecar.transcripts.verify.methods import is_read
from sidecar.transcripts.verify.work.resumption import Resumption
from sidecar.transcripts.verify.work.states import State, states_in


class RecordedWork:
    """The work in the runs that have been read, which are those up to the present one."""

    def __init__(self, contract: ContractFacts, resumption: Resumption) -> None:
        self._contract = contract
        self._resumption = resumption
        self._states: dict[str, list[tuple[int, State]]] = defaultdict(list)
        """Maps an id to its states, each with its line."""
        self._answers: dict[int, list[str]] = defaultdict(list)
        """Maps the line of a request to the ids of the work in its answer."""
        self._requests: dict[str, int] = {}
        """Maps an id to the line of the last request that names it and is no read."""
        self.first: dict[tuple[str, str], Entry] = {}
        """Maps (id, method) to the first notification of that method about that id."""
        self._work_on: dict[str, dict[str, None]] = defaultdict(dict)
        """Maps the id of an account or a schedule, for example, to the work whose first notifications name it."""

    def read(self, entries: list[Entry]) -> None:
        """Reads the next run, without the notifications that are of an earlier one."""
        requests: dict[bytes, tuple[Any, int]] = {}
        for entry in entries:
            for message in entry.objects:
                if entry.from_client:
                    requests[to_json(message.get("id"))] = message.get("method"), entry.line
                    named = () if is_read(message.get("method")) else ids_in(message.get("params"))
                    self._requests |= dict.fromkeys(named, entry.line)
                elif not self._resumption.is_recorded_again(message):
                    method, line = requests.get(to_json(message.get("id")), (None, 0))
                    for state in states_in(message, method, self._contract):
                        self._states[state.id].append((entry.line, state))
                        if line:
                            self._answers[line].append(state.id)
        for entry in entries:
            for own in self.subjects(entry):
                if self.first.setdefault((own, str(entry.method)), entry) is entry and own in self._states:
                    for one in ids_in(entry.message):
                        self._work_on[one][own] = None

    def subjects(self, entry: Entry) -> list[str]:
        """Returns the ids of what a notification is about, without those that are names."""
        return ids_in(self._contract.entity(entry.message)) if entry.is_notification else []

    def state(self, own: str, line: int) -> State | None:
        """Returns the last state of work before a line."""
        return next((state for _, state in self._backwards(own, line)), None)

    def _backwards(self, own: str, line: int) -> Iterator[tuple[int, State]]:
        """Yields (line, state) of the states of work before a line, from the last one on."""
        return ((at, state) for at, state in reversed(self._states.get(own, [])) if at < line)

    def first_line(self, own: str) -> int:
        """Returns the line that first shows a state of this work."""
        return self._states[own][0][0]

    def status_since(self, own: str, line: int) -> int:
        """Returns the line at which work got the status that it has before another line; 0 if it has none."""
        earlier = [*self._backwards(own, line)]
        same = takewhile(lambda one: one[1].status == earlier[0][1].status, earlier)
        return min((at for at, _ in same), default=0)

    def end_before(self, own: str, line: int) -> State | None:
        """Returns the state in which work had ended before a line.

        After a request that names it, work may have begun again although the recording does not say so yet.
        """
        at, state = next(self._backwards(own, line), (0, None))
        return None if state is None or state.is_live or self._requests.get(own, 0) >= at else state

    def live_at(self, line: int) -> list[State]:
        """Returns the states of all work that is live before a line."""
        return [state for own in self._states if (state := self.state(own, line)) is not None and state.is_live]

    def named_by(self, request: Any) -> list[str]:
        """Returns the ids in a request, and of the work on what it names: an account's syncs, a schedule's jobs."""
        ids = ids_in(request.get("params"))
        return [*ids, *(own for one in ids if one not in self._states for own in self._work_on.get(one, ()))]

    def live_for(self, entry: Entry) -> list[str]:
        """Returns the ids of the live work that a line of requests concerns, and of all that works on it.

        That is work which a request names, or which works on what it names, or which its answer shows.  Reads concern
        none.
        """
        requests = [] if is_read(entry.method) else entry.objects
        ids = [*(own for one in requests for own in self.named_by(one)), *self._answers.get(entry.line, ())]
        live = [one for one in ids if (state := self.state(one, entry.line)) is not None and state.is_live]
        return live and [*live, *(own for (own, _), first in self.first.items() if names_any(first.message, live))]
