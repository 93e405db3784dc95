"""JSON-RPC 2.0 as newline-delimited JSON, sans I/O, for servers and clients.

The caller passes received bytes to `receive` and reads events with `next_event`; the sending methods return the bytes
to send.  Input from the peer never raises: a line that needs a response becomes either a `Request`, which the caller
must answer, or a `Refused`, which contains the response.  Misuse by the caller raises `LocalProtocolError`.
"""

import re
from collections import deque
from itertools import count
from typing import Any, Final

from pydantic_core import to_json

from sidecar_protocol.json_line import RECOVERY_BYTES, Id, Unreadable, is_id, read_json, recover_id

MAX_MESSAGE_BYTES: Final = 32 * 1024 * 1024
"""Maximum length of a line.  A longer one is discarded up to its newline and refused; the connection stays open."""
MAX_BATCH: Final = 64
MAX_BATCH_BYTES: Final = MAX_MESSAGE_BYTES
"""Maximum length of the line with a batch's responses; short errors may exceed it."""

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
INVALID_PARAMS: Final = -32602
MESSAGE_TOO_LARGE: Final = 4131
_KINDS: Final = {
    PARSE_ERROR: "parse_error",
    INVALID_REQUEST: "invalid_request",
    INVALID_PARAMS: "invalid_params",
    MESSAGE_TOO_LARGE: "message_too_large",
}

_LINE_SEPARATOR: Final = re.compile(b"\xe2\x80[\xa8\xa9]")
_BAD_ID: Final = "An id must be an integer within 2^53 or a string of at most 128 characters, without lone surrogates."


class LocalProtocolError(Exception):
    """The caller misused the connection, for example by answering a request twice."""


class LongLine(bytes):
    """The beginning of a line that was too long."""


class Batch:
    """The requests of one batch, whose responses are sent together.

    `holds_back` is for the server: whether notifications must wait for the responses.
    """

    __slots__ = ("__weakref__", "_responses", "holds_back", "pending", "requests", "size")

    def __init__(self, requests: "list[Request]", refused: int) -> None:
        self.requests = requests
        self.pending = len(requests) + refused
        self.size = 0
        self.holds_back = False
        self._responses: list[bytes] = []

    def add(self, response: bytes) -> bytes:
        """Adds a response.  Returns the line with all responses if this was the last one, otherwise nothing."""
        self._responses.append(response)
        self.size += len(response)
        self.pending -= 1
        if self.pending:
            return b""
        line = b"[%s]\n" % b",".join(self._responses)
        self._responses.clear()
        return line


class Request:
    """A request from the peer, to be answered once with `reply` or `reply_error`."""

    __slots__ = ("batch", "id", "method", "params")

    def __init__(self, request_id: Id, method: str, params: dict[str, Any]) -> None:
        self.id = request_id
        self.method = method
        self.params = params
        self.batch: Batch | None = None


class Notified:
    """A notification from the peer, which has no response."""

    __slots__ = ("method", "params")

    def __init__(self, method: str, params: dict[str, Any]) -> None:
        self.method = method
        self.params = params


class Answered:
    """A response to one of our requests.  Its id is None if the peer could not read a line."""

    __slots__ = ("error", "id", "result")

    def __init__(self, request_id: Id | None, result: Any, error: dict[str, Any] | None) -> None:
        self.id = request_id
        self.result = result
        self.error = error


class Refused:
    """An invalid message.  `reply` is the line to send; empty if there is nothing to send, or not yet."""

    __slots__ = ("code", "reason", "reply")

    def __init__(self, code: int, reason: str, reply: bytes) -> None:
        self.code = code
        self.reason = reason
        self.reply = reply


Event = Request | Notified | Answered | Refused


