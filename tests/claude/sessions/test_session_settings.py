"""Changes of a session's settings: in the live process if possible, otherwise in a new process."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sidecar_protocol.claude.permissions import PermissionDecision
from sidecar_protocol.claude.runs import PermissionMode

from sidecar.commandline.client import RemoteError
from tests.claude.client import ClaudeClient, connected
from tests.conftest import StartSidecar

ALLOW = PermissionDecision.ALLOW


@pytest.fixture
async def claude(sidecar: StartSidecar, standin: Path) -> AsyncIterator[ClaudeClient]:
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        yield claude


async def about(claude: ClaudeClient, session_id: str) -> dict[str, Any]:
    """Returns the arguments and settings of the session's process."""
    process: dict[str, Any] = json.loads(await claude.answer_text(session_id, "[[about]]"))
    return process


async def test_an_update_changes_only_the_given_settings(claude: ClaudeClient) -> None:
    session = await claude.sessions.create(title="Birds", model="opus", allowed_tools=["Read"])
    changed = await claude.sessions.update(session_id=session.session_id, title="Fish")
    assert changed.version == session.version + 1
    later = {"title": "Fish", "version": changed.version, "updated_at": changed.updated_at}
    assert changed == session.model_copy(update=later)
    assert await claude.sessions.get(session_id=session.session_id) == changed
    with pytest.raises(RemoteError, match="No Claude session"):
        await claude.sessions.update(session_id="nothing", title="Fish")


async def test_a_live_process_adopts_a_model_and_a_mode(claude: ClaudeClient) -> None:
    session = await claude.sessions.create(model="opus")
    pid = await claude.answer_text(session.session_id, "[[pid]]")
    await claude.sessions.update(
        session_id=session.session_id, model="sonnet", permission_mode=PermissionMode.ACCEPT_EDITS
    )
    settings = (await about(claude, session.session_id))["settings"]
    assert (settings["model"], settings["mode"]) == ("sonnet", "acceptEdits")
    assert await claude.answer_text(session.session_id, "[[pid]]") == pid


async def test_a_live_process_adopts_an_effort_and_its_reset(claude: ClaudeClient) -> None:
    session = await claude.sessions.create(effort="high")
    process = await about(claude, session.session_id)
    pid = await claude.answer_text(session.session_id, "[[pid]]")
    efforts = [process["settings"]["effort"]]
    for effort in ("low", None):
        changed = await claude.sessions.update(session_id=session.session_id, effort=effort)
        assert changed.effort == effort
        efforts.append((await about(claude, session.session_id))["settings"]["effort"])
    assert ("--effort=high" in process["argv"], efforts) == (True, ["high", "low", "medium"])
    assert await claude.answer_text(session.session_id, "[[pid]]") == pid
    fork = await claude.sessions.update(session_id=session.session_id, effort="max")
    assert (await claude.sessions.fork(session_id=fork.session_id)).effort == "max"


async def test_a_running_turn_adopts_a_mode_at_once(claude: ClaudeClient) -> None:
    session = await claude.sessions.create()
    job = await claude.sessions.send(session_id=session.session_id, prompt='[[ask:Bash:{"command":"ls"}]]')
    request = await claude.permission_request(job.job_id)
    await claude.sessions.update(session_id=session.session_id, permission_mode=PermissionMode.PLAN)
    await claude.permissions.respond(request_id=request.request_id, decision=ALLOW, remember=True)
    await claude.until_job(job.job_id, "succeeded")
    process = await about(claude, session.session_id)
    assert process["settings"]["mode"] == "plan"
    assert process["settings"]["rules"] == [{"toolName": "Bash", "ruleContent": "ls"}]
    assert "--allowedTools=Bash(ls)" not in process["argv"]  # it is the same process


async def test_new_rules_take_a_new_process_that_resumes_the_session(claude: ClaudeClient) -> None:
    session = await claude.sessions.create(allowed_tools=["Read"])
    pid = await claude.answer_text(session.session_id, "[[pid]]")
    await claude.sessions.update(session_id=session.session_id, allowed_tools=["Read", "Edit"])
    process = await about(claude, session.session_id)
    known = (await claude.sessions.get(session_id=session.session_id)).claude_session_id
    assert {f"--resume={known}", "--allowedTools=Read", "--allowedTools=Edit"} <= set(process["argv"])
    assert await claude.answer_text(session.session_id, "[[pid]]") != pid


async def test_the_mode_bypass_permissions_takes_a_new_process(claude: ClaudeClient) -> None:
    session = await claude.sessions.create()
    await claude.answer_text(session.session_id, "hi")
    await claude.sessions.update(session_id=session.session_id, permission_mode=PermissionMode.BYPASS_PERMISSIONS)
    assert "--permission-mode=bypassPermissions" in (await about(claude, session.session_id))["argv"]


async def test_a_setting_that_the_cli_refuses_takes_a_new_process(claude: ClaudeClient) -> None:
    session = await claude.sessions.create()
    pid = await claude.answer_text(session.session_id, "[[pid]]")
    await claude.sessions.update(session_id=session.session_id, permission_mode=PermissionMode.AUTO)
    assert await claude.answer_text(session.session_id, "[[pid]]") == pid
    assert "--permission-mode=auto" in (await about(claude, session.session_id))["argv"]


async def test_an_approved_plan_ends_the_plan_mode_of_the_session(claude: ClaudeClient) -> None:
    session = await claude.sessions.create(permission_mode=PermissionMode.PLAN)
    job = await claude.sessions.send(session_id=session.session_id, prompt='[[ask:ExitPlanMode:{"plan":"# Do it"}]]')
    request = await claude.permission_request(job.job_id)
    await claude.permissions.respond(request_id=request.request_id, decision=ALLOW)
    await claude.until_job(job.job_id, "succeeded")
    assert (await claude.sessions.get(session_id=session.session_id)).permission_mode is PermissionMode.DEFAULT
    assert (await about(claude, session.session_id))["settings"]["mode"] == "default"
