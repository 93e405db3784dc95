"""Compares recorded messages with received ones, except for values that differ in every run (see the README).

Ids and cursors are bound at their first appearance.  The contract's `format` decides which values are ids, times or
measured; where it declares none, ids, times and paths are recognized by their shape.  `seq`s depend on how independent
work interleaves and are not compared; the verifier counts them.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice, takewhile, zip_longest
from operator import itemgetter
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from pydantic_core import to_json

from sidecar.transcripts.file.facts import COUNTED, ContractFacts, Facts
from sidecar.transcripts.file.format import Run
from sidecar.transcripts.file.patterns import (
    SHAPES,
    UNORDERED,
    example,
    fits,
    is_secret,
    pattern_of,
    secret_to_send,
)
from sidecar.transcripts.file.redact import SECRET_KEY
from sidecar.transcripts.file.written_files import WrittenFiles
from sidecar.transcripts.verify.difference import NOT_THERE, Difference
from sidecar.transcripts.verify.times import Times
from sidecar.transcripts.verify.work.races import Races
from sidecar.transcripts.verify.work.received import ReceivedWork
from sidecar.transcripts.verify.work.recorded import RecordedWork
from sidecar.transcripts.verify.work.resumption import Resumption
from sidecar.transcripts.verify.work.states import LOGGED
from sidecar.transcripts.verify.work.unsettled import Unsettled

BOUND: Final = frozenset({"uuid", "id", "cursor"})
REDIRECT: Final = "redirect"
_MEASURED: Final = {"size": r"\d[\d,]* bytes"}
"""Measured values inside texts, such as the size of a backup."""
_SHAPE: Final = re.compile(
    "|".join(f"(?P<{name.replace('-', '_')}>{shape})" for name, shape in {**SHAPES, **_MEASURED}.items())
)
_PATH: Final = re.compile(r"(?:/|[A-Za-z]:[\\/]).*[/\\]")
FEED: Final = "ActivityEvent"
"""The title of a list by the time of its entries, whose order for independent work differs in each run."""


@dataclass
class Bindings:
    """Recorded values and the actual values that correspond to them."""

    actual: dict[Any, Any] = field(default_factory=dict)
    recorded: dict[Any, Any] = field(default_factory=dict)
    seq_offset: int = 0
    """Received minus recorded `seq`, at the beginning of the run; for requests in which the client sends one back.

    Until the first one of a run has come, that of the last ones of the run before.
    """
    _journal: list[tuple[dict[Any, Any], Any]] = field(default_factory=list)

    def bind(self, recorded: Any, actual: Any) -> bool:
        """Returns whether the two values correspond; binds them if neither has appeared before."""
        if recorded in self.actual or actual in self.recorded:
            return bool(recorded in self.actual and self.actual[recorded] == actual)
        self._set(self.actual, recorded, actual)
        self._set(self.recorded, actual, recorded)
        return True

    def bind_time(self, recorded: str, actual: str) -> None:
        """Remembers the first actual value of a recorded time, for requests in which the client sends it back."""
        if recorded not in self.actual:
            self._set(self.actual, recorded, actual)

    def savepoint(self) -> int:
        return len(self._journal)

    def roll_back(self, savepoint: int) -> None:
        while len(self._journal) > savepoint:
            names, name = self._journal.pop()
            del names[name]

    def _set(self, names: dict[Any, Any], name: Any, value: Any) -> None:
        names[name] = value
        self._journal.append((names, name))


class Comparison:
    """Compares the messages of one transcript.

    Methods that return (merged, differences) merge the actual message into the recorded one: recorded values are
    retained wherever they match.  `exact`: ids and times must be the recorded ones (clock and random seed are fixed).
    """

    def __init__(
        self, contract: ContractFacts, folder: Path, *, exact: bool = False, secrets: Mapping[int, str] | None = None
    ) -> None:
        """`folder` is for the files that requests name to be written."""
        self.contract = contract
        self.bindings = Bindings()
        self.files = WrittenFiles(folder)
        self.times = Times()
        self.resumption = Resumption(is_exact=exact)
        self.recorded_work = RecordedWork(contract, self.resumption)
        self.received_work = ReceivedWork(contract, self.bindings.actual, self.resumption)
        self.unsettled = Unsettled(self.recorded_work, self.received_work)
        self.races = Races(contract, self.recorded_work, self.received_work, self.unsettled)
        self.added: Counter[str] = Counter()
        """How often a member came that the contract declares and the recording lacks, by its name."""
        self.sent_secrets: set[str] = set()
        self.redirect: dict[str, Any] = {}
        """The query of the next redirect that a request hands over, without its code."""
        self._sign_ins: dict[bytes, Any] = {}
        self._secrets = secrets or {}
        self.is_exact = exact
        self._found: list[Difference] = []

    def begin_run(self, run: Run) -> None:
        """Takes the next run of the file; if ids and times must be as recorded, all of it is compared."""
        self.bindings.seq_offset = self.resumption.seq_offset
        self.resumption.begin_run(run)
        self.recorded_work.read(run[1])
        if not self.is_exact:
            self.unsettled.begin_run(run[1])

    def response(self, expected: Any, actual: Any, method: str | None) -> tuple[Any, list[Difference]]:
        """Returns (merged, differences) for two responses.  Messages and hints of errors are not compared."""
        one, other = expected.get("error"), actual.get("error")
        if isinstance(one, dict) and isinstance(other, dict):
            expected = {**expected, "error": _with_texts_of(one, other)}
        return self._message(expected, actual, self.contract.response(method))

    def notification(self, expected: Any, actual: Any) -> tuple[Any, list[Difference]]:
        """Returns (merged, differences) for two notifications."""
        return self._message(expected, actual, self.contract.notification(expected.get("method")))

    def fits(self, expected: Any, actual: Any) -> bool:
        """Returns whether two notifications are equal, without binding anything."""
        is_same = expected.get("method") == actual.get("method")
        return is_same and not self.trial(lambda: self.notification(expected, actual)[1], can_bind=False)

    def trial(self, compare: Callable[[], list[Difference]], *, can_bind: bool = True) -> list[Difference]:
        """Runs a comparison and returns its differences; its bindings are kept only if there are none."""
        savepoint, added = self.bindings.savepoint(), self.added.copy()
        differences = compare()
        if differences or not can_bind:
            self.bindings.roll_back(savepoint)
            self.added = added
        return differences

    def _message(self, expected: Any, actual: Any, facts: Facts) -> tuple[Any, list[Difference]]:
        return self._collect(lambda: self._object(expected, actual, facts, ""))

    def _collect(self, compare: Callable[[], Any]) -> tuple[Any, list[Difference]]:
        before, self._found = self._found, []
        merged = compare()
        found, self._found = self._found, before
        return merged, found

    def _walk(self, expected: Any, actual: Any, facts: Facts, path: str) -> Any:
        if facts.format == "measured" and (_kind(expected) is _kind(actual) or None in (expected, actual)):
            return expected
        if type(expected) is dict:
            if (kind := pattern_of(expected)) is not None:
                return self._pattern(kind, expected, actual, facts, path)
            if type(actual) is dict:
                return self._object(expected, actual, facts, path)
        elif type(expected) is list and type(actual) is list:
            return self._list(expected, actual, facts.item(), path)
        elif self._is_equal(expected, actual, facts.format):
            return expected
        self._found.append(Difference(path, expected, actual))
        return self.to_recorded(actual)

    def _list(self, expected: list[Any], actual: list[Any], item: Facts, path: str) -> list[Any]:
        """Compares lists, those of events in an order that they have in each run; returns them in their own order."""
        if (key := self._order(expected, actual, item)) is None:
            return self._aligned(expected, actual, item, path)
        one, other = _positions(expected, key), _positions(actual, key)
        merged = self._aligned([expected[at] for at in one], [actual[at] for at in other], item, path)
        in_order = sorted(zip(one if len(one) == len(other) else other, merged, strict=True), key=itemgetter(0))
        return [event for _, event in in_order]

    def _order(self, expected: list[Any], actual: list[Any], item: Facts) -> Callable[[Any], str] | None:
        if item.title == LOGGED and not self.is_exact:
            return self._entity
        if item.title == FEED and not self.is_exact and _is_newest_first(expected) and _is_newest_first(actual):
            return self._event_id
        return None

    def _aligned(self, expected: list[Any], actual: list[Any], item: Facts, path: str) -> list[Any]:
        """Compares item by item; for lists of different length it aligns equal items at both ends."""
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
        merged += self.to_recorded(actual[head : ends[1]])
        return merged + expected[ends[0] :]

    def _is_same(self, pair: tuple[Any, Any], item: Facts) -> bool:
        return not self.trial(lambda: self._collect(lambda: self._walk(*pair, item, ""))[1])

    def _event_id(self, event: Any) -> str:
        return str(self.to_recorded(event.get("event_id")))

    def _entity(self, event: Any) -> str:
        """Returns what a logged event is about: only events about one entity have an order between runs."""
        return str(self.to_recorded(list(map(list, self.contract.entity(event)))))

    def _object(self, expected: dict[str, Any], actual: dict[str, Any], facts: Facts, path: str) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for name in {**expected, **actual}:
            inner = f"{path}.{name}" if path else name
            if name not in actual:
                self._found.append(Difference(inner, expected[name], NOT_THERE, is_form=not facts.is_mapping))
            elif name not in expected:
                if not path or name not in facts.members:
                    self._found.append(Difference(inner, NOT_THERE, actual[name], is_form=not facts.is_mapping))
                else:
                    self.added[f"{facts.title}.{name}"] += 1
                merged[name] = self.to_recorded(actual[name])
            else:
                merged[name] = self._walk(expected[name], actual[name], facts.member(actual, name), inner)
        return merged

    def _is_equal(self, expected: Any, actual: Any, form: str | None) -> bool:
        if type(expected) is not type(actual):
            return _kind(expected) is _kind(actual) and bool(expected == actual)
        if form == COUNTED and not self.is_exact:
            return True
        if form in BOUND and expected is not None and not self.is_exact:
            return self.bindings.bind(expected, actual)
        if type(expected) is str:
            return self._is_same_text(expected, actual)
        return bool(expected == actual)

    def _is_same_text(self, expected: str, actual: str) -> bool:
        """Compares texts without the ids and times in them, and paths without their folder."""
        if expected in self.bindings.actual and not _SHAPE.search(expected):
            # An id, known from a place where the contract declares it.
            return bool(self.bindings.actual[expected] == actual)
        if _PATH.match(expected) and _PATH.match(actual):
            expected, actual = _PATH.sub("", expected), _PATH.sub("", actual)
        if _SHAPE.sub("", expected) != _SHAPE.sub("", actual):
            return False
        matches = zip(_SHAPE.finditer(expected), _SHAPE.finditer(actual), strict=False)
        return all(self._is_same_match(one, other) for one, other in matches)

    def _is_same_match(self, expected: re.Match[str], actual: re.Match[str]) -> bool:
        if self.is_exact or expected.lastgroup != actual.lastgroup:
            return expected[0] == actual[0]
        if expected.lastgroup == "uuid":
            return self.bindings.bind(expected[0], actual[0])
        if expected.lastgroup in _MEASURED:
            return True
        self.bindings.bind_time(expected[0], actual[0])
        return self.times.are_both_of_their_run(expected[0], actual[0])

    def _pattern(self, kind: str, expected: Any, actual: Any, facts: Facts, path: str) -> Any:
        wanted = expected[kind]
        if kind == UNORDERED and type(actual) is list:
            return {**expected, UNORDERED: self._unordered(wanted, actual, facts, path)}
        if fits(kind, wanted, actual):
            return expected
        self._found.append(Difference(path, expected, actual))
        return self.to_recorded(actual)

    def _unordered(self, expected: list[Any], actual: list[Any], facts: Facts, path: str) -> list[Any]:
        """Gives each received item the first recorded one that fits."""
        item = facts.item()
        left, extra = list(expected), []
        for other in actual:
            found = next((index for index, one in enumerate(left) if self._is_same((one, other), item)), None)
            if found is None:
                extra.append(other)
            else:
                del left[found]
        self._found += [Difference(path, one, NOT_THERE) for one in left]
        self._found += [Difference(path, NOT_THERE, other) for other in extra]
        return [one for one in expected if not any(one is other for other in left)] + list(map(self.to_recorded, extra))

    def to_actual(self, message: Any) -> Any:
        """Returns a recorded request with the ids, times and cursors of this run, and placeholders for secrets."""
        if type(message) is list:
            return [self.to_actual(one) for one in message]
        if type(message) is not dict:
            return message
        facts = self.contract.request(message.get("method"))
        return self._value_to_actual(self.files.moved(message, facts), facts)

    def value_to_send(self, value: Any) -> Any:
        """Returns a value of the header's `env`."""
        return self._secret_to_send(value, None) if is_secret(value) else value

    def _value_to_actual(self, value: Any, facts: Facts) -> Any:
        if is_secret(value):
            return self._secret_to_send(value, facts.format)
        if type(value) is dict:
            if pattern_of(value) is not None:
                return example(value)
            return {name: self._value_to_actual(one, facts.member(value, name)) for name, one in value.items()}
        if type(value) is list:
            return [self._value_to_actual(one, facts.item()) for one in value]
        if type(value) is str:
            return _replaced(value, self.bindings.actual)
        if facts.format == COUNTED and type(value) is int:
            return max(1, value + self.bindings.seq_offset) if value else value
        return self.bindings.actual.get(value, value) if facts.format in BOUND else value

    def note_sign_in(self, recorded: Any, actual: Any) -> None:
        """Notes the answer that begins a sign-in, for the redirect that ends it."""
        if type(actual) is dict and type(recorded) is dict and "authorization_url" in actual:
            self._sign_ins[to_json(recorded.get("state"))] = actual.get("state")

    def expect_redirect(self, answer: Any) -> None:
        """Prepares a request from the recorded answer to it, if that is one to a redirect."""
        if type(answer) is dict and {"state", "status"} == answer.keys():
            last = list(self._sign_ins.values())[-1:]
            state = self._sign_ins.get(to_json(answer["state"]), last[0] if last else "")
            self.redirect = {"state": state} | ({"error": "access_denied"} if answer["status"] == "refused" else {})

    def _secret_to_send(self, value: dict[str, Any], form: str | None) -> str:
        number = value[SECRET_KEY]
        secret = self._secrets.get(number) or secret_to_send(value)
        if form == REDIRECT and number not in self._secrets:
            # The recording has no part of it, but its answer names the sign-in and how it ended.
            secret = f"{secret_to_send(value)}?{urlencode({**self.redirect, 'code': f'recorded-code-{number}'})}"
        self.sent_secrets.add(secret)
        return secret

    def to_recorded(self, value: Any) -> Any:
        """Returns an actual value with the recorded ids in place of bound ones."""
        if type(value) is dict:
            return {name: self.to_recorded(one) for name, one in value.items()}
        if type(value) is list:
            return [self.to_recorded(one) for one in value]
        return _replaced(value, self.bindings.recorded) if type(value) is str else value


def _positions(events: list[Any], key: Callable[[Any], str]) -> list[int]:
    """Returns the positions of the events in the order of their keys."""
    return sorted(range(len(events)), key=lambda at: key(events[at]))


def _is_newest_first(events: list[Any]) -> bool:
    times = [str(one.get("event_time")) if type(one) is dict else "" for one in events]
    return "" not in times and times == sorted(times, reverse=True)


def _replaced(text: str, by: dict[Any, Any]) -> str:
    if text in by:
        return str(by[text])
    return _SHAPE.sub(lambda match: str(by.get(match[0], match[0])), text)


def _with_texts_of(expected: dict[str, Any], actual: dict[str, Any]) -> dict[str, Any]:
    """Returns the expected error with the actual texts: clients branch on `data.kind`, never on text."""
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


def _kind(value: Any) -> Any:
    return float if type(value) is int else type(value)