class Connection:
    """One end of a JSON-RPC connection."""

    def __init__(
        self,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        read_lines: list[bytes] | None = None,
    ) -> None:
        """`read_lines` gets every non-blank line; of a line that is too long, the beginning, as a `LongLine`."""
        self._max = max_message_bytes
        self._read_lines = read_lines
        self._lines: deque[bytes] = deque()
        self._events: deque[Event] = deque()
        self._partial = bytearray()
        self._is_too_long = False
        """Whether `_partial` is the beginning of a line whose rest is discarded."""
        self._open: dict[Id, Request] = {}
        self._batches: set[Batch] = set()
        self._ids = count(1)

    # --- in -----------------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Takes bytes from the peer.  Read the resulting events with `next_event`."""
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines and self._partial:
            self._extend_partial(lines[0])
            self._end_partial()
            del lines[0]
        self._lines.extend(lines)
        if rest:
            self._extend_partial(rest)

    def receive_eof(self) -> None:
        """Marks the end of the input.  A last line without a newline counts as a line."""
        if self._partial:
            self._end_partial()

    def _extend_partial(self, data: bytes) -> None:
        self._partial += data
        if self._is_too_long or len(self._partial) > self._max:
            self._is_too_long = True
            del self._partial[RECOVERY_BYTES:]

    def _end_partial(self) -> None:
        self._lines.append((LongLine if self._is_too_long else bytes)(self._partial))
        self._partial = bytearray()
        self._is_too_long = False

    def next_event(self) -> Event | None:
        """Returns the next event, or None if all received lines have been read."""
        while True:
            if self._events:
                return self._events.popleft()
            if not self._lines:
                return None
            line = self._lines.popleft()
            try:
                event = self._read(line)
            except EOFError:
                continue
            if self._read_lines is not None:
                self._read_lines.append(line)
            return event

    @property
    def has_input(self) -> bool:
        """Whether `next_event` may return an event."""
        return bool(self._lines or self._events)

    def _read(self, line: bytes) -> Event:
        """Returns what a line is.  Raises EOFError if it is blank."""
        if len(line) > self._max or type(line) is LongLine:
            message = f"The message is longer than {self._max} bytes."
            return self._refuse(MESSAGE_TOO_LARGE, message, None, recover_id(line))
        try:
            message = read_json(line)
        except Unreadable as error:
            return self._refuse(PARSE_ERROR, str(error), None, recover_id(line))
        if type(message) is list:
            return self._read_batch(message)
        return self._register(self._classify(message))

    def _register(self, event: Event) -> Event:
        if type(event) is Request:
            if event.id in self._open:
                return self._invalid("A request with this id is still unanswered.", None)
            self._open[event.id] = event
        return event

    def _classify(self, message: Any) -> Event:
        if type(message) is not dict:
            return self._invalid("A message must be an object.", None)
        request_id = message.get("id")
        if type(request_id) is float and request_id.is_integer():
            request_id = int(request_id)
        has_id = "id" in message
        usable = request_id if is_id(request_id) else None
        if message.get("jsonrpc") != "2.0":
            return self._invalid('A message must carry "jsonrpc": "2.0".', usable)
        method = message.get("method")
        if type(method) is not str:
            if method is None and ("result" in message or "error" in message):
                return Answered(usable, message.get("result"), message.get("error"))
            return self._invalid("A request's method must be a string.", usable)
        if has_id and usable is None:
            return self._invalid(_BAD_ID, None)
        params = message.get("params")
        if params is None:
            params = {}
        elif type(params) is not dict:
            return self._refuse_params(params, usable)
        if usable is None:
            return Notified(method, params)
        return Request(usable, method, params)

    def _refuse_params(self, params: Any, request_id: Id | None) -> Refused:
        if type(params) is not list:  # neither kind of params, so it is not even a notification (JSON-RPC 2.0, 4.2)
            return self._invalid("Params must be an object.", request_id)
        if request_id is None:
            return Refused(INVALID_PARAMS, "positional params", b"")
        return self._refuse(INVALID_PARAMS, "Params must be an object, by name.", request_id, None)

    def _read_batch(self, messages: list[Any]) -> Event:
        if not messages or len(messages) > MAX_BATCH:
            return self._invalid(f"A batch must hold 1 to {MAX_BATCH} messages.", None)
        events = [self._register(self._classify(message)) for message in messages]
        requests = [event for event in events if isinstance(event, Request)]
        batch = Batch(requests, sum(isinstance(event, Refused) and event.reply != b"" for event in events))
        if batch.pending:
            self._batches.add(batch)
        for event in events:
            if isinstance(event, Request):
                event.batch = batch
            elif isinstance(event, Refused) and event.reply:
                event.reply = self._add_to_batch(batch, event.reply[:-1])
        self._events.extend(events)
        return self._events.popleft()

    def _add_to_batch(self, batch: Batch, response: bytes) -> bytes:
        line = batch.add(response)
        if line:
            self._batches.remove(batch)
        return line

    def _invalid(self, message: str, request_id: Id | None) -> Refused:
        return self._refuse(INVALID_REQUEST, message, request_id, None)

    def _refuse(self, code: int, message: str, request_id: Id | None, recovered: Id | None) -> Refused:
        data: dict[str, Any] = {"kind": _KINDS[code], "retryable": False}
        if recovered is not None:
            data["recovered_id"] = recovered
        if request_id in self._open:
            request_id = None  # the response with this id is still to come
        error = to_json({"code": code, "message": message, "data": data})
        reply = b'{"jsonrpc":"2.0","id":%s,"error":%s}\n' % (to_json(request_id), error)
        return Refused(code, message, _javascript_safe(reply))

    # --- out ----------------------------------------------------------------------------------------------------

    def reply(self, request: Request, result: bytes) -> bytes:
        """Returns the response with a result; empty if other responses of its batch are still missing."""
        return self._respond(request, b',"result":', result)

    def reply_error(self, request: Request, error: bytes) -> bytes:
        """Returns the response with a JSON-RPC error object; empty as with `reply`."""
        return self._respond(request, b',"error":', error)

    def _respond(self, request: Request, member: bytes, value: bytes) -> bytes:
        if self._open.get(request.id) is not request:
            raise LocalProtocolError(f"request {request.id!r} was already answered")
        del self._open[request.id]
        request_id = b"%d" % request.id if type(request.id) is int else to_json(request.id)
        end = b"}\n" if request.batch is None else b"}"
        # Not `%`, which moves a large value as the result grows.
        message = _javascript_safe(b"".join((b'{"jsonrpc":"2.0","id":', request_id, member, value, end)))
        return message if request.batch is None else self._add_to_batch(request.batch, message)

    @property
    def open_requests(self) -> int:
        return len(self._open)

    @property
    def open_batches(self) -> int:
        return len(self._batches)

    @property
    def holds_back(self) -> bool:
        """Whether notifications must wait for the responses of a batch."""
        return any(batch.holds_back for batch in self._batches)

    @staticmethod
    def room(request: Request) -> int:
        """Returns the size that a result can have for the line with its batch's responses to stay within its limit."""
        return MAX_BATCH_BYTES - request.batch.size if request.batch is not None else MAX_BATCH_BYTES

    def notify(self, method: str, params: bytes) -> bytes:
        """Returns a notification; `params` is a JSON object."""
        return _javascript_safe(b'{"jsonrpc":"2.0","method":%s,"params":%s}\n' % (to_json(method), params))

    def call(self, method: str, params: bytes) -> tuple[int, bytes]:
        """Returns the id and the line of a new request; `params` is a JSON object."""
        request_id = next(self._ids)
        line = b'{"jsonrpc":"2.0","id":%d,"method":%s,"params":%s}\n' % (request_id, to_json(method), params)
        return request_id, _javascript_safe(line)


def _javascript_safe(message: bytes) -> bytes:
    """Escapes U+2028 and U+2029, at which Node's readline (version 24 and later) splits lines."""
    if b"\xe2" in message and _LINE_SEPARATOR.search(message):
        return message.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
    return message
