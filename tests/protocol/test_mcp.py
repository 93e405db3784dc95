"""The MCP server without I/O: the handshake, the list of tools, calls, and clients that make mistakes."""

from typing import Any

import pytest
from sidecar_protocol.mcp import MAX_CALLS, VERSIONS, Call, Cancelled, McpServer, Reply

TOOL = {"name": "jobs_list", "description": "Lists jobs.", "inputSchema": {"type": "object", "properties": {}}}


@pytest.fixture
def server() -> McpServer:
    return McpServer([TOOL], name="hub", version="1", instructions="Read only.")


def request(method: str, request_id: object = 1, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def result(event: object) -> Any:
    assert isinstance(event, Reply)
    return event.message["result"]


def error_code(event: object) -> int:
    assert isinstance(event, Reply)
    code: int = event.message["error"]["code"]
    return code


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_that_both_know_is_spoken(server: McpServer, version: str) -> None:
    answer = result(server.receive(request("initialize", 0, protocolVersion=version)))
    assert answer == {
        "protocolVersion": version,
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "hub", "version": "1"},
        "instructions": "Read only.",
    }


@pytest.mark.parametrize(
    ("version", "offered"),
    [
        ("2026-07-28", "2025-11-25"),
        ("2025-09-01", "2025-06-18"),
        ("2025-03-26", "2024-11-05"),
        ("2024-10-07", "2024-11-05"),
        ("", "2024-11-05"),
        (None, "2025-11-25"),
        (7, "2025-11-25"),
        ([], "2025-11-25"),
    ],
)
def test_for_another_version_one_that_a_client_of_it_can_know_is_offered(
    server: McpServer, version: object, offered: str
) -> None:
    answer = result(server.receive(request("initialize", protocolVersion=version)))
    assert answer["protocolVersion"] == offered


def test_tools_are_listed_and_called(server: McpServer) -> None:
    assert server.receive({"jsonrpc": "2.0", "method": "notifications/initialized"}) is None
    assert result(server.receive(request("ping"))) == {}
    assert result(server.receive(request("tools/list"))) == {"tools": [TOOL]}
    assert server.receive(request("tools/call", 7, name="jobs_list", arguments={"limit": 5})) == Call(
        7, "jobs_list", {"limit": 5}
    )
    assert server.answer(7, "[]") == {
        "jsonrpc": "2.0",
        "id": 7,
        "result": {"content": [{"type": "text", "text": "[]"}]},
    }
    assert server.receive(request("tools/call", "a", name="jobs_list")) == Call("a", "jobs_list", {})
    failed = server.answer("a", "{}", is_error=True)
    assert failed is not None
    assert failed["result"]["isError"] is True


def test_a_cancelled_call_is_not_answered(server: McpServer) -> None:
    server.receive(request("tools/call", 7, name="jobs_list"))
    cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7, "reason": "late"}}
    assert server.receive(cancelled) == Cancelled(7)
    assert server.receive(cancelled) is None
    assert server.answer(7, "[]") is None


def test_an_unknown_method_or_tool_is_an_error_that_names_what_there_is(server: McpServer) -> None:
    assert error_code(server.receive(request("resources/list"))) == -32601
    event = server.receive(request("tools/call", name="rm", arguments={}))
    assert error_code(event) == -32602
    assert isinstance(event, Reply)
    assert "jobs_list" in event.message["error"]["message"]
    assert error_code(server.receive(request("tools/call", name=["jobs_list"]))) == -32602
    assert error_code(server.receive(request("tools/call", name="jobs_list", arguments=[1]))) == -32602


def test_calls_at_once_are_limited_and_an_id_is_used_once(server: McpServer) -> None:
    for number in range(MAX_CALLS):
        assert isinstance(server.receive(request("tools/call", number, name="jobs_list")), Call)
    assert error_code(server.receive(request("tools/call", 3, name="jobs_list"))) == -32600
    assert error_code(server.receive(request("tools/call", "more", name="jobs_list"))) == -32600
    server.answer(3, "[]")
    assert isinstance(server.receive(request("tools/call", "more", name="jobs_list")), Call)


@pytest.mark.parametrize(
    "message",
    [
        [],
        "ping",
        {},
        {"jsonrpc": "1.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "id": 1},
        {"jsonrpc": "2.0", "id": None, "method": "ping"},
        {"jsonrpc": "2.0", "id": [1], "method": "ping"},
        {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": [1]},
        {"jsonrpc": "2.0", "id": 1, "method": 7},
    ],
)
def test_nonsense_is_refused(server: McpServer, message: object) -> None:
    assert error_code(server.receive(message)) == -32600


@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "id": 1, "result": {}},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": []},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": []}},
        {"jsonrpc": "2.0", "method": "notifications/from_the_future"},
    ],
)
def test_what_needs_no_answer_gets_none(server: McpServer, message: object) -> None:
    assert server.receive(message) is None
