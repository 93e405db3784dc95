"""Background tasks of the real CLI, which uses a fake API on loopback.  Skipped if the CLI is not installed."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sidecar_protocol.claude.permissions import PermissionDecision
from sidecar_protocol.claude.runs import ClaudeUsage
from sidecar_protocol.claude.sessions import MessageKind, Session, SessionStatus
from sidecar_protocol.claude.tasks import TaskKind, Tasks
from sidecar_protocol.claude.usage import ClaudeUsages, UsageGroup, UsageList

from tests.claude.client import FINAL, ClaudeClient, both_releases, connected
from tests.claude.harness import processes_of, tools_of, until
from tests.conftest import StartSidecar
from tests.fakes.anthropic import FakeAnthropic


def call(tool: str, **values: Any) -> str:
    """A directive that calls a tool; directives within its input are for the model of a subagent."""
    return f"[[call:{tool}:{json.dumps(values).replace('[', chr(92) + 'u005b').replace(']', chr(92) + 'u005d')}]]"


def agent(prompt: str) -> str:
    return call("Agent", description="look", prompt=prompt, subagent_type="general-purpose", run_in_background=True)


def command(line: str) -> str:
    return call("Bash", command=line, description="serve", run_in_background=True)


async def usage_of(claude: ClaudeClient) -> UsageList:
    now = datetime.now(UTC)
    around = {name: (now + timedelta(hours=hours)).isoformat() for name, hours in (("start", -1), ("end", 1))}
    return await claude.client.remote(ClaudeUsages).list(**around, group=UsageGroup.JOB)


def billed(api: FakeAnthropic) -> ClaudeUsage:
    """Returns what the API counted for its complete answers."""
    calls = len(api.messages())
    return ClaudeUsage(
        input_tokens=12 * calls,
        output_tokens=9 * calls,
        cache_creation_input_tokens=3 * calls,
        cache_read_input_tokens=4 * calls,
    )


async def session_with_tasks(claude: ClaudeClient, session_id: str) -> Session:
    """Waits until a session has had tasks; returns its state then."""
    found = await claude.until(
        lambda one: (
            one.method == "claude.session_updated"
            and one.params["session"]["session_id"] == session_id
            and one.params["session"]["tasks"]
        )
    )
    return Session.model_validate(found["session"])


async def only_tasks_run(claude: ClaudeClient) -> None:
    """Waits until Claude has answered, and what it has started in the background goes on."""
    await claude.until(lambda one: "Waiting for background tasks" in str(one.params))


@both_releases
async def test_a_run_waits_for_its_subagent_and_is_billed_for_it(real_client: ClaudeClient, api: FakeAnthropic) -> None:
    run = await real_client.client.call("claude.spawn", {"prompt": agent("[[gate:1]] inner")})
    await only_tasks_run(real_client)
    api.release()
    job = await real_client.until_job(run["job_id"], *FINAL)
    assert job["status"] == "succeeded", job["error"]
    assert not job["result"]["text"].startswith("tool said")
    assert len(api.messages()) == 4
    assert ClaudeUsage(**job["result"]["usage"]) == billed(api)
    listed = await usage_of(real_client)
    assert listed.usage == billed(api)
    assert listed.total_cost_usd == pytest.approx(job["result"]["total_cost_usd"])


@both_releases
async def test_a_conversation_goes_on_while_a_command_runs(
    real_client: ClaudeClient, api: FakeAnthropic, tmp_path: Path
) -> None:
    session = await real_client.sessions.create(allowed_tools=["Bash"])
    prompt = command(f"until test -e '{tmp_path}/go'; do sleep 0.1; done; echo served")
    sent = await real_client.sessions.send(session_id=session.session_id, prompt=prompt)
    shown = await session_with_tasks(real_client, session.session_id)
    (task,) = shown.tasks
    assert (shown.status, task.kind, task.description) == (SessionStatus.RUNNING, TaskKind.COMMAND, "serve")
    await only_tasks_run(real_client)
    (tmp_path / "go").touch()
    job = await real_client.until_job(sent.job_id, *FINAL)
    assert job["status"] == "succeeded", job["error"]
    texts = [one.text for one in await real_client.messages(session.session_id) if one.kind is MessageKind.NOTICE]
    assert len(texts) == 1
    after = await real_client.sessions.get(session_id=session.session_id)
    assert (after.tasks, after.status) == ([], SessionStatus.IDLE)
    assert after.usage == (await usage_of(real_client)).usage == billed(api)


@both_releases
async def test_the_question_of_a_subagent_reaches_the_person(real_client: ClaudeClient, api: FakeAnthropic) -> None:
    session = await real_client.sessions.create()
    prompt = agent("[[tool:bash:touch asked; echo sub]]")
    sent = await real_client.sessions.send(session_id=session.session_id, prompt=prompt)
    request = await real_client.permission_request(sent.job_id)
    await until(lambda: len(api.messages()) >= 3)
    await real_client.permissions.respond(request_id=request.request_id, decision=PermissionDecision.ALLOW)
    job = await real_client.until_job(sent.job_id, *FINAL)
    assert job["status"] == "succeeded", job["error"]
    texts = [one.text for one in await real_client.messages(session.session_id)]
    assert "sub" in str(texts)
    assert ClaudeUsage(**job["result"]["usage"]) == billed(api)


@both_releases
@pytest.mark.parametrize("prompt", [agent("[[hang]]"), command("tail -f /dev/null")], ids=["agent", "command"])
async def test_a_person_stops_a_task_and_the_session_goes_on(prompt: str, real_client: ClaudeClient) -> None:
    session = await real_client.sessions.create(allowed_tools=["Bash"])
    sent = await real_client.sessions.send(session_id=session.session_id, prompt=prompt)
    (task,) = (await session_with_tasks(real_client, session.session_id)).tasks
    stopped = await real_client.client.remote(Tasks).stop(job_id=sent.job_id, task_id=task.task_id)
    assert [one.task_id for one in stopped.tasks] == [task.task_id]
    job = await real_client.until_job(sent.job_id, *FINAL)
    assert job["status"] == "succeeded", job["error"]
    await until(lambda: not tools_of(session.session_id, "tail"))  # the CLI reports the end before the process exits
    assert await real_client.answer_text(session.session_id, "[[text:next]]") == "next"


@both_releases
async def test_an_interrupt_stops_all_tasks_and_the_process_takes_the_next_turn(real_client: ClaudeClient) -> None:
    session = await real_client.sessions.create(allowed_tools=["Bash"])
    prompt = agent("[[hang]]") + command("tail -f /dev/null")
    sent = await real_client.sessions.send(session_id=session.session_id, prompt=prompt)
    await until(lambda: tools_of(session.session_id, "tail"))
    await session_with_tasks(real_client, session.session_id)
    await real_client.sessions.interrupt(session_id=session.session_id)
    await real_client.until_job(sent.job_id, "cancelled")
    await until(lambda: not tools_of(session.session_id, "tail"))  # the CLI reports the end before the process exits
    assert await real_client.answer_text(session.session_id, "[[text:next]]") == "next"


@both_releases
async def test_a_kill_while_only_tasks_run_leaves_no_process_and_no_task(
    sidecar: StartSidecar, real_environment: dict[str, str]
) -> None:
    async with connected(sidecar, **real_environment) as claude:
        session = await claude.sessions.create(allowed_tools=["Bash"])
        sent = await claude.sessions.send(session_id=session.session_id, prompt=command("tail -f /dev/null"))
        await only_tasks_run(claude)
        claude.client.process.kill()
        await claude.client.process.wait()
    async with connected(sidecar, **real_environment) as claude:
        await until(lambda: processes_of(session.session_id) == [])
        assert await claude.answer_text(session.session_id, "[[text:back]]") == "back"
        assert (await claude.client.call("jobs.get", {"job_id": sent.job_id}))["status"] == "interrupted"
        assert (await claude.sessions.get(session_id=session.session_id)).tasks == []
