"""Assigns notifications to recorded ones, entity by entity: a job, a session, an account, the queue.

The contract says what each notification is about (its `key`).  Within an entity the order is that of the recording, and
so is the number; independent entities interleave freely.
"""

from collections.abc import Callable
from typing import Any, Final

from sidecar.transcripts.file.format import Entry
from sidecar.transcripts.verify.compare import Comparison
from sidecar.transcripts.verify.findings import ADDITIONAL, DOUBLED, LOST, SWAPPED, Mismatch

TOTAL: Final = "total"
"""The header's `order` of a transcript in which all durable notifications are one sequence."""
LOOK_AHEAD: Final = 50
"""How many notifications of an entity may be lost at one place."""

Key = tuple[tuple[str, Any], ...]


class Expected:
    """A recorded notification or response, and what came for it."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.is_done = False
        """Whether it need not be waited for: it came, or it can no longer come."""
        self.actual: Any = None
        self.merged: Any = None
        self.mismatch: Mismatch | None = None


class Entity:
    """The recorded notifications of one entity."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.expected: list[Expected] = []
        self.has_begun = False

    @property
    def is_any(self) -> bool:
        """Whether the recording has a pattern in place of an id."""
        return any(value is None and "." not in name and name != TOTAL for name, value in self.key)


class Entities:
    """The recorded notifications of one run, and the assignment of received ones."""

    def __init__(self, entries: list[Entry], comparison: Comparison, *, is_total: bool) -> None:
        self._comparison = comparison
        self._schemas = comparison.schemas
        self._is_total = is_total
        self._by_key: dict[Any, Entity] = {}
        self._by_actual: dict[Any, Entity] = {}
        self.expected: dict[int, Expected] = {}
        """By line."""
        self.mismatches: list[Mismatch] = []
        self.additional: list[tuple[int, Any, Mismatch]] = []
        """(line after which it came, the notification as if recorded, the mismatch) of those that were not recorded."""
        for entry in entries:
            if entry.is_notification and self._schemas.coalescing(entry.method) is None:
                key = self._key(entry.message)
                entity = self._by_key.setdefault(str(key), Entity(key))
                expected = self.expected[entry.line] = Expected(entry)
                entity.expected.append(expected)

    def _key(self, message: Any) -> Key:
        if self._is_total:
            return ((TOTAL, None),)
        found = self._schemas.entity(message.get("method"), message.get("params"))
        return tuple((name, value if type(value) is str else None) for name, value in found)

    def take(self, actual: Any, line: int) -> Expected | None:
        """Assigns a received notification; `line` is that of the last line that was sent or received before."""
        entity = self._entity_of(actual)
        if entity is None:
            self._add(entity, actual, line, ADDITIONAL)
            return None
        entity.has_begun = True
        done = [index for index, one in enumerate(entity.expected) if one.actual is not None]
        position = done[-1] + 1 if done else 0
        open_ = [one for one in entity.expected if one.actual is None or one.mismatch is not None]
        found = next((one for one in open_[:LOOK_AHEAD] if self._fits(one, actual)), None)
        if found is None:
            return self._take_other(entity, position, actual, line)
        if found.mismatch is not None and found.actual is not None:  # another one was taken for it
            other, found.mismatch = found.actual, None
            self._settle(found, actual)
            self._add(entity, other, line, ADDITIONAL)
            return found
        index = entity.expected.index(found)
        self._settle(found, actual)
        if index < position:
            later = entity.expected[position - 1].entry.method
            what = f"{self._what(found)} came after {later}, which was recorded later"
            found.mismatch = Mismatch(found.entry.line, what, kind=SWAPPED)
        for one in entity.expected[:index]:
            one.is_done = True  # its successor has come: it can only come in the wrong order
        return found

    def _take_other(self, entity: Entity, position: int, actual: Any, line: int) -> Expected | None:
        """Takes one that equals none of those that are missing."""
        before = (one for one in reversed(entity.expected[:position]) if one.actual is not None)
        if any(self._fits(one, actual) for one in before):
            self._add(entity, actual, line, DOUBLED)
            return None
        is_same = (one for one in entity.expected[position:] if one.entry.method == actual["method"])
        found = next(is_same, None)
        if found is None:
            self._add(entity, actual, line, ADDITIONAL)
            return None
        self._settle(found, actual)
        return found

    def _settle(self, expected: Expected, actual: Any) -> None:
        """Compares and binds a pair."""
        self._comparison.times.at(expected.entry.t)
        merged, differences = self._comparison.notification(expected.entry.message, actual)
        expected.actual, expected.merged, expected.is_done = actual, merged, True
        if differences:
            expected.mismatch = Mismatch(
                expected.entry.line, self._what(expected), expected.entry.message, merged, tuple(differences)
            )

    def _fits(self, expected: Expected, actual: Any) -> bool:
        self._comparison.times.at(expected.entry.t)
        return self._comparison.fits(expected.entry.message, actual)

    def _add(self, entity: Entity | None, actual: Any, line: int, kind: str) -> None:
        text = "came twice" if kind == DOUBLED else "was received but not recorded"
        following = [] if entity is None else [one.entry.line for one in entity.expected if one.actual is None]
        line = min([line, *(one - 1 for one in following)])
        recorded = self._comparison.to_recorded(actual)
        about = ", ".join(f"{name} {value}" for name, value in self._key(recorded) if value is not None)
        what = f"{actual['method']}{' of ' if about else ''}{about} {text}"
        self.additional.append((line, recorded, Mismatch(line, what, None, recorded, kind=kind)))

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
        same = [
            one
            for one in self._by_key.values()
            if [name for name, _ in one.key] == names and (one.is_any or not one.has_begun)
        ]
        for one in same:
            following = [expected for expected in one.expected if expected.actual is None][:LOOK_AHEAD]
            if any(self._fits(expected, actual) for expected in following):
                return one
        bound = self._comparison.bindings.actual
        new = (one for one in same if not any(value in bound for _, value in one.key))
        return next((one for one in new if one.expected[0].entry.method == actual["method"]), None)

    def _what(self, expected: Expected) -> str:
        key = self._key(expected.entry.message)
        about = ", ".join(f"{name} {value}" for name, value in key if value is not None)
        return f"{expected.entry.method}{' of ' if about else ''}{about}"

    def give_up(self, is_due: Callable[[Expected], bool], reason: str) -> list[Expected]:
        """Reports those that are due and have not come as lost."""
        lost = [one for one in self.expected.values() if one.actual is None and one.mismatch is None and is_due(one)]
        for one in lost:
            one.is_done = True
            what = f"{self._what(one)} was lost: {reason}"
            one.mismatch = Mismatch(one.entry.line, what, one.entry.message, None, kind=LOST)
        return lost

    def found(self, *, with_additional: bool) -> list[Mismatch]:
        """Returns all mismatches; additional ones at the end of an incomplete recording may be those it lacks."""
        mismatches = [one.mismatch for one in self.expected.values() if one.mismatch is not None]
        last = max((one.entry.line for one in self.expected.values() if one.actual is not None), default=0)
        for line, _, mismatch in self.additional:
            if with_additional or mismatch.kind == DOUBLED or line < last:
                mismatches.append(mismatch)
        return mismatches
