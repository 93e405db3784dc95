"""A client of a real sidecar process, with the methods of sessions and permission requests."""

import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import ByteSendStream
from anyio.streams.buffered import BufferedByteReceiveStream
from sidecar_protocol.claude.conversations import Conversations
from sidecar_protocol.claude.permissions import PermissionRequest, Permissions
from sidecar_protocol.claude.sessions import ClaudeMessage, Sessions, SessionStatus

from sidecar.commandline.client import Received, SidecarClient
from tests.conftest import StartSidecar
from tests.fakes.anthropic import FakeAnthropic

NEWEST, OLDEST = "2.1.332", "2.1.197"
"""The releases of the real CLI that the tests run; .ci/package.json has them."""

SCRIPTED = "scripted"
every_claude = pytest.mark.parametrize("release", [SCRIPTED, NEWEST, OLDEST], indirect=True)
"""Runs a test with the scripted `claude` and with both releases of the real one."""
scripted = pytest.mark.parametrize("release", [SCRIPTED], indirect=True)
both_releases = pytest.mark.parametrize("release", [NEWEST, OLDEST], indirect=True)

TERMINAL = ("--print", "--input-format=stream-json", "--output-format=stream-json", "--verbose")
"""Arguments with which `claude` can be used as in a terminal, but from a test."""

FINAL = ("succeeded", "failed", "cancelled", "interrupted")


class ClaudeClient:
    """`sessions`, `permissions` and `conversations` are the methods; `received` are all notifications so far."""

    def __init__(self, client: SidecarClient) -> None:
        self.client = client
        self.sessions = client.remote(Sessions)
        self.permissions = client.remote(Permissions)
        self.conversations = client.remote(Conversations)
        self.received: list[Received] = []

    async def until(self, is_match: Callable[[Received], object]) -> dict[str, Any]:
        """Waits for the first notification, including earlier ones, that matches; returns its params."""
        for received in self.received:
            if is_match(received):
                return received.params
        async for received in self.client.notifications:
            self.received.append(received)
            if is_match(received):
                return received.params
        raise EOFError("the sidecar has ended")

    async def until_job(self, job_id: str, *statuses: str) -> dict[str, Any]:
        """Waits until a job has one of these statuses; returns the job."""

        def matches(received: Received) -> bool:
            job = received.params.get("job", {})
            return received.method == "jobs.updated" and job["job_id"] == job_id and job["status"] in statuses

        found: dict[str, Any] = (await self.until(matches))["job"]
        return found

    async def first_delta(self, job_id: str) -> dict[str, Any]:
        """Waits for the first delta of a job."""
        return await self.until(lambda one: one.method == "claude.delta" and one.params["job_id"] == job_id)

    async def permission_request(self, job_id: str) -> PermissionRequest:
        """Waits for the first permission request of a turn."""

        def matches(received: Received) -> bool:
            return received.method == "claude.permission_requested" and received.params["request"]["job_id"] == job_id

        return PermissionRequest.model_validate((await self.until(matches))["request"])

    async def resolved_request(self, request_id: str) -> PermissionRequest:
        """Waits until a permission request is closed."""

        def matches(received: Received) -> bool:
            resolved = received.method == "claude.permission_resolved"
            return resolved and received.params["request"]["request_id"] == request_id

        return PermissionRequest.model_validate((await self.until(matches))["request"])

    async def until_status(self, session_id: str, status: SessionStatus) -> None:
        """Waits until a session has had this status."""

        def matches(received: Received) -> bool:
            session = received.params.get("session", {})
            return (session.get("session_id"), session.get("status")) == (session_id, status)

        await self.until(matches)

    async def take_turn(self, session_id: str, prompt: str) -> dict[str, Any]:
        """Runs a turn; returns its finished job."""
        job = await self.sessions.send(session_id=session_id, prompt=prompt)
        return await self.until_job(job.job_id, *FINAL)

    async def answer_text(self, session_id: str, prompt: str) -> str:
        """Runs a turn that must succeed; returns its text."""
        job = await self.take_turn(session_id, prompt)
        assert job["status"] == "succeeded", job["error"]
        text: str = job["result"]["text"]
        return text

    async def messages(self, session_id: str) -> list[ClaudeMessage]:
        """Returns all messages of a session."""
        page = await self.sessions.list_messages(session_id=session_id, limit=500)
        assert page.next_cursor is None
        return page.messages


