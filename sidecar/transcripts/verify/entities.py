"""Assigns notifications to recorded ones, entity by entity: a job, a session, an account, the queue.

The contract says what each notification is about (its `key`).  Within an entity the order is that of the recording, and
so is the number; independent entities interleave freely.
"""

from collections.abc import Iterable
from typing import Any, Final

from pydantic_core import to_json

from sidecar.transcripts.file.patterns import ids_in
from sidecar.transcripts.verify.compare import Comparison
from sidecar.transcripts.verify.difference import Difference
from sidecar.transcripts.verify.expected import Expectations, Expected
from sidecar.transcripts.verify.findings import ADDITIONAL, DOUBLED, GONE, LOST, SWAPPED, Mismatch
from sidecar.transcripts.verify.form import differences_of_form
from sidecar.transcripts.verify.reads import Reads

TOTAL: Final = "total"
"""The header's `order` of a transcript in which all durable notifications are one sequence."""
LOOK_AHEAD: Final = 50
"""How many notifications of an entity may be lost at one place."""

Key = tuple[tuple[str, Any], ...]


class Entity:
    """The recorded notifications of one entity."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.expected: list[Expected] = []
        self.has_begun = False
        self.received = 0
        self.unmatched: list[tuple[Any, int, str]] = []
        """(notification, line after which it came, kind) of those that equal no recorded one."""

    @property
    def is_any(self) -> bool:
        """Whether the recording has a pattern in place of an id."""
        return any(value is None and "." not in name and name != TOTAL for name, value in self.key)


class Entities:
    """The recorded notifications of one run, and the assignment of received ones."""

    def __init__(self, expected: Expectations, comparison: Comparison, reads: Reads, *, is_total: bool) -> None:
        self._comparison = comparison
        self._reads = reads
        self._contract = comparison.contract
        self._unsettled = comparison.unsettled
        self._resumption = comparison.resumption
        self._is_total = is_total
        self._by_key: dict[Any, Entity] = {}
        self._by_actual: dict[Any, Entity] = {}
        self.expected: dict[int, Expected] = {}
        """Those of the run by line."""
        self._additional: list[tuple[Any, Mismatch]] = []
        """Notifications that were not recorded, each with its mismatch."""
        self.misshapen: list[Mismatch] = []
        """Those about unsettled work that have not the form that the contract declares."""
        for entry in expected.entries:
            if entry.is_notification and self._contract.coalescing(entry.method) is None:
                key = self._key(entry.message)
                entity = self._by_key.setdefault(str(key), Entity(key))
                one = self.expected[entry.line] = expected.add(entry)
                one.is_done = entry.method not in self._contract.notifications  # so it cannot come
                entity.expected.append(one)

    def loosen(self) -> None:
        """Stops waiting for messages about unsettled work."""
        for one in self.expected.values():
            if one.actual is not None or one.is_loose:
                continue
            message = one.entry.message
            if self._resumption.is_recorded_again(message) or self._unsettled.is_recorded(message, one.entry.line):
                one.is_loose = one.is_done = True
                one.merged = one.entry.message

    def _key(self, message: Any) -> Key:
        if self._is_total:
            return ((TOTAL, None),)
        found = self._contract.entity(message)
        return tuple((name, value if type(value) is str else None) for name, value in found)

    def take(self, actual: Any, line: int) -> Expected | None:
        """Assigns a received notification; `line` is that of the last line that was sent or received before.

        Returns the recorded one that it equals, or None.
        """
        entity = self._entity_of(actual)
        if entity is None:
            self._add(actual, line)
            return None
        entity.has_begun = True
        if self._resumption.is_received_again(actual):
            again = (one for one in entity.expected if one.is_loose and one.actual is None)
            if (found_again := next((one for one in again if self._fits(one, actual)), None)) is not None:
                self._settle(found_again, actual)
            else:
                self._take_loosely(actual, line)
            return found_again
        expected = [one for one in entity.expected if not one.is_loose]
        position = max((index for index, one in enumerate(expected) if one.actual is not None), default=-1) + 1
        open_ = [index for index, one in enumerate(expected) if one.actual is None][:LOOK_AHEAD]
        found = next((index for index in open_ if self._fits(expected[index], actual)), None)
        may_be_loose = all(one.actual is not None for one in expected)
        if found is None and may_be_loose and self._take_loosely(actual, line):
            return None
        entity.received += 1
        for one in expected[: entity.received if found is None else max(found, entity.received)]:
            one.is_done = True  # as many have come, or its successor has: it can only come in the wrong order
        if found is None:
            before = (one for one in reversed(expected[:position]) if one.actual is not None)
            kind = DOUBLED if any(self._fits(one, actual) for one in before) else ADDITIONAL
            following = [expected[index].entry.line - 1 for index in open_ if index >= position]
            entity.unmatched.append((actual, min([line, *following]), kind))
            return None
        self._settle(expected[found], actual)
        if found < position:
            later = expected[position - 1].entry.method
            what = f"{self._name(expected[found].entry.message)} came after {later}, which was recorded later"
            expected[found].mismatch = Mismatch(expected[found].entry.line, what, kind=SWAPPED)
        return expected[found]

    def _take_loosely(self, actual: Any, line: int) -> bool:
        """Takes a notification if it is about unsettled work or sent again: only its form counts."""
        if not self._resumption.is_received_again(actual):
            if not self._unsettled.is_received(actual):
                return False
            self._unsettled.add_new(ids_in(self._contract.entity(actual)))
        facts = self._contract.notification(actual["method"]).declared_member("params")
        same = [one.entry.message["params"] for one in self.expected.values() if one.entry.method == actual["method"]]
        if differences := differences_of_form(actual["params"], facts, "params", same):
            recorded = self._comparison.to_recorded(actual)
            self.misshapen.append(Mismatch(line, self._name(recorded), recorded, recorded, differences))
        return True

    def made_by(self, actual: Any, recorded: Iterable[Expected]) -> Expected | None:
        """Returns the answer that must come first, since it creates the subject of a notification (G2)."""
        ids = [value for _, value in self._key(actual) if value is not None]
        if str(self._key(actual)) in self._by_actual or not ids:
            return None
        entity = self._entity_of(actual)
        if entity is None:
            return None
        first = entity.expected[0].entry.line
        names = [to_json(value) for _, value in entity.key if value is not None]
        for one in recorded:
            if one.entry.line < first and any(name in to_json(one.entry.message) for name in names):
                return one if one.actual is None and not one.is_done else None
        return None

    def settle_rest(self) -> None:
        """Compares what equals nothing with the missing ones of its method, at the end of the run."""
        for entity in self._by_key.values():
            for actual, line, kind in entity.unmatched:
                missing = (one for one in entity.expected if one.actual is None and not one.is_loose)
                same = next((one for one in missing if one.entry.method == actual["method"]), None)
                if kind == DOUBLED or same is None:
                    self._add(actual, line, kind)
                else:
                    self._settle(same, actual)
            entity.unmatched = []

    def _settle(self, expected: Expected, actual: Any) -> None:
        """Compares and binds a pair."""
        merged, differences = self._compared(expected, actual)
        expected.settle(self._name(expected.entry.message), actual, merged, differences)

    def _fits(self, expected: Expected, actual: Any) -> bool:
        is_same = expected.entry.method == actual["method"]
        return is_same and not self._comparison.trial(lambda: self._compared(expected, actual)[1], can_bind=False)

    def _compared(self, expected: Expected, actual: Any) -> tuple[Any, list[Difference]]:
        entry = expected.entry
        self._comparison.times.at(entry.t)
        merged, differences = self._comparison.notification(entry.message, actual)
        return merged, [one for one in differences if not self._reads.is_by_chance(entry, entry.message, one)]

    def _add(self, actual: Any, line: int, kind: str = ADDITIONAL) -> None:
        if self._take_loosely(actual, line):
            return
        text = "came twice" if kind == DOUBLED else "was received but not recorded"
        recorded = self._comparison.to_recorded(actual)
        is_known = any(one.entry.method == actual["method"] for one in self.expected.values())
        name = self._name(recorded) if is_known else actual["method"]
        self._additional.append((actual, Mismatch(line, f"{name} {text}", None, recorded, kind=kind)))

    @property
    def additional(self) -> list[Mismatch]:
        """Notifications that were not recorded, each with the line after which it came.

        Work can become unsettled after they have come, by a request that meets it in another state.
        """
        return [
            one for actual, one in self._additional if one.kind == DOUBLED or not self._unsettled.is_received(actual)
        ]

    def _entity_of(self, actual: Any) -> Entity | None:
        key = self._key(actual)
        if (known := self._by_actual.get(str(key))) is not None:
            return known
        recorded = self._by_key.get(str(tuple((name, self._comparison.to_recorded(value)) for name, value in key)))
        found = recorded or self._unknown([name for name, _ in key], actual)
        if found is not None:
            self._by_actual[str(key)] = found
        return found

    def _unknown(self, names: list[str], actual: Any) -> Entity | None:
        """Returns a recorded entity whose ids have not appeared: one that fits, or may have changed."""
        if self._resumption.is_received_again(actual) or self._unsettled.is_new(actual):
            return None  # its ids appeared in an earlier run, or were not recorded
        same = [
            one
            for one in self._by_key.values()
            if [name for name, _ in one.key] == names and (one.is_any or not one.has_begun)
        ]
        for one in same:
            following = [expected for expected in one.expected if expected.actual is None][:LOOK_AHEAD]
            if any(self._fits(expected, actual) for expected in following):
                return one
        if self._unsettled.is_received(actual):
            return None  # created from unsettled work, it need not have been when this was recorded
        bound = self._comparison.bindings.actual
        new = (one for one in same if not any(value in bound for _, value in one.key))
        found = next((one for one in new if one.expected[0].entry.method == actual["method"]), None)
        for (_, value), (_, other) in zip(found.key if found else (), self._key(actual), strict=False):
            self._comparison.bindings.bind(value, other)
        return found

    def _name(self, message: Any) -> str:
        about = ", ".join(f"{name} {value}" for name, value in self._key(message) if value is not None)
        return f"{message['method']}{' of ' if about else ''}{about}"

    def give_up(self, due: int, *, is_end: bool) -> None:
        """Reports those up to a line as lost that have not come; before the end, only those that may still come."""
        for one in self.expected.values():
            if one.actual is not None or one.mismatch is not None or one.is_loose:
                continue
            if one.entry.line <= due and (is_end or not one.is_done):
                one.give_up(self._name(one.entry.message))
                if one.entry.method not in self._contract.notifications:
                    one.mismatch = Mismatch(one.entry.line, f"{one.entry.method} is {GONE}", kind=LOST)

    def surely_additional(self, additional: list[Mismatch]) -> list[Mismatch]:
        """Returns those that an incomplete recording cannot just lack at its end."""
        last = max((one.entry.line for one in self.expected.values() if one.actual is not None), default=0)
        return [one for one in additional if one.kind == DOUBLED or one.line < last]
