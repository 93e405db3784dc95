"""Input for the tests of the connection: hostile lines, each with the number of responses that it needs."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from hypothesis import strategies as st
from sidecar_protocol.connection import Answered, Connection, Event, Notified, Refused, Request

from sidecar.transcripts.fuzz.promises import responses_due
from tests.strict_json import parse

MAX: Final = 300
"""Maximum line length in these tests: long enough for valid messages, short enough to be exceeded often."""
IDS: Final = st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=6)

Line = tuple[bytes, int]
"""A line without its newline, and the number of responses that it needs."""


def message(**members: Any) -> bytes:
    """Returns a JSON-RPC message with these members."""
    return json.dumps({"jsonrpc": "2.0", **members}).encode()


def events(connection: Connection) -> Iterator[Event]:
    """Yields the events that can be read now."""
    while (event := connection.next_event()) is not None:
        yield event


def describe(event: Event) -> tuple[Any, ...]:
    """Converts an event to a tuple that can be compared."""
    if isinstance(event, Request):
        return "request", type(event.id), event.id, event.method, event.params, event.batch is not None
    if isinstance(event, Notified):
        return "notified", event.method, event.params
    if isinstance(event, Answered):
        return "answered", event.id, event.result, event.error
    assert isinstance(event, Refused)
    return "refused", event.code, event.reply


def receive(data: bytes, max_message_bytes: int = MAX) -> tuple[Connection, list[Event]]:
    """Returns a connection that has received these bytes and the end of input, and its events."""
    connection = Connection(max_message_bytes)
    connection.receive(data)
    connection.receive_eof()
    return connection, list(events(connection))


def refusal(event: Event) -> dict[str, Any]:
    """Returns the error response of a refused line."""
    assert isinstance(event, Refused)
    assert event.reply.endswith(b"\n")
    answer: dict[str, Any] = parse(event.reply[:-1])
    return answer


def exchange(chunks: Iterable[bytes], pick: Callable[[int], int]) -> list[Any]:
    """Answers all requests in `chunks`, in the order of the indexes that `pick` returns, and returns the responses."""
    connection, sent, open_requests = Connection(MAX), list[bytes](), list[Request]()

    def reply_to_one() -> None:
        sent.append(connection.reply(open_requests.pop(pick(len(open_requests))), b'"done"'))

    for chunk in chunks:
        connection.receive(chunk)
        handle_events(connection, sent, open_requests)
        if open_requests and pick(2):
            reply_to_one()
    connection.receive_eof()
    handle_events(connection, sent, open_requests)
    while open_requests:
        reply_to_one()
    assert (connection.open_requests, connection.open_batches, connection.has_input) == (0, 0, False)
    return [parse(line) for line in b"".join(sent).split(b"\n")[:-1]]


def handle_events(connection: Connection, sent: list[bytes], open_requests: list[Request]) -> None:
    """Collects the refusals to send and the requests to answer."""
    for event in events(connection):
        if isinstance(event, Request):
            open_requests.append(event)
        elif isinstance(event, Refused):
            sent.append(event.reply)


json_values: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=10,
)
members: Final = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.sampled_from(["2.0", "2.0", "2.0", "2.0", "1.0", 2.0, None]),
        "method": st.sampled_from(["a", "jobs.list", "", None, 7, ["a"]]),
        "id": st.sampled_from([0, 1, 2, -3, 5.0, 5.5, True, None, "", "x", "é", [1], 2**53, "i" * 129]),
        "params": json_values,
        "result": json_values,
        "error": json_values,
    },
)
"""Objects that resemble messages, most of them invalid."""
malformed_messages: Final = members | st.lists(members | json_values, max_size=5)


def _encoded(value: Any) -> Line:
    line = json.dumps(value, ensure_ascii=False).encode()
    return line, responses_due(value) if len(line) <= MAX else 1


def _without_newline(data: bytes) -> bytes:
    return data.replace(b"\n", b"")


def _one_response(line: bytes) -> Line:
    return line, 1


def _is_not_json(line: bytes) -> bool:
    try:
        parse(line.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, AssertionError):
        return bool(line.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\x0b\x0c")) and b"\\u" not in line
    return False


hostile_lines: Final = st.one_of(
    malformed_messages.map(_encoded),
    st.binary(max_size=2 * MAX).map(_without_newline).filter(_is_not_json).map(_one_response),
    st.sampled_from(
        [
            (b"", 0),
            (b"\r", 0),
            (b" \t ", 0),
            (b"\xef\xbb\xbf", 0),
            (b"\xef\xbb\xbf" + message(method="told"), 0),
            (message(method="told", params=[1]), 0),
            (message(id=1, method="a", params=[1]), 1),
            (message(id=1, method="cut", params={})[:-3], 1),
            (b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":NaN}}', 1),
            (b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":-Infinity}}', 1),
            (b'{"jsonrpc":"2.0","id":1,"method":"a\xff"}', 1),
            (b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}\r', 1),
            (b"[" * 250, 1),
            (b"[" * 250 + b"]" * 250, 1),
            (b"x" * (MAX + 1), 1),
            (b" " * (MAX + 1), 1),
            (b"[%s]" % b",".join([b"1"] * 65), 1),
            (b"[[]]", 1),
            (b"[]", 1),
        ]
    ),
)


@st.composite
def chunked(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """Draws a way to split these bytes into chunks."""
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
