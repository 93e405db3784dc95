"""What the real CLI asks, and what it makes of the answers.  Skipped where the binary is absent."""

from pathlib import Path
from typing import Any

import pytest
from sidecar_protocol.claude.permissions import PermissionDecision, PermissionKind, PermissionStatus
from sidecar_protocol.claude.runs import PermissionMode
from sidecar_protocol.claude.sessions import MessageKind, SessionStatus

from tests.claude.client import ClaudeClient, both_releases, connected
from tests.claude.harness import processes_of, until
from tests.conftest import StartSidecar
from tests.fakes.anthropic import FakeAnthropic

ALLOW, DENY = PermissionDecision.ALLOW, PermissionDecision.DENY
QUESTION = (
    '[[call:AskUserQuestion:{"questions":[{"question":"Which bird?","header":"Bird","multiSelect":false,"options":'
    '[{"label":"heron","description":"grey"},{"label":"wren","description":"small"}]}]}]]'
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where Claude works."""
    made = tmp_path / "project"
    made.mkdir()
    return made


def made(folder: Path) -> list[str]:
    """What Claude made there."""
    return sorted(path.name for path in folder.iterdir())


@both_releases
async def test_a_tool_runs_when_it_is_allowed_and_as_it_was_rewritten(real_client: ClaudeClient, folder: Path) -> None:
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
    assert made(folder) == ["one", "three"]


@both_releases
async def test_a_tool_that_is_denied_does_not_run_and_claude_learns_why(
    real_client: ClaudeClient, folder: Path
) -> None:
    session = await real_client.sessions.create(cwd=str(folder))
    job = await real_client.sessions.send(session_id=session.session_id, prompt="[[tool:bash:mkdir one]]")
    request = await real_client.permission_request(job.job_id)
    await real_client.permissions.respond(request_id=request.request_id, decision=DENY, message="Not in this folder.")
    done = await real_client.until_job(job.job_id, "succeeded")
    assert done["result"]["text"] == "tool said: Not in this folder."
    assert done["result"]["permission_denials"] == ["Bash"]
    assert made(folder) == []
    results = [one for one in await real_client.messages(session.session_id) if one.kind is MessageKind.TOOL_RESULT]
    assert [one.text for one in results] == ["Not in this folder."]


async def test_what_is_remembered_is_not_asked_again(
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
    assert made(folder) == ["one", "three", "two"]


async def test_a_choice_and_a_plan_are_asked_and_answered(real_client: ClaudeClient, folder: Path) -> None:
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


async def test_a_live_process_takes_on_new_settings(
    real_client: ClaudeClient, api: FakeAnthropic, folder: Path
) -> None:
    session = await real_client.sessions.create(cwd=str(folder))
    await real_client.answer_text(session.session_id, "hi")
    (process,) = processes_of(session.session_id)
    await real_client.sessions.update(
        session_id=session.session_id, model="claude-haiku-4-5", permission_mode=PermissionMode.ACCEPT_EDITS
    )
    await real_client.answer_text(session.session_id, "[[tool:bash:mkdir one]]")
    assert api.messages()[-1].body["model"] == "claude-haiku-4-5"
    assert process in processes_of(session.session_id)
    assert made(folder) == ["one"]
    await real_client.sessions.update(session_id=session.session_id, permission_mode=PermissionMode.BYPASS_PERMISSIONS)
    await real_client.answer_text(session.session_id, "[[tool:bash:mkdir ../two]]")
    assert process not in processes_of(session.session_id)
    assert (folder.parent / "two").is_dir()


@both_releases
async def test_an_interrupt_cancels_the_question_and_the_session_goes_on(
    real_client: ClaudeClient, folder: Path
) -> None:
    session = await real_client.sessions.create(cwd=str(folder))
    job = await real_client.sessions.send(session_id=session.session_id, prompt="[[tool:bash:mkdir one]]")
    request = await real_client.permission_request(job.job_id)
    process = processes_of(session.session_id)[0]
    await real_client.sessions.interrupt(session_id=session.session_id)
    assert (await real_client.resolved_request(request.request_id)).status is PermissionStatus.CANCELLED
    await real_client.until_job(job.job_id, "cancelled")
    assert await real_client.answer_text(session.session_id, "[[text:next]]") == "next"
    assert process in processes_of(session.session_id)
    assert made(folder) == []


@both_releases
async def test_a_question_survives_kill_9_and_its_answer_goes_on_with_the_session(
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
        (kept,) = (await claude.permissions.list(status=PermissionStatus.OPEN)).requests
        assert kept.request_id == request.request_id
        answered = await claude.permissions.respond(request_id=request.request_id, decision=ALLOW)
        done: dict[str, Any] = await claude.until_job(answered.resumed_by or "", "succeeded")
        assert done["result"]["text"].startswith("tool said: ")
        assert (folder / "one").is_dir()
        assert (await claude.permissions.list()).requests == [answered]
        assert (await claude.sessions.get(session_id=session.session_id)).status is SessionStatus.IDLE
        assert (await claude.client.call("jobs.get", {"job_id": job.job_id}))["status"] == "interrupted"
