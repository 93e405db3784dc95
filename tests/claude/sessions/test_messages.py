"""The messages in the lines of the CLI."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sidecar_protocol.claude.runs import ClaudeUsage
from sidecar_protocol.claude.sessions import MessageKind

from sidecar.claude.billing import ProcessTotals
from sidecar.claude.sessions.messages import NewMessage, messages_in
from sidecar.claude.stream import RunReader

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


def assistant(*blocks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "assistant", "message": {"id": "m1", "content": list(blocks)}, **more}


def test_each_block_of_an_answer_is_a_message() -> None:
    line = assistant(
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "Look:"},
        {"type": "tool_use", "name": "Read", "input": {}},
        {"type": "hologram", "text": "?"},
    )
    assert list(messages_in(line)) == [
        NewMessage(MessageKind.THINKING, "hm", "m1"),
        NewMessage(MessageKind.ASSISTANT_TEXT, "Look:", "m1"),
        NewMessage(MessageKind.TOOL_USE, "Read", "m1"),
        NewMessage(MessageKind.RAW, "?", "m1"),
    ]


def test_each_form_of_a_tool_result_is_read() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "image", "source": {}}, {"type": "text", "text": "two"}]
    for content, text in (("plain", "plain"), (parts, "one\n\ntwo"), (None, "")):
        line = {"type": "user", "message": {"content": [{"type": "tool_result", "content": content}]}}
        assert list(messages_in(line)) == [NewMessage(MessageKind.TOOL_RESULT, text)]


def test_a_text_that_the_cli_writes_in_the_users_name_is_not_a_prompt() -> None:
    line = {"type": "user", "message": {"content": [{"type": "text", "text": "[Request interrupted by user]"}]}}
    assert list(messages_in(line)) == [NewMessage(MessageKind.RAW, "[Request interrupted by user]")]


def test_an_api_error_is_a_message_of_kind_error() -> None:
    line = assistant({"type": "text", "text": "API Error: 529"}, is_api_error_message=True)
    assert list(messages_in(line)) == [NewMessage(MessageKind.ERROR, "API Error: 529", "m1")]


@pytest.mark.parametrize(
    "line",
    [
        {"type": "stream_event", "event": {}},
        {"type": "result", "result": "again"},
        {"type": "control_response"},
        {"type": "system", "subtype": "init"},
        {"type": "system", "subtype": "hook_response", "hook_name": "Stop", "outcome": "success", "output": "fine"},
        {"type": "system", "subtype": "from_the_future", "state": 7},
        {"type": "new", "uuid": "u", "session_id": "s"},
        {},
    ],
)
def test_bookkeeping_lines_contain_no_message(line: dict[str, Any]) -> None:
    assert list(messages_in(line)) == []


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (
            {"subtype": "compact_boundary"},
            "The conversation was compacted: Claude goes on with a summary of the messages above.",
        ),
        ({"subtype": "permission_denied", "tool_name": "Bash"}, "Claude was not allowed to use Bash."),
        ({"subtype": "informational", "content": "Stop says: done"}, "Stop says: done"),
        (
            {"subtype": "hook_response", "hook_name": "Stop", "outcome": "error", "stderr": "no\n"},
            "The hook Stop failed: no",
        ),
    ],
)
def test_what_the_cli_says_to_the_user_becomes_a_notice(line: dict[str, Any], text: str) -> None:
    found = [(new.kind, new.text) for new in messages_in({"type": "system", **line})]
    assert found == [(MessageKind.NOTICE, text)]


@pytest.mark.parametrize("line", [{"type": "new", "payload": 1}, {"type": "system", "subtype": "new", "message": "x"}])
def test_unknown_lines_become_raw_messages(line: dict[str, Any]) -> None:
    assert [new.kind for new in messages_in(line)] == [MessageKind.RAW]


@given(st.dictionaries(st.sampled_from(["type", "subtype", "message", "event", "content"]), JSON), JSON)
def test_nothing_that_can_be_parsed_is_fatal(line: dict[str, Any], content: Any) -> None:
    for kind in ("assistant", "user", "system", "stream_event", "result"):
        for message in ({**line, "type": kind}, {"type": kind, "message": {"content": content}}):
            assert all(isinstance(new.text, str) for new in messages_in(message))
            RunReader().read(message)


def test_only_the_listed_lines_of_the_recorded_streams_are_unknown(recordings: Path) -> None:
    raw = set()
    for path in sorted(recordings.glob("*.jsonl")):
        for line in path.read_bytes().split(b"\n"):
            if line.startswith(b"{") and isinstance(message := json.loads(line), dict) and "type" in message:
                kinds = [new.kind for new in messages_in(message)]
                if MessageKind.RAW in kinds:
                    raw.add((message["type"], message.get("subtype")))
    assert raw <= {
        ("user", None),
        ("conversation_reset", None),
        ("system", "compact_boundary"),
        ("system", "informational"),
        ("system", "permission_denied"),
        ("system", "task_notification"),
        ("system", "task_started"),
    }


def test_usage_is_counted_once_for_each_message() -> None:
    start = {"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 5}
    reader = RunReader()
    for message_id in ("m1", "m2"):
        inner = {"id": message_id, "usage": start}
        reader.read({"type": "stream_event", "event": {"type": "message_start", "message": inner}})
        reader.read({"type": "assistant", "message": inner})
        reader.read({"type": "assistant", "message": inner})
        reader.read({"type": "stream_event", "event": {"type": "message_delta", "usage": {"output_tokens": 9}}})
    assert reader.usage.tokens == ClaudeUsage(input_tokens=20, output_tokens=18, cache_read_input_tokens=10)


def test_the_cost_of_a_prompt_is_the_increase_since_the_last_result() -> None:
    old = RunReader(ProcessTotals(cost_usd=0.5))
    old.read({"type": "result", "is_error": False, "total_cost_usd": 0.75})
    assert (old.usage.cost_usd, old.totals.cost_usd) == (0.25, 0.75)
    new = RunReader(ProcessTotals(cost_usd=0.5))
    models = {"a": {"costUSD": 0.1}, "b": {"costUSD": 0.2}}
    new.read({"type": "result", "is_error": False, "total_cost_usd": 9.0, "model_usage_since_last_result": models})
    assert new.usage.cost_usd is not None
    assert round(new.usage.cost_usd, 9) == 0.3
