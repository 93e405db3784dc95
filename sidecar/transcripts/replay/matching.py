"""Finding the recorded request that answers one of the client's.  README.md has the rules, as `replay_matching.ts`.

Each request has keys, so that many calls on a long recording stay fast: requests with the same key are the same.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import chain, islice
from typing import Any, Final

from pydantic_core import to_json

from sidecar.transcripts.file.facts import ContractFacts, Facts, normal, normal_json
from sidecar.transcripts.file.patterns import UNORDERED, fits, pattern_of, values_in
from sidecar.transcripts.file.redact import SECRET_KEY
from sidecar.transcripts.replay.recording import RecordedRequest
from sidecar.transcripts.replay.times import HOUR_MS, instant_ms

ANY_PARAMS: Final = frozenset({"initialize"})
"""Methods matched by name only: the handshake contains the client's own version and process id."""
MAX_COMPARED: Final = 1_000
"""Recorded requests of a method among which the nearest one is searched."""
META: Final = "_meta"
_LEFT_OUT: Final = object()
_ABSENT: Final = object()


Keys = tuple[bytes, bytes, bytes]
"""Keys of a request, equal for requests that are the same: the first if times and generated ids are equal too, the
second if the times are in the same hours, as those of a poll, and the third whatever they are."""


@dataclass(slots=True)
class Comparison:
    """The result of comparing two requests."""

    differences: list[tuple[str, Any]] = field(default_factory=list)
    """Paths, and the recorded values, that make them two requests."""
    other_times: int = 0
    bound: list[tuple[Any, Any]] = field(default_factory=list)
    """Recorded patterns and generated ids, each with the client's value."""

    def distance(self) -> tuple[int, int]:
        return len(self.differences), self.other_times


