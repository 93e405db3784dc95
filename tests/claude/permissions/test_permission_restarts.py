"""A question outlives the process that told it: after a shutdown, after kill -9, and after the CLI itself has died."""

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


async def interrupted(sidecar: StartSidecar, standin: Path, how: str) -> PermissionRequest:
    """A question that was open when the sidecar ended."""
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
    """The next life, after it has settled what the last one left."""
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        ended = await claude.client.call("jobs.get", {"job_id": request.job_id})
        if ended["status"] == "running":  # recovery is still at work
            await claude.until_job(request.job_id, "interrupted")
        yield claude


async def prompts(claude: ClaudeClient, session_id: str) -> list[str]:
    return [one.text for one in await claude.messages(session_id) if one.kind is MessageKind.USER]


@pytest.mark.parametrize("how", ["killed", "shut down"])
async def test_after_a_restart_the_answer_goes_on_with_the_session(
    sidecar: StartSidecar, standin: Path, how: str
) -> None:
    request = await interrupted(sidecar, standin, how)
    async with restarted(sidecar, standin, request) as claude:
        (kept,) = (await claude.permissions.list(status=PermissionStatus.OPEN)).requests
        assert kept == request.model_copy(update={"turn_ended": True, "version": 2})
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
        asked_first, asked_late = await prompts(claude, request.session_id)
        assert asked_first == PROMPT
        assert json.dumps(INPUT, separators=(",", ":")) in asked_late
        assert (await claude.sessions.get(session_id=request.session_id)).status is SessionStatus.IDLE


async def test_a_late_answer_allows_one_call_and_only_that_one(sidecar: StartSidecar, standin: Path) -> None:
    request = await interrupted(sidecar, standin, "killed")
    safer = {"command": "ls -d ."}
    async with restarted(sidecar, standin, request) as claude:
        answered = await claude.permissions.respond(request_id=request.request_id, decision=ALLOW, updated_input=safer)
        job = await claude.until_job(answered.resumed_by or "", "succeeded")
        assert json.loads(job["result"]["text"]) == {"behavior": "allow", "updatedInput": safer}
        again = await claude.sessions.send(session_id=request.session_id, prompt=f"[[ask:Bash:{json.dumps(safer)}]]")
        asked = await claude.permission_request(again.job_id)
        assert (asked.input, asked.status) == (safer, PermissionStatus.OPEN)


async def test_a_late_denial_is_told_to_claude(sidecar: StartSidecar, standin: Path) -> None:
    request = await interrupted(sidecar, standin, "killed")
    async with restarted(sidecar, standin, request) as claude:
        answered = await claude.permissions.respond(request_id=request.request_id, decision=DENY, message="Too early.")
        await claude.until_job(answered.resumed_by or "", "succeeded")
        assert "The user has now denied it: Too early." in (await prompts(claude, request.session_id))[-1]


async def test_a_late_answer_is_remembered_too(sidecar: StartSidecar, standin: Path) -> None:
    request = await interrupted(sidecar, standin, "killed")
    async with restarted(sidecar, standin, request) as claude:
        await claude.permissions.respond(request_id=request.request_id, decision=ALLOW, remember=True)
        session = await claude.sessions.get(session_id=request.session_id)
        assert session.allowed_tools == ["Bash(ls)"]


async def test_another_prompt_leaves_an_old_question_behind(sidecar: StartSidecar, standin: Path) -> None:
    request = await interrupted(sidecar, standin, "killed")
    async with restarted(sidecar, standin, request) as claude:
        assert await claude.answer_text(request.session_id, "[[text:never mind]]") == "never mind"
        closed = await claude.resolved_request(request.request_id)
        assert (closed.status, closed.message) == (
            PermissionStatus.CANCELLED,
            "The conversation continued without an answer.",
        )
        assert (await claude.sessions.get(session_id=request.session_id)).status is SessionStatus.IDLE


async def test_an_old_question_goes_with_its_session(sidecar: StartSidecar, standin: Path) -> None:
    request = await interrupted(sidecar, standin, "killed")
    async with restarted(sidecar, standin, request) as claude:
        await claude.sessions.delete(session_id=request.session_id)
        assert (await claude.resolved_request(request.request_id)).message == "The session was deleted."


async def test_a_cli_that_dies_takes_its_question_with_it(sidecar: StartSidecar, standin: Path) -> None:
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
