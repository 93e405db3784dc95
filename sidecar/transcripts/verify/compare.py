"""A recorded message beside the one that came: equal but for what no two runs have in common.

Ids, cursors and the like bind on first sight: the recorded value stands for the one that came, and both must always
appear together from then on.  A `seq` is counted: all are by one and the same number further on than recorded, so that
none can be lost between two.  Times and measured values only have to be some.  Which is which says the contract, by
`format`; in places that it leaves open, ids, times and paths are known by their shape.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice, takewhile, zip_longest
from typing import Any, Final

from sidecar.transcripts.file.patterns import (
    ANY,
    RE,
    SHAPES,
    UNORDERED,
    is_any,
    is_secret,
    matches,
    pattern_of,
    said_again,
)
from sidecar.transcripts.file.redact import MARK
from sidecar.transcripts.file.schemas import NOTHING, Contract, Schema
from sidecar.transcripts.verify.matching import matched

BOUND: Final = frozenset({"uuid", "id", "cursor"})
COUNTED: Final = "seq"
_SHAPE: Final = re.compile("|".join(f"(?P<{name.replace('-', '_')}>{shape})" for name, shape in SHAPES.items()))
_PATH: Final = re.compile(r"(?:/|[A-Za-z]:[\\/]).*[/\\]")
NOT_THERE: Final = "(nothing)"
"""What stands in a difference for a member that is missing."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One place at which a message is another one."""

    path: str
    expected: Any
    actual: Any


@dataclass
class Bindings:
    """What stands for what: recorded value to actual one, and back."""

    actual: dict[Any, Any] = field(default_factory=dict)
    recorded: dict[Any, Any] = field(default_factory=dict)
    further: int | None = None
    """By how much each `seq` is greater than recorded; None: none has appeared yet."""
    _made: list[tuple[dict[Any, Any], Any]] = field(default_factory=list)

    def bind(self, recorded: Any, actual: Any) -> bool:
        """Whether the two stand for one another, from now on if neither has appeared before."""
        if recorded in self.actual or actual in self.recorded:
            return bool(recorded in self.actual and self.actual[recorded] == actual)
        self._make(self.actual, recorded, actual)
        self._make(self.recorded, actual, recorded)
        return True

    def count(self, recorded: int, actual: int) -> bool:
        """Whether this `seq` is as far from the recorded one as all others are."""
        if self.further is None:
            self.further = actual - recorded
        return actual == recorded + self.further

    def hint(self, recorded: str, actual: str) -> None:
        """The first time that stood in a time's place; for when the client says it back."""
        if recorded not in self.actual:
            self._make(self.actual, recorded, actual)

    def mark(self) -> tuple[int, int | None]:
        """The state, to which `undo` leads back: for a comparison that may come to nothing."""
        return len(self._made), self.further

    def undo(self, mark: tuple[int, int | None]) -> None:
        """Forget what has been bound since."""
        count, self.further = mark
        while len(self._made) > count:
            names, name = self._made.pop()
            del names[name]

    def _make(self, names: dict[Any, Any], name: Any, value: Any) -> None:
        names[name] = value
        self._made.append((names, name))


