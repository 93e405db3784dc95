"""Batches: an array of messages gets one array of responses, once all of its requests have been answered."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sidecar_protocol.connection import Connection, Event, Refused, Request

from tests.protocol.connection_harness import describe, events, handle_events, message, receive, refusal
from tests.strict_json import parse


def batch(*messages: bytes) -> bytes:
    return b"[%s]" % b",".join(messages)


def requests(found: list[Event]) -> list[Request]:
    return [event for event in found if isinstance(event, Request)]


def error(code: int, text: str, kind: str, request_id: int | str | None = None) -> dict[str, Any]:
    data = {"kind": kind, "retryable": False}
    return {"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": text, "data": data}}


def test_the_responses_of_a_batch_are_sent_together_in_the_order_of_the_replies() -> None:
    connection, found = receive(batch(message(id=1, method="a"), message(method="told"), message(id=2, method="b")))
    assert [describe(event)[0] for event in found] == ["request", "notified", "request"]
    first, second = requests(found)
    assert connection.open_batches == 1
    assert connection.reply(second, b'"late"') == b""
    whole = connection.reply_error(first, b'{"code":1}')
    assert whole == b'[{"jsonrpc":"2.0","id":2,"result":"late"},{"jsonrpc":"2.0","id":1,"error":{"code":1}}]\n'
    assert (connection.open_batches, connection.open_requests) == (0, 0)


def test_a_batch_of_notifications_gets_no_response() -> None:
    connection, found = receive(batch(message(method="a"), message(method="b", params=[1]), message(id=9, result=1)))
    assert [describe(event)[0] for event in found] == ["notified", "refused", "answered"]
    assert [event.reply for event in found if isinstance(event, Refused)] == [b""]
    assert connection.open_batches == 0


@pytest.mark.parametrize("size", [0, 65, 1_000])
def test_an_empty_or_too_large_batch_is_refused_as_a_whole(size: int) -> None:
    connection, found = receive(batch(*[message(id=number, method="a") for number in range(size)]), 1_000_000)
    assert [refusal(event) for event in found] == [
        error(-32600, "A batch must hold 1 to 64 messages.", "invalid_request")
    ]
    assert connection.open_requests == 0


def test_a_batch_of_the_maximum_size_is_accepted() -> None:
    connection, found = receive(batch(*[message(id=number, method="a") for number in range(64)]), 1_000_000)
    sent = b"".join(connection.reply(request, b"0") for request in requests(found))
    assert [answer["id"] for answer in parse(sent[:-1])] == list(range(64))


def test_invalid_messages_of_a_batch_are_refused_one_by_one() -> None:
    line = batch(
        b"[]",
        b"1",
        message(id=1, method="a"),
        message(id=1, method="twice"),
        message(id=None, method="a"),
        message(id=2, method="a", params=[]),
        message(method="told"),
    )
    connection, found = receive(line, 10_000)
    assert [describe(event)[0] for event in found].count("refused") == 5
    assert b"".join(event.reply for event in found if isinstance(event, Refused)) == b""
    (request,) = requests(found)
    an_object = error(-32600, "A message must be an object.", "invalid_request")
    bad_id = "An id must be an integer within 2^53 or a string of at most 128 characters, without lone surrogates."
    assert parse(connection.reply(request, b"0")[:-1]) == [
        an_object,
        an_object,
        error(-32600, "A request with this id is still unanswered.", "invalid_request"),
        error(-32600, bad_id, "invalid_request"),
        error(-32602, "Params must be an object, by name.", "invalid_params", 2),
        {"jsonrpc": "2.0", "id": 1, "result": 0},
    ]


def test_a_batch_without_valid_requests_is_answered_with_its_refusals() -> None:
    connection, found = receive(b"[1,2,[]]")
    replies = [event.reply for event in found if isinstance(event, Refused)]
    assert replies[:2] == [b"", b""]
    assert parse(replies[2][:-1]) == [error(-32600, "A message must be an object.", "invalid_request")] * 3
    assert connection.open_batches == 0


def test_the_id_of_an_unanswered_request_cannot_be_reused_in_a_batch() -> None:
    connection, (first,) = receive(message(id=1, method="a"))
    assert isinstance(first, Request)
    connection.receive(batch(message(id=1, method="b")) + b"\n")
    (event,) = events(connection)
    assert isinstance(event, Refused)
    assert parse(event.reply[:-1]) == [error(-32600, "A request with this id is still unanswered.", "invalid_request")]
    assert connection.reply(first, b"0") == b'{"jsonrpc":"2.0","id":1,"result":0}\n'


@given(st.lists(st.lists(st.sampled_from("rni"), min_size=1, max_size=6), min_size=1, max_size=5), st.randoms())
def test_concurrent_batches_get_their_own_responses(shapes: list[list[str]], random: Any) -> None:
    """Shapes consist of r (request), n (notification) and i (invalid); requests are answered in random order."""
    connection, sent, opened = Connection(), list[bytes](), list[Request]()
    for number, shape in enumerate(shapes):
        parts = {"n": message(method="a"), "i": b"7"}
        line = [parts.get(kind, message(id=f"{number}.{place}", method="a")) for place, kind in enumerate(shape)]
        connection.receive(batch(*line) + b"\n")
        handle_events(connection, sent, opened)
    random.shuffle(opened)
    sent += [connection.reply(request, b"0") for request in opened]
    arrays = [parse(line) for line in b"".join(sent).split(b"\n")[:-1]]
    expected = [shape for shape in shapes if set(shape) != {"n"}]
    assert len(arrays) == len(expected)
    counts = sorted((shape.count("r"), shape.count("i")) for shape in expected)
    assert (
        sorted((sum("result" in one for one in array), sum("error" in one for one in array)) for array in arrays)
        == counts
    )
    for array in arrays:
        assert len({one["id"].partition(".")[0] for one in array if "result" in one}) <= 1
    assert connection.open_batches == 0
