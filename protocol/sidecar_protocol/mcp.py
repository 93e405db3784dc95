"""A server of the Model Context Protocol that offers tools, without I/O.

The caller passes the messages of the client to `receive`, sends each `Reply`, and carries out each `Call`, whose
response `answer` returns.  Input from the client never raises.  It has tools and nothing else: for prompts and
resources there is no method.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sidecar_protocol.json_line import Id, is_id

VERSIONS: Final = ("2025-11-25", "2025-06-18", "2024-11-05")
"""The versions of the protocol that are spoken, newest first.  2025-03-26 would demand batches."""
MAX_CALLS: Final = 16
"""Calls at once; more are refused."""

INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """A message to send."""

    message: Message


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool, to be answered with `answer`."""

    call_id: Id
    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The client no longer waits for a call, which needs no answer."""

    call_id: Id


class McpServer:
    """The server's side of one connection."""

    def __init__(self, tools: Iterable[Mapping[str, Any]], *, name: str, version: str, instructions: str) -> None:
        """`tools` are their descriptions as `tools/list` sends them."""
        self._tools = list(tools)
        self._names = {tool["name"] for tool in self._tools}
        self._calls: set[Id] = set()
        self._about = {
            "capabilities": {"tools": {}},
            "serverInfo": {"name": name, "version": version},
            "instructions": instructions,
        }

    def receive(self, message: object) -> Reply | Call | Cancelled | None:
        """Handles a message of the client.  Returns None if nothing is to be done."""
        if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
            return Reply(_error(None, INVALID_REQUEST, "This is not a message of JSON-RPC 2.0."))
        method, request_id = message.get("method"), message.get("id")
        params = message.get("params")
        params = {} if params is None else params
        if not isinstance(method, str):  # a response, though nothing was requested, or nonsense
            return None if "result" in message or "error" in message else _refused(request_id, "It has no method.")
        if "id" not in message:
            return self._notified(method, params)
        if not isinstance(request_id, int | str) or not is_id(request_id) or not isinstance(params, dict):
            return _refused(request_id, "Its id must be an integer or a string, and its params an object.")
        return self._requested(request_id, method, params)

    def answer(self, call_id: Id, text: str, *, is_error: bool = False) -> Message | None:
        """Returns the response to a call; None if the client has cancelled it."""
        if call_id not in self._calls:
            return None
        self._calls.remove(call_id)
        result: Message = {"content": [{"type": "text", "text": text}]}
        return _result(call_id, result | {"isError": True} if is_error else result)

    def _notified(self, method: str, params: object) -> Cancelled | None:
        call_id = params.get("requestId") if isinstance(params, dict) else None
        if method == "notifications/cancelled" and is_id(call_id) and call_id in self._calls:
            self._calls.remove(call_id)
            return Cancelled(call_id)
        return None

    def _requested(self, request_id: Id, method: str, params: Message) -> Reply | Call:
        match method:
            case "initialize":
                version = _offered(params.get("protocolVersion"))
                return Reply(_result(request_id, {"protocolVersion": version, **self._about}))
            case "ping":
                return Reply(_result(request_id, {}))
            case "tools/list":
                return Reply(_result(request_id, {"tools": self._tools}))
            case "tools/call":
                return self._called(request_id, params)
        return Reply(_error(request_id, METHOD_NOT_FOUND, f"There is no method {method[:100]!r}."))

    def _called(self, request_id: Id, params: Message) -> Reply | Call:
        tool, arguments = params.get("name"), params.get("arguments")
        arguments = {} if arguments is None else arguments
        if not isinstance(tool, str) or tool not in self._names:
            known = ", ".join(sorted(self._names))
            return Reply(_error(request_id, INVALID_PARAMS, f"There is no tool {str(tool)[:100]!r}, only: {known}."))
        if not isinstance(arguments, dict):
            return Reply(_error(request_id, INVALID_PARAMS, "The arguments must be an object."))
        if request_id in self._calls:
            return Reply(_error(request_id, INVALID_REQUEST, "A call with this id is not answered yet."))
        if len(self._calls) >= MAX_CALLS:
            return Reply(_error(request_id, INVALID_REQUEST, f"{MAX_CALLS} calls are not answered yet; wait for one."))
        self._calls.add(request_id)
        return Call(request_id, tool, arguments)


def _offered(asked: object) -> str:
    """Returns the newest version that is not newer than the one that the client asks for.

    A client ends if it does not know the version, and one of 2025-03-26 knows 2024-11-05, but nothing newer.
    """
    if not isinstance(asked, str):
        return VERSIONS[0]
    return next((version for version in VERSIONS if version <= asked), VERSIONS[-1])


def _refused(request_id: object, reason: str) -> Reply:
    known = request_id if isinstance(request_id, int | str) and is_id(request_id) else None
    return Reply(_error(known, INVALID_REQUEST, f"The message cannot be handled. {reason}"))


def _result(request_id: Id, result: Message) -> Message:
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def _error(request_id: Id | None, code: int, message: str) -> Message:
    return {"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": message}}
