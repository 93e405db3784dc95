"""What cannot be compared: work that was unfinished when a run ended, or that a request met in another state.

Such work gets further or less far each time.  What the messages say of it from then on, also in later runs, is checked
for form only, and so is what was created from it.  What had ended in the recording must end, however it ends.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from pydantic_core import to_json

from sidecar.transcripts.file.facts import ContractFacts, Facts
from sidecar.transcripts.file.format import Entry, Run
from sidecar.transcripts.file.patterns import SHAPES
from sidecar.transcripts.verify.compare import NOT_THERE, Bindings, Difference
from sidecar.transcripts.verify.states import State, states

_ID: Final = re.compile(SHAPES["uuid"])


class Unsettled:
    """The unsettled work of one file, by its recorded ids."""

    def __init__(self, contract: ContractFacts, bindings: Bindings) -> None:
        self._contract = contract
        self._bindings = bindings
        self._since: dict[str, int] = {}
        """Maps an id to the line after which messages that have it are not compared."""
        self._new: set[str] = set()
        """Received ids of what was created from it and not recorded."""
        self._recorded: dict[str, list[tuple[int, State]]] = defaultdict(list)
        self.now: dict[str, State] = {}
        """The last received states by received id."""
        self._entries: list[Entry] = []
        self.unfinished_end: int | None = None
        """The line at which the present run ends, if work is unfinished then."""
        self.notes: list[str] = []
        """What is not compared, in words."""

    def begin_run(self, number: int, run: Run) -> None:
        """Takes the next run of the file; `number` counts from 1."""
        _, entries = run
        methods: dict[bytes, Any] = {}
        for entry in entries:
            for message in entry.messages:
                if entry.from_client and type(message) is dict:
                    methods[to_json(message.get("id"))] = message.get("method")
                elif type(message) is dict:
                    for state in self._states(message, methods.get(to_json(message.get("id")))):
                        self._recorded[state.id].append((entry.line, state))
        self._entries += entries
        end = next((entry.line for entry in entries if entry.is_eof), entries[-1].line + 1 if entries else 0)
        unfinished = [found for one in self._recorded if (found := self.before(one, end)) and found.is_live]
        self.unfinished_end = end if unfinished else None
        told = {one: entry.line for entry in entries if entry.line < end for one in self._about(entry)}
        self.mark({one.id: told.get(one.id, end) for one in unfinished if one.id not in self._since})
        if unfinished:
            kinds = Counter(one.kind for one in unfinished)
            count = " and ".join(f"{count} {kind}{'s' * (count > 1)}" for kind, count in kinds.items())
            were = "was" if kinds.total() == 1 else "were"
            rest = "what became of them is not compared" if kinds.total() > 1 else "what became of it is not compared"
            self.notes.append(f"{count} {were} unfinished when run {number} ended: {rest}")

    def _states(self, message: Any, method: Any) -> Iterator[State]:
        name = message.get("method")
        return states(message, self._contract.notification(name) if name else self._contract.response(method))

    def _about(self, entry: Entry) -> list[str]:
        """Returns the ids of what a notification is about, without those that are names."""
        if not entry.is_notification:
            return []
        return [one for _, value in self._contract.entity(entry.message) for one in _ID.findall(str(value))]

    def before(self, recorded_id: str, line: int) -> State | None:
        """Returns the last recorded state before a line."""
        return next((state for at, state in reversed(self._recorded.get(recorded_id, [])) if at < line), None)

    def see(self, message: Any, method: Any) -> None:
        """Notes the states in a received message; `method` is that of the request that it answers."""
        for state in self._states(message, method):
            self.now[state.id] = state

    def actual(self, recorded_id: str) -> str:
        return str(self._bindings.actual.get(recorded_id, recorded_id))

    def mark(self, since: dict[str, int]) -> None:
        """Marks work as unsettled from a line on, with what it works on and what is created from it."""
        self._since |= since
        if not since:
            return
        first: dict[tuple[str, str], Entry] = {}
        for entry in self._entries:
            for one in self._about(entry):
                first.setdefault((one, str(entry.method)), entry)
        for (own, _), entry in first.items():
            if own in since:  # what it works on, such as its session
                for one in _ID.findall(to_json(entry.message).decode()):
                    if any(one == other for other, _ in first):
                        self._since.setdefault(one, since[own])
        for (own, _), entry in first.items():
            if self.is_recorded(entry.message, entry.line):
                self._since.setdefault(own, entry.line - 1)

    def is_recorded(self, message: Any, line: int) -> bool:
        """Returns whether a recorded message names what is unsettled at its line."""
        ids = [one for one, since in self._since.items() if since < line]
        return bool(ids) and self._names(message, ids)

    def is_received(self, message: Any) -> bool:
        """Returns whether a received message names what is unsettled, or was created from it."""
        return bool(self._since) and self._names(message, [*map(self.actual, self._since), *self._new])

    def _names(self, message: Any, ids: Iterable[str]) -> bool:
        text = to_json(message).decode()
        return any(one in text for one in ids)

    def add(self, message: Any) -> None:
        """Notes that a received notification about something new names what is unsettled."""
        self._new |= {one for _, value in self._contract.entity(message) for one in _ID.findall(str(value))}

    def without(self, message: Any, names: Callable[[Any], bool]) -> Any:
        """Returns a message without the items of its lists that name what is unsettled."""
        if type(message) is list:
            return [self.without(one, names) for one in message if not names(one)]
        if type(message) is dict:
            return {name: self.without(one, names) for name, one in message.items()}
        return message

    def ended_before(self, line: int) -> Iterator[State]:
        """Yields the last recorded state of what is unsettled and had ended before a line."""
        for one in self._since:
            state = self.before(one, line)
            if state is not None and not state.is_live:
                yield state

    def has_ended(self, recorded: State) -> bool:
        """Returns whether what had ended when it was recorded has ended now, in whatever way."""
        now = self.now.get(self.actual(recorded.id))
        return now is not None and not now.is_live


def differences_of_form(value: Any, facts: Facts, path: str) -> Iterator[Difference]:
    """Yields the members that the contract declares and a value lacks, and those that it does not declare."""
    if type(value) is list:
        for index, one in enumerate(value):
            yield from differences_of_form(one, facts.item(), f"{path}[{index}]")
    if type(value) is not dict or not facts.members:
        return
    for name in facts.required - value.keys():
        yield Difference(f"{path}.{name}", "a member", NOT_THERE, is_form=True)
    for name, one in value.items():
        if name in facts.members:
            yield from differences_of_form(one, facts.member(value, name), f"{path}.{name}")
        elif not facts.is_mapping:
            yield Difference(f"{path}.{name}", NOT_THERE, one, is_form=True)
