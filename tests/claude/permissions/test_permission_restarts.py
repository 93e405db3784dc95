"""Permission requests survive a shutdown and kill -9 of the sidecar, but not the death of the CLI."""

import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sidecar_protocol.claude.permissions import PermissionDecision, PermissionRequest, PermissionStatus
from sidecar_protocol.claude.sessions import MessageKind, SessionStatus

from tests.claude.client import ClaudeClient, connected
from tests.claude.harness import processes_of, until
from tests.conftest import StartSidecar

ALLOW, DENY = PermissionDecision.ALLOW, PermissionDecision.DENY
INPUT = {"command": "ls"}
PROMPT = f"[[ask:Bash:{json.dumps(INPUT)}]]"


async def interrupted_request(sidecar: StartSidecar, standin: Path, how: str) -> PermissionRequest:
    """Returns a request that was open when the sidecar ended."""
    async with sidecar(CLAUDE_PATH=str(standin)) as client:
        await client.initialize("tests")
        claude = ClaudeClient(client)
        session = await claude.sessions.create()
        job = await claude.sessions.send(session_id=session.session_id, prompt=PROMPT)
        request = await claude.permission_request(job.job_id)
        if how == "killed":
            client.process.kill()
            await client.process.wait()
    await until(lambda: processes_of(session.session_id) == [])
    return request


@asynccontextmanager
async def restarted(sidecar: StartSidecar, standin: Path, request: PermissionRequest) -> AsyncIterator[ClaudeClient]:
    """A client of the next sidecar, after its recovery."""
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        ended = await claude.client.call("jobs.get", {"job_id": request.job_id})
        if ended["status"] == "running":  # recovery is still at work
            await claude.until_job(request.job_id, "interrupted")
        yield claude


async def prompts(claude: ClaudeClient, session_id: str) -> list[str]:
    return [one.text for one in await claude.messages(session_id) if one.kind is MessageKind.USER]


@pytest.mark.parametrize("how", ["killed", "shut down"])
async def test_a_response_after_a_restart_continues_the_session(sidecar: StartSidecar, standin: Path, how: str) -> None:
    request = await interrupted_request(sidecar, standin, how)
    async with restarted(sidecar, standin, request) as claude:
        (left_open,) = (await claude.permissions.list(status=PermissionStatus.OPEN)).requests
        assert left_open == request.model_copy(update={"turn_ended": True, "version": 2})
        session = await claude.sessions.get(session_id=request.session_id)
        assert session.status is SessionStatus.WAITING
        answered = await claude.permissions.respond(request_id=request.request_id, decision=ALLOW)
        assert answered.status is PermissionStatus.ALLOWED
        assert answered.resumed_by is not None
        assert await claude.resolved_request(request.request_id) == answered
        job = await claude.until_job(answered.resumed_by, "succeeded")
        assert json.loads(job["result"]["text"]) == {"behavior": "allow", "updatedInput": INPUT}
        (only,) = (await claude.permissions.list()).requests
        assert only == answered
        first_prompt, late_prompt = await prompts(claude, request.session_id)
        assert first_prompt == PROMPT
        assert json.dumps(INPUT, separators=(",", ":")) in late_prompt
        assert (await claude.sessions.get(session_id=request.session_id)).status is SessionStatus.IDLE


async def test_a_late_response_comes_before_the_prompts_that_were_queued_meanwhile(
    sidecar: StartSidecar, standin: Path
) -> None:
    """Its prompt speaks of Claude's last turn; and a turn in between could make the call as well."""
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session_id = (await claude.sessions.create()).session_id
        waiting = await claude.sessions.send(session_id=session_id, prompt=PROMPT)
        request = await claude.permission_request(waiting.job_id)
        await claude.client.call("jobs.queue.pause")
        queued = await claude.sessions.send(session_id=session_id, prompt="[[text:next]]", priority=5)
    async with restarted(sidecar, standin, request) as claude:
        answered = await claude.permissions.respond(request_id=request.request_id, decision=ALLOW)
        await claude.client.call("jobs.queue.resume")
        await claude.until_job(queued.job_id, "succeeded")
        first, late, last = await prompts(claude, session_id)
        assert (first, last) == (PROMPT, "[[text:next]]")
        assert late.startswith("Your last turn was interrupted")
        assert (await claude.client.call("jobs.get", {"job_id": answered.resumed_by}))["status"] == "succeeded"


