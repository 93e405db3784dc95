"""Calls of the hub that take long, which an interrupt or the death of the CLI ends, and a hub that fails."""

import asyncio
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from sidecar_protocol import catalog
from sidecar_protocol.claude.runs import HubAccess
from sidecar_protocol.contract import ToolUse
from sidecar_protocol.tools import Tool

from sidecar.hub.tools import Answer, Hub
from sidecar.job_handler import JobFailed
from tests.claude.client import Talk, every_claude
from tests.claude.harness import cli_of, processes_of, until
from tests.claude.turn_harness import turn_harness

CALL = "[[call:mcp__hub__jobs_list:{}]]"


class SlowHub(Hub):
    """A hub whose calls take for ever; `calls` are those that have begun, `ended` those that were cancelled."""

    def __init__(self) -> None:
        super().__init__(lambda _: None, catalog.methods, lambda: "id", lambda: "UTC")
        self.calls: list[str] = []
        self.ended: list[str] = []
        self.is_slow = True

    async def call(self, name: str, arguments: Mapping[str, Any], **added: Any) -> Answer:
        del arguments
        self.calls.append(name)
        try:
            if self.is_slow:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.ended.append(name)
            raise
        return Answer('{"jobs":[]}')


@every_claude
async def test_an_interrupt_ends_the_call_and_the_process_goes_on(talk: Talk, tmp_path: Path) -> None:
    hub = SlowHub()
    async with turn_harness(Path(talk.environment["CLAUDE_PATH"]), tmp_path, hub, talk.environment) as harness:
        session = harness.create_session(hub=HubAccess.READ)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(harness.run, session.session_id, CALL)
            await until(lambda: hub.calls)
            process = cli_of(session.session_id)
            tasks.cancel_scope.cancel()
        await until(lambda: hub.ended)
        assert hub.ended == ["jobs_list"]
        hub.is_slow = False
        result = await harness.run(session.session_id, CALL)
        assert result.text.endswith('{"jobs":[]}')
        assert cli_of(session.session_id) == process


@every_claude
async def test_the_death_of_the_cli_ends_the_call(talk: Talk, tmp_path: Path) -> None:
    hub = SlowHub()
    async with turn_harness(Path(talk.environment["CLAUDE_PATH"]), tmp_path, hub, talk.environment) as harness:
        session = harness.create_session(hub=HubAccess.READ)

        async def fails() -> None:
            with pytest.raises(JobFailed):
                await harness.run(session.session_id, CALL)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fails)
            await until(lambda: hub.calls)
            process = cli_of(session.session_id)
            process.kill()
        assert hub.ended == ["jobs_list"]
        hub.is_slow = False
        assert (await harness.run(session.session_id, CALL)).text.endswith('{"jobs":[]}')


class HubWithoutDisk(SlowHub):
    """A hub that fails as soon as the process of `session_id` runs."""

    session_id = ""

    def tools(self, *uses: ToolUse) -> list[Tool]:
        if processes_of(self.session_id):
            raise sqlite3.OperationalError("database is locked")
        return super().tools(*uses)


async def test_a_process_that_cannot_be_given_the_hub_is_ended(standin: Path, tmp_path: Path) -> None:
    hub = HubWithoutDisk()
    async with turn_harness(standin, tmp_path, hub) as harness:
        hub.session_id = harness.create_session(hub=HubAccess.READ).session_id
        with pytest.raises(sqlite3.OperationalError):
            await harness.run(hub.session_id, "Hello")
        assert processes_of(hub.session_id) == []
