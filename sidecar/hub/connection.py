"""A client of the tools: its messages in, the responses out, each call in a task of its own."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Protocol

from sidecar_protocol.json_line import Id
from sidecar_protocol.mcp import Call, Cancelled, McpServer, Reply
from sidecar_protocol.tools import Tool

from sidecar import __version__
from sidecar.hub.tools import Answer

NAME = "hub"
"""The server's name; Claude Code puts it into the names of the tools: `mcp__hub__jobs_list`."""


class Tools(Protocol):
    """Calls the tools: the hub, or a gate before it."""

    def instructions(self) -> str: ...

    async def call(self, name: str, arguments: Mapping[str, Any]) -> Answer: ...


Send = Callable[[dict[str, Any]], None]


class HubConnection:
    """One client.  `close` it when the client is gone: what it still waits for is cancelled."""

    def __init__(self, hub: Tools, tools: Iterable[Tool]) -> None:
        self._hub = hub
        definitions = [tool.definition for tool in tools]
        self._server = McpServer(definitions, name=NAME, version=__version__, instructions=hub.instructions())
        self._tasks: dict[Id, asyncio.Task[None]] = {}

    def receive(self, message: object, send: Send) -> bool:
        """Handles a message; `send` gets the response, now or later.  Returns False if there is none."""
        event = self._server.receive(message)
        match event:
            case Reply():
                send(event.message)
            case Call():
                task = asyncio.get_running_loop().create_task(self._call(event, send))
                self._tasks[event.call_id] = task
                task.add_done_callback(partial(self._ended, event.call_id))
            case Cancelled():
                self._tasks.pop(event.call_id).cancel()
        return isinstance(event, Reply | Call)

    def _ended(self, call_id: Id, task: asyncio.Task[None]) -> None:
        if self._tasks.get(call_id) is task:  # a cancelled call's id may be in use again
            del self._tasks[call_id]

    def close(self) -> None:
        for task in list(self._tasks.values()):
            task.cancel()

    async def finish(self, limit_s: float) -> None:
        """Waits until all calls are answered, at most so long, and closes the connection."""
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=limit_s)
        self.close()

    async def _call(self, call: Call, send: Send) -> None:
        answer = await self._hub.call(call.tool, call.arguments)
        message = self._server.answer(call.call_id, answer.text, is_error=answer.is_error)
        if message is not None:
            send(message)