class Matcher:
    """Compares params by what the contract declares about them."""

    def __init__(self, contract: ContractFacts, ignored: Iterable[str] = ()) -> None:
        """`ignored` are params that may differ: METHOD.param, or METHOD.param.member."""
        self._contract = contract
        self._ignored = frozenset(ignored)

    def keys(self, method: str, params: dict[str, Any]) -> Keys | None:
        """Returns the keys of a request, or None if it contains patterns; declared secrets do not count."""
        varying: list[Any] = []  # moments in milliseconds, and generated ids
        if method in ANY_PARAMS:
            params = {}
        known = self._members(_without_meta(params), self._contract.params(method), method, varying)
        if any(pattern_of(one) is not None for one in values_in(known)):
            return None
        same = to_json(known)
        hours = [one // HOUR_MS if type(one) is int else one for one in varying]
        return same + to_json(varying), same + to_json(hours), same

    def _canonical(self, value: Any, facts: Facts, path: str, varying: list[Any]) -> Any:
        kind = self._kind(facts, path)
        if kind == "generated" and pattern_of(value) is None:
            varying.append([normal(value)])
            return _LEFT_OUT
        if kind in {"ignored", "measured"}:
            return _LEFT_OUT
        if kind == "secret":
            return value is not None
        if kind == "date-time" and type(value) is str:
            varying.append(_moment(value))
            return True
        if type(value) is dict:
            return self._members(value, facts, path, varying)
        if type(value) is list:
            return [_or_null(self._canonical(one, facts.item(), path, varying)) for one in value]
        return normal(value)

    def _members(self, value: dict[str, Any], facts: Facts, path: str, varying: list[Any]) -> dict[str, Any]:
        kept = {}
        for name in sorted(value):
            declared = facts.declared_member(name)
            if _is_default(value[name], declared):
                continue
            member = self._canonical(value[name], facts.member(value, name), f"{path}.{name}", varying)
            if member is not _LEFT_OUT and not (member == {} and declared.described_by is not None):
                kept[name] = member
        return kept

    def _kind(self, facts: Facts, path: str) -> str | None:
        return "ignored" if path in self._ignored else "secret" if facts.is_secret else facts.format

    def compare(self, method: str, recorded: dict[str, Any], actual: dict[str, Any]) -> Comparison:
        """Compares params that may contain patterns on the recorded side."""
        found = Comparison()
        if method not in ANY_PARAMS:
            params = _without_meta(recorded), _without_meta(actual)
            self._compare_members(*params, self._contract.params(method), method, found)
        return found

    def _compare(self, recorded: Any, actual: Any, facts: Facts, path: str, found: Comparison) -> None:
        if (pattern := pattern_of(recorded)) is not None:
            self._compare_pattern(pattern, recorded, actual, path, found)
            return
        kind = self._kind(facts, path)
        if kind in {"ignored", "measured", "generated"}:
            if kind == "generated" and type(recorded) is type(actual) is str:
                found.bound.append((recorded, actual))
        elif kind == "secret" and recorded is not _ABSENT and actual is not _ABSENT:
            return
        elif kind == "date-time" and type(recorded) is type(actual) is str:
            found.other_times += _moment(recorded) != _moment(actual)
        elif type(recorded) is dict and type(actual) is dict:
            self._compare_members(recorded, actual, facts, path, found)
        elif type(recorded) is list and type(actual) is list and len(recorded) == len(actual):
            for number, (one, other) in enumerate(zip(recorded, actual, strict=True)):
                self._compare(one, other, facts.item(), f"{path}.{number}", found)
        elif recorded is _ABSENT or actual is _ABSENT or normal_json(recorded) != normal_json(actual):
            found.differences.append((path, None if recorded is _ABSENT else recorded))

    def _compare_members(
        self, recorded: dict[str, Any], actual: dict[str, Any], facts: Facts, path: str, found: Comparison
    ) -> None:
        for name in {**recorded, **actual}:
            declared = facts.declared_member(name)
            nothing = {} if declared.described_by is not None else _ABSENT
            one, other = (
                nothing if name not in side or _is_default(side[name], declared) else side[name]
                for side in (recorded, actual)
            )
            if one is not nothing or other is not nothing:
                member = facts.member(actual if name in actual else recorded, name)
                self._compare(one, other, member, f"{path}.{name}", found)

    def _compare_pattern(self, kind: str, recorded: Any, actual: Any, path: str, found: Comparison) -> None:
        wanted = recorded[kind]
        if kind == UNORDERED:
            left = list(actual) if type(actual) is list else []
            is_same = type(actual) is list and len(actual) == len(wanted)
            for one in wanted:
                fitting = (number for number, other in enumerate(left) if self._is_item(one, other))
                if (number := next(fitting, None)) is None:
                    is_same = False
                    break
                del left[number]
        else:
            is_same = actual is not _ABSENT and fits(kind, wanted, actual)
        if not is_same:
            found.differences.append((path, recorded))
        elif kind != SECRET_KEY:
            found.bound.append((recorded, actual))

    def _is_item(self, recorded: Any, actual: Any) -> bool:
        found = Comparison()
        self._compare(recorded, actual, self._contract.undeclared, "", found)
        return not found.differences


class _Queue:
    """Requests that are the same, in the recorded order."""

    def __init__(self) -> None:
        self.requests: list[RecordedRequest] = []
        self._next = 0

    def unused(self) -> list[RecordedRequest]:
        """Returns the first one that has answered no request, or nothing."""
        while self._next < len(self.requests) and self.requests[self._next].is_used:
            self._next += 1
        return self.requests[self._next : self._next + 1]


_Tables = tuple[dict[bytes, _Queue], dict[bytes, _Queue], dict[bytes, _Queue], dict[bytes, _Queue]]
"""The requests of one method by each of their keys; last, those that a person has put patterns into, by their JSON."""


class RequestIndex:
    """The requests of one recording."""

    def __init__(self, requests: Iterable[RecordedRequest], matcher: Matcher) -> None:
        self.matcher = matcher
        self._methods: dict[str, _Tables] = {}
        for request in requests:
            *by_key, patterned = self._methods.setdefault(request.method, ({}, {}, {}, {}))
            keys = matcher.keys(request.method, request.params)
            places = [(patterned, to_json(request.params))] if keys is None else zip(by_key, keys, strict=True)
            for table, key in places:
                table.setdefault(key, _Queue()).requests.append(request)

    def match(self, method: str, params: dict[str, Any]) -> RecordedRequest | None:
        """Returns the recorded request that answers this one, and marks it as used."""
        if method not in self._methods:
            return None
        found = next(self._candidates(method, params), None)
        if found is not None:
            found.is_used = True
        return found

    def _candidates(self, method: str, params: dict[str, Any]) -> Iterator[RecordedRequest]:
        """Yields the recorded requests that may answer, the best one first."""
        *by_key, patterns = self._methods[method]
        keys = self.matcher.keys(method, params) or (b"",) * 3
        exact, near, loose = (table.get(key) or _Queue() for table, key in zip(by_key, keys, strict=True))
        yield from exact.unused()
        fitting = (one for one in patterns.values() if not self._compared(method, one, params).differences)
        patterned = next(fitting, _Queue())
        yield from (*near.unused(), *patterned.unused())
        yield from (*near.requests[-1:], *patterned.requests[-1:])
        yield from (*loose.unused(), *loose.requests[-1:])

    def _compared(self, method: str, recorded: _Queue, params: dict[str, Any]) -> Comparison:
        return self.matcher.compare(method, recorded.requests[0].params, params)

    def _different(self, method: str) -> Iterator[_Queue]:
        """Returns the queues of a method, each with the requests that are the same except for their times."""
        _, _, loose, patterns = self._methods[method]
        return chain(loose.values(), patterns.values())

    def nearest(self, method: str, params: dict[str, Any]) -> tuple[RecordedRequest, Comparison] | None:
        """Returns the request of this method whose params differ least, and how."""
        if method not in self._methods:
            return None
        several = islice(self._different(method), MAX_COMPARED)
        compared = [(one.requests[0], self._compared(method, one, params)) for one in several]
        return min(compared, key=lambda one: one[1].distance())

    def similar_methods(self, method: str) -> list[str]:
        return get_close_matches(method, list(self._methods), n=3, cutoff=0.5)

    def never_made(self) -> Iterator[RecordedRequest]:
        """Yields one recorded request of each kind that the client has not made."""
        for queue in chain.from_iterable(map(self._different, self._methods)):
            if not any(request.is_used for request in queue.requests):
                yield queue.requests[0]


def _without_meta(params: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name != META}


def _moment(text: str) -> int | str:
    """Returns the milliseconds since 1970, or the text if it is no time."""
    instant = instant_ms(text)
    return text if instant is None else instant


def _is_default(value: Any, declared: Facts) -> bool:
    return declared.default is not None and declared.default == normal_json(value)


def _or_null(value: Any) -> Any:
    return None if value is _LEFT_OUT else value
