"""The hub as an MCP server inside a process of the CLI, over its own stdin and stdout.

Measured with 2.1.197 and 2.1.332: for a server of the type `sdk`, the CLI sends each message of the Model Context
Protocol as a control request `mcp_message`, also those that have no response, and waits for the answer to it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from sidecar_protocol.claude.runs import HubAccess
from sidecar_protocol.contract import ToolUse
from sidecar_protocol.tools import Tool

from sidecar.hub.connection import NAME, HubConnection, Tools
from sidecar.hub.tools import Hub
from sidecar.json_reader import get_object, get_text

MESSAGE: Final = "mcp_message"
USES: Final = {
    HubAccess.OFF: (),
    HubAccess.READ: (ToolUse.READ,),
    HubAccess.ACT: (ToolUse.READ, ToolUse.ACT),
}

Line = Mapping[str, Any]
Send = Callable[[Line], None]


def is_hub_request(line: Line) -> bool:
    """Returns whether a control request is a message to one of our MCP servers."""
    return line.get("type") == "control_request" and get_text(line, "request", "subtype") == MESSAGE


def cli_name(tool: Tool) -> str:
    """Returns the name that a tool has in the CLI, as in its rules."""
    return f"mcp__{NAME}__{tool.name}"


def tools_for(hub: Hub, access: HubAccess) -> list[Tool]:
    return hub.tools(*USES[access])


def rules_for(hub: Hub, access: HubAccess) -> list[str]:
    """Returns the rules for the tools that need no permission."""
    return [cli_name(tool) for tool in tools_for(hub, access) if tool.use is ToolUse.READ]


class HubServer:
    """The server of one process.  `close` it at the exit."""

    def __init__(self, calls: Tools, tools: Iterable[Tool], send: Send) -> None:
        self._connection = HubConnection(calls, tools)
        self._send = send

    def on_line(self, line: Line) -> None:
        """Answers a line if it is a message to the server."""
        if not is_hub_request(line):  # the CLI knows no other server of this type
            return
        request_id = line.get("request_id")

        def respond(message: Line) -> None:
            inner = {"subtype": "success", "request_id": request_id, "response": {"mcp_response": message}}
            self._send({"type": "control_response", "response": inner})

        if not self._connection.receive(get_object(line, "request", "message"), respond):
            respond({"jsonrpc": "2.0", "id": None, "result": {}})

    def close(self) -> None:
        """Ends the calls that are not answered yet."""
        self._connection.close()
