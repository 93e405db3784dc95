"""The connection: every line that needs a response gets exactly one, whatever the peer sends."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sidecar_protocol.connection import Answered, Connection, LocalProtocolError, Notified, Refused, Request
from sidecar_protocol.json_line import MAX_CONTAINERS, recover_id

from tests.protocol.connection_harness import (
    IDS,
    MAX,
    Line,
    chunked,
    describe,
    events,
    exchange,
    hostile_lines,
    message,
    receive,
    refusal,
)
from tests.strict_json import parse

BAD_ID = "An id must be an integer within 2^53 or a string of at most 128 characters, without lone surrogates."
DECOY = {"id": 99, "text": '"id": 98, {"id": 97', "deep": [{"id": 96}]}


@given(st.lists(hostile_lines, max_size=12), st.data())
def test_every_line_that_needs_a_response_gets_exactly_one(lines: list[Line], data: st.DataObject) -> None:
    chunks = data.draw(chunked(b"".join(line + b"\n" for line, _ in lines)))
    answers = exchange(chunks, lambda below: data.draw(st.integers(0, below - 1)))
    assert len(answers) == sum(count for _, count in lines)


@settings(max_examples=60)
@given(st.lists(hostile_lines, min_size=1, max_size=4), st.sampled_from([20, MAX]))
def test_events_do_not_depend_on_how_the_bytes_are_chunked(lines: list[Line], longest: int) -> None:
    whole = b"\n".join(line for line, _ in lines)
    expected = [describe(event) for event in receive(whole, longest)[1]]
    for cut in range(0, len(whole), 7):
        connection = Connection(longest)
        connection.receive(whole[:cut])
        connection.receive(whole[cut:])
        connection.receive_eof()
        assert [describe(event) for event in events(connection)] == expected
    connection = Connection(longest)
    for byte in whole:
        connection.receive(bytes([byte]))
    connection.receive_eof()
    assert [describe(event) for event in events(connection)] == expected


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (message(id=1, method="a"), ("request", int, 1, "a", {}, False)),
        (message(id=1, method="a", params=None), ("request", int, 1, "a", {}, False)),
        (message(id="é", method="a", params={"x": 1}), ("request", str, "é", "a", {"x": 1}, False)),
        (message(id=5.0, method="a"), ("request", int, 5, "a", {}, False)),
        (message(id=-0.0, method="a"), ("request", int, 0, "a", {}, False)),
        (message(id=2**53 - 1, method="a"), ("request", int, 2**53 - 1, "a", {}, False)),
        (message(id=-(2**53) + 1, method="a"), ("request", int, -(2**53) + 1, "a", {}, False)),
        (message(id="", method="a"), ("request", str, "", "a", {}, False)),
        (message(id="i" * 128, method="a"), ("request", str, "i" * 128, "a", {}, False)),
        (b"\xef\xbb\xbf" + message(id=1, method="a"), ("request", int, 1, "a", {}, False)),
        (message(id=1, method="a") + b"\r", ("request", int, 1, "a", {}, False)),
        (b" \t" + message(id=1, method="a") + b" ", ("request", int, 1, "a", {}, False)),
        (b'{"jsonrpc":"2.0","id":1,"method":"\\ud83d\\ude00"}', ("request", int, 1, "\U0001f600", {}, False)),
        (b'{"jsonrpc":"2.0","id":1,"method":"\\ud83d"}', ("request", int, 1, "\ufffd", {}, False)),
        (b'{"jsonrpc":"2.0","id":1,"method":"\\\\ud83d\\ude00"}', ("request", int, 1, "\\ud83d\ufffd", {}, False)),
        (b'{"jsonrpc":"2.0","id":"\xef\xbf\xbd","method":"\\uDE00"}', ("request", str, "\ufffd", "\ufffd", {}, False)),
        (
            '{"jsonrpc":"2.0","id":1,"method":"a\u2028"}'.encode(),
            ("request", int, 1, "a\u2028", {}, False),
        ),
        (b'{"jsonrpc":"2.0","id":7,"id":1,"method":"b","method":"a"}', ("request", int, 1, "a", {}, False)),
        (message(method="a", params={"x": None}), ("notified", "a", {"x": None})),
        (message(id=3, result=[1]), ("answered", 3, [1], None)),
        (message(id=None, error={"code": 1}), ("answered", None, None, {"code": 1})),
        (message(id=[3], result=1), ("answered", None, 1, None)),
    ],
)
def test_valid_messages_become_events(line: bytes, event: tuple[Any, ...]) -> None:
    assert [describe(one) for one in receive(line)[1]] == [event]


@pytest.mark.parametrize("request_id", [True, False, None, 5.5, 1e300, 2**53, -(2**53), "i" * 129, [1], {"a": 1}])
def test_an_id_that_javascript_cannot_represent_is_refused_with_id_null(request_id: Any) -> None:
    _, (event,) = receive(message(id=request_id, method="a"))
    assert refusal(event) == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {
            "code": -32600,
            "message": BAD_ID,
            "data": {"kind": "invalid_request", "retryable": False},
        },
    }


@pytest.mark.parametrize(
    ("line", "request_id"),
    [
        (b'{"id":1,"method":"a"}', 1),
        (b'{"jsonrpc":"1.0","id":"x","method":"a"}', "x"),
        (b'{"jsonrpc":2.0,"id":1,"method":"a"}', 1),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', 1),
        (b'{"jsonrpc":"2.0","id":1}', 1),
        (b'{"jsonrpc":"2.0","method":{}}', None),
        (b"{}", None),
        (b"7", None),
        (b"null", None),
        (b'"initialize"', None),
        (b"[]", None),
    ],
)
def test_json_that_is_not_a_request_is_refused_with_its_id(line: bytes, request_id: int | str | None) -> None:
    _, (event,) = receive(line)
    answer = refusal(event)
    assert (answer["id"], answer["error"]["code"], answer["error"]["data"]["kind"]) == (
        request_id,
        -32600,
        "invalid_request",
    )


@pytest.mark.parametrize("members", ['"id":"\\uDE00"', '"id":"a\\ud83dz","x":"\\ud83d\\ude00"', '"x":1,"id":"\\ud83d"'])
def test_an_id_with_a_lone_surrogate_is_refused_since_no_response_could_repeat_it(members: str) -> None:
    line = f'{{"jsonrpc":"2.0","method":"a",{members}}}'.encode()
    _, (event,) = receive(line)
    assert (refusal(event)["id"], refusal(event)["error"]["message"]) == (None, BAD_ID)
    connection, (first, second) = receive(b"[%s,%s]" % (line, message(id="\ufffd", method="\ud83d")))
    assert isinstance(first, Refused)
    assert isinstance(second, Request)
    answers = parse(connection.reply(second, b"0")[:-1])
    assert [(one["id"], "error" in one) for one in answers] == [(None, True), ("\ufffd", False)]


@pytest.mark.parametrize("params", ["x", "", 1, 0, 1.5, True, False])
def test_params_that_are_neither_an_object_nor_an_array_make_no_request(params: Any) -> None:
    for members, request_id in (({"id": 1}, 1), ({}, None)):
        _, (event,) = receive(message(method="a", params=params, **members))
        assert refusal(event) == {
            "jsonrpc": "2.0",
            "id": request_id,
            "error": {
                "code": -32600,
                "message": "Params must be an object.",
                "data": {"kind": "invalid_request", "retryable": False},
            },
        }


@pytest.mark.parametrize("params", [[], [1, 2]])
def test_params_must_be_passed_by_name(params: Any) -> None:
    _, (event,) = receive(message(id=1, method="a", params=params))
    assert refusal(event) == {
        "jsonrpc": "2.0",
        "id": 1,
        "error": {
            "code": -32602,
            "message": "Params must be an object, by name.",
            "data": {"kind": "invalid_params", "retryable": False},
        },
    }
    _, (told,) = receive(message(method="a", params=params))
    assert describe(told) == ("refused", -32602, b"")


@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc":"2.0","id":31,"method":"a","params":{"x":NaN}}',
        b'{"jsonrpc":"2.0","id":31,"method":"a","params":{"x":Infinity}}',
        b'{"jsonrpc":"2.0","id":31,"method":"a","params":{"x":-Infinity}}',
        b'{"jsonrpc":"2.0","id":31,"method":"a\xff"}',
        b'{"jsonrpc":"2.0","id":31,"method":"a\xed\xa0\x80"}',
        b'{"jsonrpc":"2.0","id":31,"method":"a\xc0\xaf"}',
        b'{"jsonrpc":"2.0","id":31,"method":"a\x00"}',
        b'{"jsonrpc":"2.0","id":31,"method":"a",}',
        b'{"jsonrpc":"2.0","id":31,\'method\':\'a\'}',
        b'{"jsonrpc":"2.0","id":31,"method":"a"} // no',
        b'{"jsonrpc":"2.0","id":31,"method":"a"}{}',
        b'{"jsonrpc":"2.0","id":31,"params":' + b'{"x":' * 220 + b"1" + b"}" * 220 + b"}",
        b'{"jsonrpc":"2.0","id":31,"params":' + b"[" * 100_000,
        b'{"jsonrpc":"2.0","id":31,"method":"a","params":{"x":"\\ud83d","y":}}',
        b'{"jsonrpc":"2.0","params":{"id":99,"y":[{"id":98}]},"method":"id","id":31,"x":NaN}',
    ],
)
def test_invalid_json_is_refused_with_its_id_if_it_is_legible(line: bytes) -> None:
    _, (event,) = receive(line, 1_000_000)
    answer = refusal(event)
    assert (answer["id"], answer["error"]["code"]) == (None, -32700)
    assert answer["error"]["data"] == {"kind": "parse_error", "retryable": False, "recovered_id": 31}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"[" * 220 + b"]" * 220, "The line is nested too deep: at most 200 levels are accepted."),
        (b'{"x":' * 220 + b"1" + b"}" * 220, "The line is nested too deep: at most 200 levels are accepted."),
        (b"1" * 4_301, "A number is too long: at most 4,300 digits are accepted."),
        (b"-" + b"1" * 9_999, "A number is too long: at most 4,300 digits are accepted."),
    ],
)
def test_json_that_exceeds_a_limit_of_the_parser_is_not_called_invalid(value: bytes, text: str) -> None:
    _, (event,) = receive(b'{"jsonrpc":"2.0","id":31,"method":"a","params":{"x":%s}}' % value, 100_000)
    answer = refusal(event)["error"]
    assert (answer["code"], answer["message"], answer["data"]["recovered_id"]) == (-32700, text, 31)


def test_objects_that_would_take_many_times_the_memory_of_their_line_are_refused() -> None:
    objects = b"{}," * (MAX_CONTAINERS - 4)  # the message, its params and two arrays
    for more, is_read in ((b"[]", True), (b"[],[]", False)):
        line = b'{"jsonrpc":"2.0","id":31,"method":"a","params":{"x":[%s%s]}}' % (objects, more)
        _, (event,) = receive(line, 10_000_000)
        assert isinstance(event, Request) == is_read
    assert refusal(event)["error"]["message"].startswith("The line has too many objects and arrays")


def test_json_within_the_limits_of_the_parser_is_read() -> None:
    params = b'{"deep":%s,"long":%s}' % (b"[" * 198 + b"]" * 198, b"1" * 4_300)
    _, (event,) = receive(b'{"jsonrpc":"2.0","id":31,"method":"a","params":%s}' % params, 100_000)
    assert isinstance(event, Request)
    assert event.params["long"] == int("1" * 4_300)


def test_a_refusal_never_quotes_the_input() -> None:
    for line in (b'{"id":1,"token":hunter2}', b'{"id":1,"method":"hunter2","params":[]}', b'["hunter2"'):
        assert b"hunter2" not in b"".join(event.reply for event in receive(line)[1] if isinstance(event, Refused))


@given(IDS, st.permutations(["jsonrpc", "id", "method", "params", "more"]), st.data())
def test_the_id_of_an_invalid_line_is_recovered_correctly_or_not_at_all(
    request_id: int | str, order: list[str], data: st.DataObject
) -> None:
    whole = {
        "jsonrpc": "2.0",
        "id": request_id,
        "method": 'say "id": 5',
        "params": DECOY,
        "more": [1, {"id": 95}, None],
    }
    ascii_only = data.draw(st.booleans())
    members = [f'"{name}": {json.dumps(whole[name], ensure_ascii=ascii_only)}'.encode() for name in order]
    line = b"{%s}" % b", ".join(members)
    before = b"{" + b", ".join(members[: order.index("id")])
    after = len(before) + len(members[order.index("id")]) + 3
    position = data.draw(st.integers(0, len(line) - 1))
    assert recover_id(line[:position]) in (None, request_id)
    if not len(before) <= position < after:
        damaged = line[:position] + bytes([data.draw(st.integers(0, 255))]) + line[position + 1 :]
        assert recover_id(damaged) in (None, request_id)


def test_an_id_that_may_be_truncated_is_not_recovered() -> None:
    assert recover_id(b'{"jsonrpc":"2.0","id":12') is None
    assert recover_id(b'{"jsonrpc":"2.0","id":12,') == 12
    assert recover_id(b'{"jsonrpc":"2.0","id":"ab"') == "ab"
    assert recover_id(b'{"jsonrpc":"2.0","id":"ab') is None
    assert recover_id(b'{"x":"%s","id":12}' % (b"x" * 4081)) is None
    assert recover_id(b'{"x":"%s","id":12}' % (b"x" * 4070)) == 12
    assert recover_id(b'[{"id":1},{"id":2}') is None
    assert recover_id(b'{"id":true,') is None
    assert recover_id(b'\xef\xbb\xbf{"id":1,') == 1
    assert recover_id(b'"params":{"id":1,') is None
    assert recover_id(b'{"method":"a"}{"id":1,') is None
    assert recover_id(b'{"id":9007199254740992,') is None


def test_a_line_over_the_limit_is_refused_and_the_next_one_handled() -> None:
    for data in (message(id=31, method="m" * MAX), b'{"id":31,' + b"x" * 50_000):
        _, (first, second) = receive(data + b"\n" + message(id=2, method="a"))
        assert refusal(first) == {
            "jsonrpc": "2.0",
            "id": None,
            "error": {
                "code": 4131,
                "message": f"The message is longer than {MAX} bytes.",
                "data": {"kind": "message_too_large", "retryable": False, "recovered_id": 31},
            },
        }
        assert describe(second) == ("request", int, 2, "a", {}, False)


def test_a_line_of_exactly_the_limit_is_accepted() -> None:
    padding = MAX - len(message(id=1, method=""))
    assert [describe(event)[0] for event in receive(message(id=1, method="m" * padding))[1]] == ["request"]
    assert [describe(event)[0] for event in receive(message(id=1, method="m" * (padding + 1)))[1]] == ["refused"]


def test_a_discarded_line_takes_no_memory() -> None:
    connection = Connection(MAX)
    piece = b"x" * 10_000
    connection.receive(piece)
    tracemalloc.start()
    for _ in range(1_000):
        connection.receive(piece)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 100_000
    connection.receive_eof()
    assert [describe(event)[:2] for event in events(connection)] == [("refused", 4131)]


def test_a_last_line_without_a_newline_is_read() -> None:
    connection = Connection()
    connection.receive(message(id=1, method="a"))
    assert list(events(connection)) == []
    connection.receive_eof()
    assert [describe(event) for event in events(connection)] == [("request", int, 1, "a", {}, False)]
    connection.receive_eof()
    assert list(events(connection)) == []


def test_an_id_cannot_be_reused_while_its_request_is_unanswered() -> None:
    connection, (first, second) = receive(message(id=1, method="a") + b"\n" + message(id=1.0, method="b"))
    assert isinstance(first, Request)
    assert refusal(second)["id"] is None  # the response with this id is still to come
    assert refusal(second)["error"]["message"] == "A request with this id is still unanswered."
    assert connection.open_requests == 1
    connection.reply(first, b"1")
    connection.receive(message(id=1, method="c") + b"\n")
    assert [describe(event) for event in events(connection)] == [("request", int, 1, "c", {}, False)]


def test_a_number_and_a_string_are_different_ids() -> None:
    connection, opened = receive(message(id=1, method="a") + b"\n" + message(id="1", method="b"))
    replies = [connection.reply(request, b"0") for request in opened if isinstance(request, Request)]
    assert replies == [b'{"jsonrpc":"2.0","id":1,"result":0}\n', b'{"jsonrpc":"2.0","id":"1","result":0}\n']


def test_answering_twice_raises_a_local_error() -> None:
    connection, (request,) = receive(message(id=1, method="a"))
    assert isinstance(request, Request)
    connection.reply(request, b"1")
    for answer in (connection.reply, connection.reply_error):
        with pytest.raises(LocalProtocolError, match="request 1 was already answered"):
            answer(request, b"{}")
    connection.receive(message(id=1, method="again") + b"\n")
    assert [describe(event)[3] for event in events(connection)] == ["again"]
    with pytest.raises(LocalProtocolError):
        connection.reply(request, b"1")  # another request with this id is open now
    assert connection.open_requests == 1


def test_line_separators_of_node_are_escaped_in_everything_sent() -> None:
    separators = "\u2028\u2029".encode()
    connection, (request,) = receive(b'{"jsonrpc":"2.0","id":"\\u2028","method":"a"}')
    assert isinstance(request, Request)
    sent = [
        connection.reply(request, b'"%s"' % separators),
        connection.notify("told", b'{"x":"%s"}' % separators),
        connection.call("asked", b'{"x":"%s"}' % separators)[1],
    ]
    for line in (
        b'{"jsonrpc":"2.0","id":"%s","method":7}',
        b'{"jsonrpc":"2.0","id":"%s","method":"a"',
        b'[{"id":"%s"}]',
    ):
        sent += [event.reply for event in receive(line % separators)[1] if isinstance(event, Refused)]
    assert len(sent) == 6
    assert parse(sent[0][:-1]) == {"jsonrpc": "2.0", "id": "\u2028", "result": "\u2028\u2029"}
    assert [parse(line[:-1]) for line in sent][1]["params"] == {"x": "\u2028\u2029"}


@given(st.lists(st.tuples(st.booleans(), st.text(max_size=3)), max_size=8), st.data())
def test_two_connections_can_talk_to_each_other(calls: list[tuple[bool, str]], data: st.DataObject) -> None:
    """Both sides send requests and answer them; responses have the ids of their requests."""
    ends = (Connection(), Connection())
    wires = [b"", b""]  # bytes sent by each end and not yet received
    asked: list[dict[int | str, str]] = [{}, {}]
    for from_second, text in calls:
        end = int(from_second)
        request_id, line = ends[end].call("say", json.dumps({"text": text}).encode())
        asked[end][request_id] = text
        wires[end] += line + ends[end].notify("told", b"{}")
    answered: list[dict[int | str, str]] = [{}, {}]
    while any(wires):
        for end in (0, 1):
            sent, wires[end] = wires[end], b""
            cut = data.draw(st.integers(0, len(sent)))
            ends[1 - end].receive(sent[:cut])
            ends[1 - end].receive(sent[cut:])
            for event in events(ends[1 - end]):
                if isinstance(event, Request):
                    wires[1 - end] += ends[1 - end].reply(event, json.dumps(event.params["text"]).encode())
                elif isinstance(event, Answered):
                    assert event.id is not None
                    answered[1 - end][event.id] = event.result
                else:
                    assert isinstance(event, Notified)
    assert answered == asked
