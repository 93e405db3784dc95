"""Permission requests of the real CLI, and its handling of the responses.  Skipped if it is not installed."""

from pathlib import Path
from typing import Any

import pytest
from sidecar_protocol.claude.permissions import PermissionDecision, PermissionKind, PermissionStatus
from sidecar_protocol.claude.runs import PermissionMode
from sidecar_protocol.claude.sessions import MessageKind, SessionStatus

from tests.claude.client import ClaudeClient, both_releases, connected
from tests.claude.harness import cli_of, processes_of, until
from tests.conftest import StartSidecar
from tests.fakes.anthropic import FakeAnthropic

ALLOW, DENY = PermissionDecision.ALLOW, PermissionDecision.DENY
QUESTION = (
    '[[call:AskUserQuestion:{"questions":[{"question":"Which bird?","header":"Bird","multiSelect":false,"options":'
    '[{"label":"heron","description":"grey"},{"label":"wren","description":"small"}]}]}]]'
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Claude's working directory."""
    path = tmp_path / "project"
    path.mkdir()
    return path


def created(folder: Path) -> list[str]:
    """Returns the names of the files that Claude has created."""
    return sorted(path.name for path in folder.iterdir())


@both_releases
async def test_an_allowed_tool_runs_with_the_replaced_input(real_client: ClaudeClient, folder: Path) -> None:
    session = await real_client.sessions.create(cwd=str(folder))
    job = await real_client.sessions.send(session_id=session.session_id, prompt="[[tool:bash:mkdir one]]")
    request = await real_client.permission_request(job.job_id)
    assert (request.kind, request.tool_name, request.rules) == (PermissionKind.TOOL, "Bash", ["Bash(mkdir one *)"])
    assert request.input == {"command": "mkdir one", "description": "fake"}
    assert not (folder / "one").exists()
    await real_client.permissions.respond(request_id=request.request_id, decision=ALLOW)
    await real_client.until_job(job.job_id, "succeeded")
    assert (folder / "one").is_dir()
    job = await real_client.sessions.send(session_id=session.session_id, prompt="[[tool:bash:mkdir two]]")
    request = await real_client.permission_request(job.job_id)
    rewritten = {**request.input, "command": "mkdir three"}
    await real_client.permissions.respond(request_id=request.request_id, decision=ALLOW, updated_input=rewritten)
    await real_client.until_job(job.job_id, "succeeded")
    assert created(folder) == ["one", "three"]


@both_releases
async def test_a_denied_tool_does_not_run_and_claude_receives_the_reason(
    real_client: ClaudeClient, folder: Path
) -> None:
    session = await real_client.sessions.create(cwd=str(folder))
    job = await real_client.sessions.send(session_id=session.session_id, prompt="[[tool:bash:mkdir one]]")
    request = await real_client.permission_request(job.job_id)
    await real_client.permissions.respond(request_id=request.request_id, decision=DENY, message="Not in this folder.")
    done = await real_client.until_job(job.job_id, "succeeded")
    assert done["result"]["text"] == "tool said: Not in this folder."
    assert done["result"]["permission_denials"] == ["Bash"]
    assert created(folder) == []
    results = [one for one in await real_client.messages(session.session_id) if one.kind is MessageKind.TOOL_RESULT]
    assert [one.text for one in results] == ["Not in this folder."]


async def test_a_remembered_rule_is_not_requested_again(
    sidecar: StartSidecar, real_environment: dict[str, str], folder: Path
) -> None:
    async with connected(sidecar, **real_environment) as claude:
        session = await claude.sessions.create(cwd=str(folder))
        job = await claude.sessions.send(session_id=session.session_id, prompt="[[tool:bash:mkdir one]]")
        request = await claude.permission_request(job.job_id)
        await claude.permissions.respond(request_id=request.request_id, decision=ALLOW, remember=True)
        await claude.until_job(job.job_id, "succeeded")
        await claude.answer_text(session.session_id, "[[tool:bash:mkdir one two]]")
    async with connected(sidecar, **real_environment) as claude:
        await claude.answer_text(session.session_id, "[[tool:bash:mkdir one three]]")
        assert len((await claude.permissions.list()).requests) == 1
    assert created(folder) == ["one", "three", "two"]


async def test_questions_and_plans_are_requested_and_answered(real_client: ClaudeClient, folder: Path) -> None:
    session = await real_client.sessions.create(cwd=str(folder), permission_mode=PermissionMode.PLAN)
    job = await real_client.sessions.send(session_id=session.session_id, prompt=QUESTION)
    request = await real_client.permission_request(job.job_id)
    assert request.kind is PermissionKind.QUESTION
    answers = {**request.input, "answers": {"Which bird?": "heron"}}
    await real_client.permissions.respond(request_id=request.request_id, decision=ALLOW, updated_input=answers)
    assert '"Which bird?"="heron"' in (await real_client.until_job(job.job_id, "succeeded"))["result"]["text"]
    prompt = '[[call:ExitPlanMode:{"plan":"# Do it"}]]'
    job = await real_client.sessions.send(session_id=session.session_id, prompt=prompt)
    request = await real_client.permission_request(job.job_id)
    assert request.kind is PermissionKind.PLAN
    await real_client.permissions.respond(request_id=request.request_id, decision=ALLOW)
    assert "approved" in (await real_client.until_job(job.job_id, "succeeded"))["result"]["text"]
    after = await real_client.sessions.get(session_id=session.session_id)
    assert after.permission_mode is PermissionMode.DEFAULT


async def test_a_live_process_adopts_new_settings(real_client: ClaudeClient, api: FakeAnthropic, folder: Path) -> None:
    session = await real_client.sessions.create(cwd=str(folder))
    await real_client.answer_text(session.session_id, "hi")
    process = cli_of(session.session_id)
    await real_client.sessions.update(
        session_id=session.session_id, model="claude-haiku-4-5", permission_mode=PermissionMode.ACCEPT_EDITS
    )
    await real_client.answer_text(session.session_id, "[[tool:bash:mkdir one]]")
    assert api.messages()[-1].body["model"] == "claude-haiku-4-5"
    assert cli_of(session.session_id) == process
    assert created(folder) == ["one"]
    await real_client.sessions.update(session_id=session.session_id, permission_mode=PermissionMode.BYPASS_PERMISSIONS)
    await real_client.answer_text(session.session_id, "[[tool:bash:mkdir ../two]]")
    assert process not in processes_of(session.session_id)
    assert (folder.parent / "two").is_dir()


@both_releases
async def test_an_interrupt_cancels_the_request_and_the_session_continues(
    real_client: ClaudeClient, folder: Path
) -> None:
    session = await real_client.sessions.create(cwd=str(folder))
    job = await real_client.sessions.send(session_id=session.session_id, prompt="[[tool:bash:mkdir one]]")
    request = await real_client.permission_request(job.job_id)
    process = cli_of(session.session_id)
    await real_client.sessions.interrupt(session_id=session.session_id)
    assert (await real_client.resolved_request(request.request_id)).status is PermissionStatus.CANCELLED
    await real_client.until_job(job.job_id, "cancelled")
    assert await real_client.answer_text(session.session_id, "[[text:next]]") == "next"
    assert cli_of(session.session_id) == process
    assert created(folder) == []


@both_releases
async def test_a_request_survives_kill_9_and_its_response_continues_the_session(
    sidecar: StartSidecar, real_environment: dict[str, str], folder: Path
) -> None:
    async with sidecar(**real_environment) as client:
        await client.initialize("tests")
        claude = ClaudeClient(client)
        session = await claude.sessions.create(cwd=str(folder))
        job = await claude.sessions.send(session_id=session.session_id, prompt="[[tool:bash:mkdir one]]")
        request = await claude.permission_request(job.job_id)
        client.process.kill()
        await client.process.wait()
    await until(lambda: processes_of(session.session_id) == [])
    async with connected(sidecar, **real_environment) as claude:
        (left_open,) = (await claude.permissions.list(status=PermissionStatus.OPEN)).requests
        assert left_open.request_id == request.request_id
        answered = await claude.permissions.respond(request_id=request.request_id, decision=ALLOW)
        done: dict[str, Any] = await claude.until_job(answered.resumed_by or "", "succeeded")
        assert done["result"]["text"].startswith("tool said: ")
        assert (folder / "one").is_dir()
        assert (await claude.permissions.list()).requests == [answered]
        assert (await claude.sessions.get(session_id=session.session_id)).status is SessionStatus.IDLE
        assert (await claude.client.call("jobs.get", {"job_id": job.job_id}))["status"] == "interrupted"
