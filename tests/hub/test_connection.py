"""A client of the tools: what it cancels ends, also if it uses an id again."""

from collections.abc import Mapping
from typing import Any

import anyio
from sidecar_protocol import catalog
from sidecar_protocol.contract import ToolUse
from sidecar_protocol.tools import tools_of

from sidecar.hub.connection import HubConnection
from sidecar.hub.tools import Answer


class Waiting:
    """Tools whose calls wait until they are cancelled; `ended` counts those that were."""

    def __init__(self) -> None:
        self.begun = self.ended = 0

    def instructions(self) -> str:
        return ""

    async def call(self, name: str, arguments: Mapping[str, Any]) -> Answer:
        del name, arguments
        self.begun += 1
        try:
            await anyio.sleep_forever()
        finally:
            self.ended += 1
        raise AssertionError


async def test_an_id_that_is_used_again_after_a_cancellation_names_the_new_call() -> None:
    tools, sent = Waiting(), list[dict[str, Any]]()
    connection = HubConnection(tools, tools_of(catalog.methods(), ToolUse.READ))
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "jobs_list"}}
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    connection.receive(call, sent.append)
    await anyio.wait_all_tasks_blocked()
    connection.receive(cancel, sent.append)
    connection.receive(call, sent.append)
    await anyio.wait_all_tasks_blocked()
    assert (tools.begun, tools.ended) == (2, 1)
    connection.receive(cancel, sent.append)
    await anyio.wait_all_tasks_blocked()
    assert (tools.begun, tools.ended, sent) == (2, 2, [])
    connection.receive(call, sent.append)
    await anyio.wait_all_tasks_blocked()
    connection.close()
    await anyio.wait_all_tasks_blocked()
    assert (tools.begun, tools.ended) == (3, 3)
