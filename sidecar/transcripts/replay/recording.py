"""One recorded run as something to answer from: its requests, responses and notifications, and their places.

Pure: no clock, no pipe.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sidecar.transcripts.file.format import Entry, request_id


@dataclass(slots=True)
class RecordedResponse:
    """A result or an error, to be sent under another id; `position` counts the notifications before it."""

    t: float
    position: int
    value: Any
    is_error: bool


@dataclass(slots=True)
class RecordedNotification:
    """A notification, in its segment."""

    t: float
    segment: int
    message: dict[str, Any]


@dataclass(slots=True)
class RecordedRequest:
    """A request; `position` counts the notifications recorded before it."""

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

    def __init__(self, lines: Iterable[Entry]) -> None:
        """`lines` are those of the run, without its header."""
        self.requests: list[RecordedRequest] = []
        self.notifications: list[RecordedNotification] = []
        self.exit_code = 0
        self._unanswered: dict[int | str | None, RecordedRequest] = {}
        self._has_request = [False]
        """Whether a segment begins with a request, by its number."""
        self._eof_segment: int | None = None
        for line in lines:
            self._read(line)

    def _read(self, entry: Entry) -> None:
        if entry.from_client:
            self._read_input(entry)
        elif entry.exit_code is not None:
            self.exit_code = entry.exit_code
        elif entry.is_notification:
            self.notifications.append(RecordedNotification(entry.t, len(self._has_request) - 1, entry.message))
        else:
            for response in entry.messages:
                self._read_response(entry, response)

    def _read_input(self, entry: Entry) -> None:
        segment = len(self._has_request)
        if entry.is_eof and self._eof_segment is None:
            self._eof_segment = segment
        requests = [message for message in entry.messages if _is_request(message)]
        self._has_request.append(bool(requests))
        for message in requests:
            method, params = message["method"], message.get("params") or {}
            request = RecordedRequest(entry.t, entry.line, method, params, segment, len(self.notifications))
            self._unanswered[request_id(message)] = request
            self.requests.append(request)

    def _read_response(self, entry: Entry, message: Any) -> None:
        request = self._unanswered.pop(request_id(message), None)
        if request is not None:
            is_error = "error" in message
            value = message.get("error" if is_error else "result")
            request.response = RecordedResponse(entry.t, len(self.notifications), value, is_error)

    def next_with_request(self, segment: int) -> int:
        """Returns the first segment after this one that begins with a request, or the number of segments."""
        later = range(segment + 1, len(self._has_request))
        return next((number for number in later if self._has_request[number]), len(self._has_request))

    def is_after_eof(self, segment: int) -> bool:
        return self._eof_segment is not None and self._eof_segment <= segment


def _is_request(message: Any) -> bool:
    """Returns whether the sidecar accepts it as a request; the wire refuses all others again."""
    if request_id(message) is None or type(message.get("method")) is not str:
        return False
    return message.get("params") is None or type(message["params"]) is dict
