"""Judges responses: which of their differences from the recorded ones count.

An answer shows states that work passes through by itself.  Which of them a request meets depends on time.
"""

from collections.abc import Callable
from typing import Any

from sidecar.transcripts.file.facts import normal_json
from sidecar.transcripts.file.format import Entry
from sidecar.transcripts.verify.compare import Comparison
from sidecar.transcripts.verify.difference import NOT_THERE, Difference
from sidecar.transcripts.verify.form import differences_of_form
from sidecar.transcripts.verify.methods import is_read
from sidecar.transcripts.verify.reads import Reads
from sidecar.transcripts.verify.work.states import states_in


class Responses:
    """The responses of one run."""

    def __init__(self, reads: Reads, comparison: Comparison) -> None:
        self._comparison = comparison
        self._contract = comparison.contract
        self._unsettled = comparison.unsettled
        self._reads = reads

    def compare(self, entry: Entry, recorded: Any, actual: Any, request: Any) -> tuple[Any, list[Difference]]:
        """Returns (merged, differences) for one response of an entry, which can be a batch."""
        method, line = request.get("method"), entry.line
        if self._comparison.is_exact:
            return self._comparison.response(recorded, actual, method)
        one, other = recorded, actual
        is_form = "error" not in actual and self._reads.is_part_of_log(request, recorded)
        if self._unsettled.is_any(line):
            one = _without(recorded, lambda value: self._unsettled.is_recorded(value, line))
            other = _without(actual, lambda value: self._unsettled.is_received(value, line))
            if self._unsettled.is_recorded([one, request], line) or self._unsettled.is_received(other, line):
                is_form = True
                self._comparison.response(one, other, method)  # binds the ids of what it creates
        if is_form:
            facts = self._contract.response(method).declared_member("result")
            return recorded, [*differences_of_form(actual.get("result"), facts, "result", [recorded.get("result")])]
        merged, differences = self._comparison.response(one, other, method)
        if self._reads.is_passing(line, recorded):
            kept = [found for found in differences if found.is_form]
        else:
            moving = set() if is_read(method) else self._moving(recorded, actual, method, line)
            kept = [
                found
                for found in differences
                if not (self._reads.is_by_chance(entry, recorded, found) or found.is_about(recorded, moving))
            ]
        return (merged if kept or not differences else recorded), kept

    def compare_batch(
        self, entry: Entry, actual: list[Any], requests: dict[bytes, Any]
    ) -> tuple[Any, list[Difference]]:
        """Returns (merged, differences) for the responses to a batch, which come in any order."""
        merged, differences = [], []
        by_id: dict[bytes, list[Any]] = {}
        for other in actual:
            by_id.setdefault(id_of(other), []).append(other)
        for one in entry.message:
            same = by_id.get(id_of(one))
            made, found = self.compare(entry, one, same.pop(0) if same else {}, requests.get(id_of(one), {}))
            merged.append(made)
            differences += found
        differences += [Difference("", NOT_THERE, other) for others in by_id.values() for other in others]
        return merged, differences

    def _moving(self, recorded: Any, actual: Any, method: Any, line: int) -> set[str]:
        """Returns the ids of the work in an answer of which the request may have met another state."""
        work, work_now = self._comparison.recorded_work, self._comparison.received_work
        then = {state.id: state for state in states_in(recorded, method, self._contract)}
        now = {state.id: state for state in states_in(actual, method, self._contract)}
        found = set()
        for own, state in then.items():
            before, before_now = work.state(own, line), work_now.state(own)
            same = now.get(work_now.received_id(own))
            is_other = before is None or before_now is None or before.status != before_now.status
            is_live = any(one is not None and one.is_live for one in (before, before_now))
            if is_live and (is_other or (same is not None and same.status == state.status)):
                found.add(own)
        return found


def id_of(message: Any) -> bytes:
    """Returns a message's id as JSON, 5.0 as 5: an invalid request may have any value there."""
    return normal_json(message.get("id"))


def _without(value: Any, names: Callable[[Any], bool]) -> Any:
    """Returns a value without the items of its lists that name something."""
    if type(value) is list:
        return [_without(one, names) for one in value if not names(one)]
    if type(value) is dict:
        return {name: _without(one, names) for name, one in value.items()}
    return value
