"""A client of a real sidecar process that holds conversations."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from sidecar_protocol.claude.permissions import PermissionRequest, Permissions
from sidecar_protocol.claude.sessions import ClaudeMessage, Sessions, SessionStatus

from sidecar.commandline.client import Received, SidecarClient
from tests.conftest import StartSidecar

NEWEST, OLDEST = "2.1.330", "2.1.197"
"""The releases of the real CLI that the tests run; .ci/package.json has them."""

both_releases = pytest.mark.parametrize("release", [NEWEST, OLDEST], indirect=True)

FINAL = ("succeeded", "failed", "cancelled", "interrupted")


class ClaudeClient:
    """`sessions` are the methods; what comes unasked is kept in `told`."""

    def __init__(self, client: SidecarClient) -> None:
        self.client = client
        self.sessions = client.remote(Sessions)
        self.permissions = client.remote(Permissions)
        self.received: list[Received] = []

    async def until(self, holds: Callable[[Received], object]) -> dict[str, Any]:
        """The params of the first notification, past or to come, for which this holds."""
        for received in self.received:
            if holds(received):
                return received.params
        async for received in self.client.notifications:
            self.received.append(received)
            if holds(received):
                return received.params
        raise EOFError("the sidecar has ended")

    async def until_job(self, job_id: str, *statuses: str) -> dict[str, Any]:
        """The job, once it has one of these statuses."""

        def is_it(received: Received) -> bool:
            job = received.params.get("job", {})
            return received.method == "jobs.updated" and job["job_id"] == job_id and job["status"] in statuses

        found: dict[str, Any] = (await self.until(is_it))["job"]
        return found

    async def first_delta(self, job_id: str) -> dict[str, Any]:
        """The first piece of text of a turn."""
        return await self.until(lambda one: one.method == "claude.delta" and one.params["job_id"] == job_id)

    async def permission_request(self, job_id: str) -> PermissionRequest:
        """What a turn asks first."""

        def is_it(received: Received) -> bool:
            return received.method == "claude.permission_requested" and received.params["request"]["job_id"] == job_id

        return PermissionRequest.model_validate((await self.until(is_it))["request"])

    async def resolved_request(self, request_id: str) -> PermissionRequest:
        """A question once it is closed."""

        def is_it(received: Received) -> bool:
            resolved = received.method == "claude.permission_resolved"
            return resolved and received.params["request"]["request_id"] == request_id

        return PermissionRequest.model_validate((await self.until(is_it))["request"])

    async def until_status(self, session_id: str, status: SessionStatus) -> None:
        """Wait until the session has this status, from its last notification on."""

        def is_it(received: Received) -> bool:
            session = received.params.get("session", {})
            return (session.get("session_id"), session.get("status")) == (session_id, status)

        await self.until(is_it)

    async def take_turn(self, session_id: str, prompt: str) -> dict[str, Any]:
        """Take a turn: its finished job."""
        job = await self.sessions.send(session_id=session_id, prompt=prompt)
        return await self.until_job(job.job_id, *FINAL)

    async def answer_text(self, session_id: str, prompt: str) -> str:
        """Take a turn that succeeds: its text."""
        job = await self.take_turn(session_id, prompt)
        assert job["status"] == "succeeded", job["error"]
        text: str = job["result"]["text"]
        return text

    async def messages(self, session_id: str) -> list[ClaudeMessage]:
        """All messages of a session."""
        page = await self.sessions.list_messages(session_id=session_id, limit=500)
        assert page.next_cursor is None
        return page.messages


@asynccontextmanager
async def connected(sidecar: StartSidecar, **environment: str) -> AsyncIterator[ClaudeClient]:
    """A sidecar after the handshake, for at most a minute."""
    with anyio.fail_after(120):
        async with sidecar(**environment) as client:
            await client.initialize("tests")
            yield ClaudeClient(client)
