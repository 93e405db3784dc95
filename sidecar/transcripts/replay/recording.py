"""One recorded run as something to answer from: finding recorded requests, and the notifications around them.

Pure: no clock, no pipe.  The file is read only as far as needed, so that a long one does not delay the start.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, partial
from typing import Any, Final, TypeGuard

from pydantic_core import to_json
from sidecar_protocol.contract import RpcError

from sidecar.transcripts.file.format import Entry, Header
from sidecar.transcripts.file.schemas import SECRET, ContractSchemas, Schema

VOLATILE: Final = frozenset({"date-time", "measured"})
"""Formats of params that differ each time, such as the day to show or the client's process id."""
ANY_PARAMS: Final = frozenset({"initialize"})
"""Methods matched by name only: the handshake contains the client's own version and process id."""
MAX_DETAILS: Final = 10
MAX_VALUE_CHARS: Final = 200
RECORD_HINT: Final = "Record it with `sidecar serve --record FILE`."
READ_AHEAD: Final = 500
"""Lines read at once while nothing else is to be done; they take a few milliseconds."""

Key = tuple[str, bytes]


@dataclass(slots=True)
class RecordedResponse:
    """A result or an error, to be sent under another id; `position` counts the notifications before it."""

    t: float
    position: int
    value: Any
    is_error: bool
    has_patterns: bool


@dataclass(slots=True)
class RecordedNotification:
    """A notification, in its segment."""

    t: float
    segment: int
    message: dict[str, Any]
    has_patterns: bool


@dataclass(slots=True)
class RecordedRequest:
    """A request; positions count the notifications recorded before a line."""

    t: float
    line: int
    method: str
    params: dict[str, Any]
    segment: int
    position: int
    response: RecordedResponse | None = None
    is_used: bool = False


class Recording:
    """One recorded run of a sidecar.

    A segment is one line from the client and what follows up to its next line; segment 0 is what comes before the
    first.
    """

    def __init__(self, name: str, lines: Iterator[Header | Entry], schemas: ContractSchemas) -> None:
        """`lines` begin after the header of the run and may continue with the next run."""
        self.name = name
        self._lines = lines
        self._schemas = schemas
        self._unanswered: dict[int | str, RecordedRequest] = {}
        self._exact: dict[str, dict[bytes, deque[RecordedRequest]]] = {}
        self._loose: dict[Key, deque[RecordedRequest]] = {}
        self._not_in_loose: list[RecordedRequest] = []
        self._segment = 0
        self._read_notifications = 0
        self._segments_without_request: set[int] = set()
        self._eof_segment: int | None = None
        self.notifications: deque[RecordedNotification] = deque()
        """The notifications that have been read and not yet played."""
        self.exit_code = 0

    def read_line(self) -> bool:
        """Reads one more line; returns False at the end of the run.  Raises NotATranscript."""
        entry = next(self._lines, None)
        if type(entry) is not Entry:
            self._lines = iter(())  # the next run is not part of this one
            return False
        if entry.from_client:
            self._read_input(entry)
        elif entry.exit_code is not None:
            self.exit_code = entry.exit_code
        elif entry.is_notification:
            self._read_notifications += 1
            recorded = RecordedNotification(entry.t, self._segment, entry.message, entry.has_patterns)
            self.notifications.append(recorded)
        else:
            for response in entry.messages:
                self._read_response(entry, response)
        return True

    def _read_input(self, entry: Entry) -> None:
        self._segment += 1
        if entry.is_eof:
            self._eof_segment = self._segment
        if not sum(self._read_request(entry, message) for message in entry.messages):
            self._segments_without_request.add(self._segment)

    def _read_request(self, entry: Entry, message: Any) -> bool:
        """Returns whether it is a request that the sidecar accepts as such; others are refused again by the wire."""
        if type(message) is not dict:
            return False
        request_id, method, params = message.get("id"), message.get("method"), message.get("params")
        if not _is_id(request_id) or type(method) is not str or (type(params) is not dict and params is not None):
            return False
        request = RecordedRequest(entry.t, entry.line, method, params or {}, self._segment, self._read_notifications)
        self._unanswered[request_id] = request
        self._exact.setdefault(method, {}).setdefault(exact(request.params), deque()).append(request)
        self._not_in_loose.append(request)
        return True

    def _read_response(self, entry: Entry, message: Any) -> None:
        request_id = message.get("id") if type(message) is dict else None
        request = self._unanswered.pop(request_id, None) if _is_id(request_id) else None
        if request is not None:
            is_error = "error" in message
            value = message.get("error" if is_error else "result")
            request.response = RecordedResponse(entry.t, self._read_notifications, value, is_error, entry.has_patterns)

    def read_ahead(self) -> bool:
        """Reads a limited number of lines, so that one call takes little time; returns False if there were none."""
        return sum(self.read_line() for _ in range(READ_AHEAD)) > 0

    def read_segment(self, segment: int) -> bool:
        """Reads up to the end of a segment; returns False if there is no such segment."""
        while self._segment <= segment and self.read_line():
            pass
        return segment <= self._segment

    def next_with_request(self, segment: int) -> int:
        """Returns the first segment after this one that begins with a request, or does not exist."""
        segment += 1
        while self.read_segment(segment) and segment in self._segments_without_request:
            segment += 1
        return segment

    def is_after_eof(self, segment: int) -> bool:
        return self._eof_segment is not None and self._eof_segment <= segment

    def match(self, method: str, params: dict[str, Any]) -> RecordedRequest | None:
        """Returns the first unused recording of a request, else its last recording, else None.

        Two requests are the same if method and params are, except for times, secrets and machine-dependent values.
        """
        exactly = exact(params)
        similar = cache(partial(self._loose_key, method, params))  # slow, and most requests are repeated exactly
        while True:
            same_method = self._exact.get(method)
            found = None
            if same_method is not None:
                found = _first_unused(same_method.get(exactly)) or _first_unused(self._similar(similar()))
            if found is not None or not self.read_line():
                break
        if found is None and same_method is not None:
            again = same_method.get(exactly) or self._similar(similar())
            found = again[-1] if again else None
        if found is not None:
            found.is_used = True
            while found.response is None and self.read_line():
                pass
        return found

    def _similar(self, key: Key) -> deque[RecordedRequest] | None:
        """Returns the requests that differ only in volatile params; their index is built on the first use."""
        for request in self._not_in_loose:
            self._loose.setdefault(self._loose_key(request.method, request.params), deque()).append(request)
        self._not_in_loose.clear()
        return self._loose.get(key)

    def _loose_key(self, method: str, params: dict[str, Any]) -> Key:
        """Returns the method and the params without times, secrets and machine-dependent values, sorted by name."""
        if method in ANY_PARAMS:
            return method, b""
        return method, to_json(self._without_volatile(params, self._schemas.params(method)))

    def _without_volatile(self, value: Any, schema: Schema) -> Any:
        if type(value) is dict:
            kept = []
            for name in sorted(value):
                member = self._schemas.member(schema, value, name)
                is_volatile = member.get(SECRET) or self._schemas.format(member) in VOLATILE
                if name != "_meta" and value[name] is not None and not is_volatile:
                    kept.append([name, self._without_volatile(value[name], member)])
            return kept
        if type(value) is list:
            item = self._schemas.item(schema)
            return [self._without_volatile(one, item) for one in value]
        return value

    def nearest(self, method: str, params: dict[str, Any]) -> tuple[RecordedRequest, list[tuple[str, Any]]] | None:
        """Returns the request of this method whose params differ least, and where: the paths and recorded values."""
        recorded = (same[0] for same in self._exact.get(method, {}).values())
        candidates = [(request, differing(request.params, params)) for request in recorded]
        return min(candidates, key=lambda candidate: len(candidate[1]), default=None)

    def similar_methods(self, method: str) -> list[str]:
        return get_close_matches(method, list(self._exact), n=3, cutoff=0.5)