class Comparison:
    """Compares messages of one conversation; `merged` results keep what was recorded wherever it fits.

    `exact`: ids and times must be the recorded ones, since the clock stood still and chance came from a seed.
    """

    def __init__(self, contract: Contract, *, exact: bool = False) -> None:
        self.contract = contract
        self.bindings = Bindings()
        self._exact = exact
        self._found: list[Difference] = []

    # --- whole messages -----------------------------------------------------------------------------------------

    def answer(self, expected: Any, actual: Any, method: str | None) -> tuple[Any, list[Difference]]:
        """(what to record now, the differences) of two answers; words for people are not compared."""
        one, other = expected.get("error"), actual.get("error")
        if isinstance(one, dict) and isinstance(other, dict):
            expected = {**expected, "error": _without_words(one, other)}
        return self._message(expected, actual, {"result": self.contract.result(method)})

    def told(self, expected: Any, actual: Any) -> tuple[Any, list[Difference]]:
        """The same of two notifications."""
        return self._message(expected, actual, {"params": self.contract.told(expected.get("method"))})

    def trial(self, compare: Callable[[], list[Difference]]) -> list[Difference]:
        """The differences that a comparison finds; where there are any, it has bound nothing."""
        before = self.bindings.mark()
        differences = compare()
        if differences:
            self.bindings.undo(before)
        return differences

    def matched(
        self, expected: Sequence[Any], actual: Sequence[Any], differs: Callable[[Any, Any], list[Difference]]
    ) -> dict[int, int]:
        """Which of the expected values each of the actual ones is, where their order is left open: by index.

        Values without a counterpart are missing in it.  What binds by these pairs is bound.
        """
        return matched(len(expected), len(actual), lambda one, other: differs(expected[one], actual[other]), self)

    def _message(self, expected: Any, actual: Any, schemas: Schema) -> tuple[Any, list[Difference]]:
        return self._collect(lambda: self._object(expected, actual, {"properties": schemas}, ""))

    def _collect(self, compare: Callable[[], Any]) -> tuple[Any, list[Difference]]:
        before, self._found = self._found, []
        merged = compare()
        found, self._found = self._found, before
        return merged, found

    # --- values -------------------------------------------------------------------------------------------------

    def _walk(self, expected: Any, actual: Any, schema: Schema, path: str) -> Any:
        form = self.contract.format(schema)
        if form == "measured" and _kind(expected) == _kind(actual):
            return expected
        if type(expected) is dict:
            if (kind := pattern_of(expected)) is not None:
                return self._pattern(kind, expected, actual, schema, path)
            if type(actual) is dict:
                return self._object(expected, actual, schema, path)
        elif type(expected) is list and type(actual) is list:
            return self._list(expected, actual, self.contract.item(schema), path)
        elif self._is_equal(expected, actual, form):
            return expected
        self._found.append(Difference(path, expected, actual))
        return actual - (self.bindings.further or 0) if form == COUNTED else self.as_recorded(actual)

    def _list(self, expected: list[Any], actual: list[Any], item: Schema, path: str) -> list[Any]:
        """Item by item; of lists of different length the items at the beginning and at the end that are the same."""
        same = partial(self._is_same, item=item)
        if len(expected) == len(actual):
            head, tail = len(expected), 0
        else:
            shorter = min(len(expected), len(actual))
            head = sum(1 for _ in takewhile(same, zip(expected, actual, strict=False)))
            backwards = islice(zip(reversed(expected), reversed(actual), strict=False), shorter - head)
            tail = sum(1 for _ in takewhile(same, backwards))
        merged = [
            self._walk(one, other, item, f"{path}[{index}]")
            for index, (one, other) in enumerate(zip(expected[:head], actual[:head], strict=True))
        ]
        ends = len(expected) - tail, len(actual) - tail
        pairs = zip_longest(expected[head : ends[0]], actual[head : ends[1]], fillvalue=NOT_THERE)
        self._found += [Difference(f"{path}[{index}]", one, other) for index, (one, other) in enumerate(pairs, head)]
        merged += self.as_recorded(actual[head : ends[1]])
        return merged + expected[ends[0] :]

    def _is_same(self, pair: tuple[Any, Any], item: Schema) -> bool:
        return not self.trial(lambda: self._differs(*pair, item))

    def _object(self, expected: dict[str, Any], actual: dict[str, Any], schema: Schema, path: str) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for name in _keys(expected, actual):
            inner = f"{path}.{name}" if path else name
            if name not in actual:
                self._found.append(Difference(inner, expected[name], NOT_THERE))
            elif name not in expected:
                self._found.append(Difference(inner, NOT_THERE, actual[name]))
                merged[name] = self.as_recorded(actual[name])
            else:
                member = self.contract.member(schema, actual, name)
                merged[name] = self._walk(expected[name], actual[name], member, inner)
        return merged

    def _is_equal(self, expected: Any, actual: Any, form: str | None) -> bool:
        if type(expected) is not type(actual):
            return _is_number(expected, actual) and bool(expected == actual)
        if form == COUNTED and type(expected) is int and not self._exact:
            return self.bindings.count(expected, actual)
        if form in BOUND and expected is not None and not self._exact:
            return self.bindings.bind(expected, actual)
        if type(expected) is str:
            return self._is_same_text(expected, actual)
        return bool(expected == actual)

    def _is_same_text(self, expected: str, actual: str) -> bool:
        """Equal but for the ids and times in it, and the folder of a path."""
        if expected in self.bindings.actual and not _SHAPE.search(expected):
            return bool(self.bindings.actual[expected] == actual)  # an id of a form that only another place names
        if _PATH.match(expected) and _PATH.match(actual):
            expected, actual = _PATH.sub("", expected), _PATH.sub("", actual)
        if _SHAPE.sub("", expected) != _SHAPE.sub("", actual):
            return False
        matches = zip(_SHAPE.finditer(expected), _SHAPE.finditer(actual), strict=False)
        return all(self._is_same_match(one, other) for one, other in matches)

    def _is_same_match(self, expected: re.Match[str], actual: re.Match[str]) -> bool:
        if expected.lastgroup != actual.lastgroup:
            return False
        if self._exact:
            return expected[0] == actual[0]
        if expected.lastgroup == "uuid":
            return self.bindings.bind(expected[0], actual[0])
        self.bindings.hint(expected[0], actual[0])
        return True

    # --- patterns -----------------------------------------------------------------------------------------------

    def _pattern(self, kind: str, expected: Any, actual: Any, schema: Schema, path: str) -> Any:
        wanted = expected[kind]
        if kind == UNORDERED and type(actual) is list:
            return {**expected, UNORDERED: self._unordered(wanted, actual, schema, path)}
        if not ((kind == ANY and is_any(wanted, actual)) or (kind == RE and matches(wanted, actual)) or kind == MARK):
            self._found.append(Difference(path, expected, actual))
            return self.as_recorded(actual)
        return expected

    def _unordered(self, expected: list[Any], actual: list[Any], schema: Schema, path: str) -> list[Any]:
        item = self.contract.item(schema)
        pairs = self.matched(expected, actual, lambda one, other: self._differs(one, other, item))
        kept = set(pairs.values())
        extra = [other for index, other in enumerate(actual) if index not in pairs]
        self._found += [
            Difference(f"{path}[{index}]", one, NOT_THERE) for index, one in enumerate(expected) if index not in kept
        ]
        self._found += [Difference(path, NOT_THERE, other) for other in extra]
        return [one for index, one in enumerate(expected) if index in kept] + list(map(self.as_recorded, extra))

    def _differs(self, expected: Any, actual: Any, schema: Schema) -> list[Difference]:
        return self._collect(lambda: self._walk(expected, actual, schema, ""))[1]

    # --- there and back -----------------------------------------------------------------------------------------

    def to_send(self, message: Any) -> Any:
        """What the client said, with the ids, times and cursors of this conversation, and stand-ins for secrets."""
        if type(message) is list:
            return [self.to_send(one) for one in message]
        if type(message) is not dict:
            return message
        schema = self.contract.params(message.get("method"))
        return {name: self._sent(value, schema if name == "params" else NOTHING) for name, value in message.items()}

    def _sent(self, value: Any, schema: Schema) -> Any:
        if type(value) is dict:
            if is_secret(value):
                return said_again(value)
            return {name: self._sent(one, self.contract.member(schema, value, name)) for name, one in value.items()}
        if type(value) is list:
            item = self.contract.item(schema)
            return [self._sent(one, item) for one in value]
        if type(value) is str:
            return _replaced(value, self.bindings.actual)
        form = self.contract.format(schema)
        if form == COUNTED and type(value) is int:
            return value + (self.bindings.further or 0)
        return self.bindings.actual.get(value, value) if form in BOUND else value

    def as_recorded(self, value: Any) -> Any:
        """What came, with the ids as they were recorded wherever they were."""
        if type(value) is dict:
            return {name: self.as_recorded(one) for name, one in value.items()}
        if type(value) is list:
            return [self.as_recorded(one) for one in value]
        return _replaced(value, self.bindings.recorded) if type(value) is str else value