@dataclass(frozen=True)
class Terminal:
    """A `claude` that reads prompts until it is left."""

    stdin: ByteSendStream
    stdout: BufferedByteReceiveStream

    async def say(self, prompt: str) -> str:
        """Sends a prompt and waits for its result; returns the conversation's id."""
        message = {"type": "user", "message": {"role": "user", "content": prompt}, "parent_tool_use_id": None}
        await self.stdin.send(json.dumps(message).encode() + b"\n")
        while True:
            line = json.loads(await self.stdout.receive_until(b"\n", 1_000_000))
            if line["type"] == "result":
                assert line["is_error"] is False, line
                return str(line["session_id"])


@dataclass(frozen=True)
class Talk:
    """Sidecars whose `claude` is scripted, or a real one that uses a fake API; `api` is None for the scripted one."""

    sidecar: StartSidecar
    environment: Mapping[str, str]
    api: FakeAnthropic | None

    @property
    def config_dir(self) -> Path:
        """The folder of the settings and records of `claude`."""
        return Path(self.environment["CLAUDE_CONFIG_DIR"])

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[ClaudeClient]:
        """Starts a sidecar; all of them have the same database.  At the end, checks the usage that it lists."""
        async with connected(self.sidecar, **self.environment) as claude:
            yield claude
            if self.api is not None and claude.client.process.returncode is None:
                await check_usage(claude, self.api, is_alone=False)

    async def known(self, claude: ClaudeClient, session_id: str) -> str:
        """Takes a turn, and returns what Claude knows in it: the conversation with this prompt."""
        answer = await claude.answer_text(session_id, "[[known]]")
        return answer if self.api is None else str(self.api.messages()[-1].body["messages"])

    async def model(self, claude: ClaudeClient, session_id: str) -> str:
        """Takes a turn, and returns the model that answered."""
        model: str = (await claude.take_turn(session_id, "Which model?"))["result"]["model"]
        return model

    @asynccontextmanager
    async def terminal(self, claude_session_id: str | None, cwd: Path) -> AsyncIterator[Terminal]:
        """A `claude` that is not the sidecar's, and goes on with a conversation or begins one."""
        resumed = [] if claude_session_id is None else [f"--resume={claude_session_id}"]
        command = [self.environment["CLAUDE_PATH"], *TERMINAL, *resumed]
        environment = {"PATH": os.environ["PATH"], **self.environment}
        async with await anyio.open_process(command, cwd=cwd, env=environment) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            yield Terminal(process.stdin, BufferedByteReceiveStream(process.stdout))
            await process.stdin.aclose()
            await process.wait()

    async def say_in_terminal(self, claude_session_id: str | None, prompt: str, cwd: Path) -> str:
        """Says one thing in a terminal; returns the conversation's id."""
        async with self.terminal(claude_session_id, cwd) as terminal:
            return await terminal.say(prompt)

    def write_settings(self, **settings: object) -> None:
        """Writes the user's settings of `claude`."""
        self.config_dir.mkdir(parents=True, exist_ok=True)
        (self.config_dir / "settings.json").write_text(json.dumps(settings))

    def records(self) -> list[Path]:
        """Returns the files in which `claude` has recorded conversations."""
        return list(self.config_dir.glob("projects/*/*.jsonl"))

    def delete_records(self) -> None:
        """Deletes all records, as `claude` does after a month."""
        records = self.records()
        assert records
        for record in records:
            record.unlink()


async def check_usage(claude: ClaudeClient, api: FakeAnthropic, *, is_alone: bool = True) -> None:
    """Checks the listed usage against what the API has billed.

    It is never more, and all of it once all jobs have ended by themselves, also in failure, if only this sidecar
    `is_alone` with the API.  Of a call that was broken off by a cancel, an interrupt or a kill, the CLI reports what it
    has read, which can be nothing; 2.1.332 estimates the tokens of its output, about one for three characters.
    """
    now = datetime.now(UTC)
    around = {"start": (now - timedelta(hours=2)).isoformat(), "end": (now + timedelta(hours=2)).isoformat()}
    usage = (await claude.client.call("claude.usage.list", around))["usage"]
    jobs = (await claude.client.call("jobs.list", {"limit": 200}))["jobs"]
    ended = all(job["status"] in ("succeeded", "failed") for job in jobs)
    most = api.at_most_billed
    if not ended:
        most["output_tokens"] += api.written
    assert all(count <= most[name] for name, count in usage.items()), (usage, most)
    if is_alone and ended:
        assert all(count >= api.billed[name] for name, count in usage.items()), (usage, api.billed)
        if all(job["status"] == "succeeded" for job in jobs):
            assert usage == api.billed


@asynccontextmanager
async def connected(sidecar: StartSidecar, **environment: str) -> AsyncIterator[ClaudeClient]:
    """A client of a new sidecar, after the handshake, for at most ten minutes: the CLI's own schedules take one."""
    with anyio.fail_after(600):
        async with sidecar(**environment) as client:
            await client.initialize("tests")
            yield ClaudeClient(client)