class NotRecorded(RpcError):
    """No transcript has this request."""

    code = 4990  # of the replay only, so not in the contract


def not_recorded(recordings: Sequence[Recording], method: str, params: dict[str, Any]) -> NotRecorded:
    """Returns the error for a request without a recording; it names the nearest one."""
    found = [(one, *nearest) for one in recordings if (nearest := one.nearest(method, params)) is not None]
    if not found:
        similar = sorted({name for one in recordings for name in one.similar_methods(method)})
        hint = f"Similar recorded methods: {', '.join(similar)}." if similar else RECORD_HINT
        names = ", ".join(one.name for one in recordings)
        return NotRecorded(f"No transcript has {method}; replayed: {names}.", hint=hint)
    recording, request, differences = min(found, key=lambda one: len(one[2]))
    details = [
        {"path": path, "message": f"recorded: {to_json(value).decode()[:MAX_VALUE_CHARS]}"}
        for path, value in differences[:MAX_DETAILS]
    ]
    where = f"The nearest request is {recording.name}, line {request.line}."
    return NotRecorded(f"No transcript has {method} with these params.  {where}", details=details)


def _is_id(value: Any) -> TypeGuard[int | str]:
    return type(value) in (int, str)


def exact(params: dict[str, Any]) -> bytes:
    return to_json({name: value for name, value in params.items() if name != "_meta"})


def _first_unused(requests: deque[RecordedRequest] | None) -> RecordedRequest | None:
    while requests:
        if not requests[0].is_used:
            return requests[0]
        if len(requests) == 1:  # the last one stays: it answers all further requests
            return None
        requests.popleft().response = None  # frees the memory
    return None


def differing(recorded: Any, actual: Any, path: str = "params") -> list[tuple[str, Any]]:
    if type(recorded) is dict and type(actual) is dict:
        names = [name for name in {**recorded, **actual} if name != "_meta"]
        return [one for name in names for one in differing(recorded.get(name), actual.get(name), f"{path}.{name}")]
    return [] if recorded == actual else [(path, recorded)]