def _replaced(text: str, by: dict[Any, Any]) -> str:
    if text in by:
        return str(by[text])
    return _SHAPE.sub(lambda match: str(by.get(match[0], match[0])), text)


def _keys(one: dict[str, Any], other: dict[str, Any]) -> Iterator[str]:
    yield from one
    yield from (name for name in other if name not in one)


def _without_words(expected: dict[str, Any], actual: dict[str, Any]) -> dict[str, Any]:
    """The expected error with the actual one's words: clients branch on `data.kind`, never on text."""
    made = {**expected, "message": actual.get("message")}
    data, other = expected.get("data"), actual.get("data")
    if not isinstance(data, dict) or not isinstance(other, dict):
        return made
    data = {**data, **{name: other[name] for name in ("hint",) if name in other and name in data}}
    details, others = data.get("details"), other.get("details")
    if isinstance(details, list) and isinstance(others, list) and len(details) == len(others):
        pairs = zip(details, others, strict=True)
        data["details"] = [{**one, "message": two.get("message")} if "message" in one else one for one, two in pairs]
    return {**made, "data": data}


def _kind(value: Any) -> str:
    return "number" if type(value) in (int, float) else type(value).__name__


def _is_number(*values: Any) -> bool:
    return all(type(value) in (int, float) for value in values)