async def test_a_late_response_allows_exactly_one_call(sidecar: StartSidecar, standin: Path) -> None:
    request = await interrupted_request(sidecar, standin, "killed")
    safer = {"command": "ls -d ."}
    async with restarted(sidecar, standin, request) as claude:
        answered = await claude.permissions.respond(request_id=request.request_id, decision=ALLOW, updated_input=safer)
        job = await claude.until_job(answered.resumed_by or "", "succeeded")
        assert json.loads(job["result"]["text"]) == {"behavior": "allow", "updatedInput": safer}
        again = await claude.sessions.send(session_id=request.session_id, prompt=f"[[ask:Bash:{json.dumps(safer)}]]")
        second = await claude.permission_request(again.job_id)
        assert (second.input, second.status) == (safer, PermissionStatus.OPEN)


async def test_claude_receives_a_late_denial(sidecar: StartSidecar, standin: Path) -> None:
    request = await interrupted_request(sidecar, standin, "killed")
    async with restarted(sidecar, standin, request) as claude:
        answered = await claude.permissions.respond(request_id=request.request_id, decision=DENY, message="Too early.")
        await claude.until_job(answered.resumed_by or "", "succeeded")
        assert "The user has now denied it: Too early." in (await prompts(claude, request.session_id))[-1]


async def test_a_late_response_can_be_remembered(sidecar: StartSidecar, standin: Path) -> None:
    request = await interrupted_request(sidecar, standin, "killed")
    async with restarted(sidecar, standin, request) as claude:
        await claude.permissions.respond(request_id=request.request_id, decision=ALLOW, remember=True)
        session = await claude.sessions.get(session_id=request.session_id)
        assert session.allowed_tools == ["Bash(ls)"]


async def test_another_prompt_cancels_an_old_request(sidecar: StartSidecar, standin: Path) -> None:
    request = await interrupted_request(sidecar, standin, "killed")
    async with restarted(sidecar, standin, request) as claude:
        assert await claude.answer_text(request.session_id, "[[text:never mind]]") == "never mind"
        closed = await claude.resolved_request(request.request_id)
        assert (closed.status, closed.message) == (
            PermissionStatus.CANCELLED,
            "The conversation continued without an answer.",
        )
        assert (await claude.sessions.get(session_id=request.session_id)).status is SessionStatus.IDLE


async def test_an_old_request_is_cancelled_with_its_session(sidecar: StartSidecar, standin: Path) -> None:
    request = await interrupted_request(sidecar, standin, "killed")
    async with restarted(sidecar, standin, request) as claude:
        await claude.sessions.delete(session_id=request.session_id)
        assert (await claude.resolved_request(request.request_id)).message == "The session was deleted."


async def test_a_request_is_cancelled_when_the_cli_dies(sidecar: StartSidecar, standin: Path) -> None:
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create()
        pid = int(await claude.answer_text(session.session_id, "[[pid]]"))
        job = await claude.sessions.send(session_id=session.session_id, prompt=PROMPT)
        request = await claude.permission_request(job.job_id)
        os.kill(pid, signal.SIGKILL)
        closed = await claude.resolved_request(request.request_id)
        assert (closed.status, closed.message) == (
            PermissionStatus.CANCELLED,
            "The turn ended before the request was answered.",
        )
        failed = await claude.until_job(job.job_id, "failed")
        assert (failed["error"]["kind"], failed["waiting_for"]) == ("killed_by_signal", None)
