"""Permission requests and responses through the real process, with the stand-in as the CLI."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sidecar_protocol.claude.permissions import (
    PermissionDecision,
    PermissionKind,
    PermissionRequest,
    PermissionStatus,
    PermissionSuggestion,
)
from sidecar_protocol.claude.runs import PermissionMode
from sidecar_protocol.claude.sessions import Session, SessionStatus
from sidecar_protocol.entities import Job

from sidecar.commandline.client import RemoteError
from tests.claude.client import ClaudeClient, connected
from tests.conftest import StartSidecar

ALLOW, DENY = PermissionDecision.ALLOW, PermissionDecision.DENY
LIST_FILES = {"command": "ls"}


def asks(tool: str, **values: object) -> str:
    """Returns a prompt that makes the stand-in request permission."""
    return f"[[ask:{tool}:{json.dumps(values)}]]"


@pytest.fixture
async def claude(sidecar: StartSidecar, standin: Path) -> AsyncIterator[ClaudeClient]:
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        yield claude


async def requested(
    claude: ClaudeClient, prompt: str = asks("Bash", **LIST_FILES)
) -> tuple[Session, Job, PermissionRequest]:
    """Returns a new session, the job of its turn, and the permission request of the turn."""
    session = await claude.sessions.create()
    job = await claude.sessions.send(session_id=session.session_id, prompt=prompt)
    return session, job, await claude.permission_request(job.job_id)


async def outcome(claude: ClaudeClient, job: Job) -> Any:
    """Returns the response that the stand-in received, from the text of its turn."""
    return json.loads((await claude.until_job(job.job_id, "succeeded"))["result"]["text"])


async def test_a_request_is_notified_listed_and_answered(claude: ClaudeClient) -> None:
    session, job, request = await requested(claude)
    assert request == PermissionRequest(
        request_id=request.request_id,
        session_id=session.session_id,
        job_id=job.job_id,
        kind=PermissionKind.TOOL,
        tool_name="Bash",
        tool_use_id=request.tool_use_id,
        description="fake",
        input=LIST_FILES,
        blocked_path=None,
        rules=["Bash(ls)"],
        suggestions=[
            PermissionSuggestion(type="addRules", behavior="allow", rules=["Bash(ls)"]),
            PermissionSuggestion(type="setMode", mode=PermissionMode.ACCEPT_EDITS),
        ],
        suggested_mode=PermissionMode.ACCEPT_EDITS,
        status=PermissionStatus.OPEN,
        turn_ended=False,
        message=None,
        updated_input=None,
        remembered=[],
        resumed_by=None,
        created_at=request.created_at,
        resolved_at=None,
        version=1,
    )
    assert (await claude.permissions.list(status=PermissionStatus.OPEN)).requests == [request]
    session = await claude.sessions.get(session_id=session.session_id)
    waiting = await claude.client.call("jobs.get", {"job_id": job.job_id})
    assert session.status is SessionStatus.WAITING
    assert (waiting["status"], waiting["waiting_for"]) == ("running", "approval")
    answered = await claude.permissions.respond(request_id=request.request_id, decision=ALLOW)
    assert (answered.status, answered.version) == (PermissionStatus.ALLOWED, 2)
    assert answered.resolved_at is not None
    assert await outcome(claude, job) == {"behavior": "allow", "updatedInput": LIST_FILES}
    assert await claude.resolved_request(request.request_id) == answered
    assert (await claude.permissions.list(session_id=session.session_id)).requests == [answered]
    assert (await claude.permissions.list(status=PermissionStatus.OPEN)).requests == []
    statuses = [one.params["session"]["status"] for one in claude.received if one.method == "claude.session_updated"]
    assert [*dict.fromkeys(statuses)] == ["idle", "running", "waiting"]
    assert statuses[-2:] == ["running", "idle"]
    waits = [one.params["job"]["waiting_for"] for one in claude.received if one.method == "jobs.updated"]
    assert waits == [None, None, "approval", None, None]


async def test_claude_receives_the_message_of_a_denial(claude: ClaudeClient) -> None:
    _, job, request = await requested(claude)
    await claude.permissions.respond(request_id=request.request_id, decision=DENY, message="Use Read instead.")
    assert await outcome(claude, job) == {"behavior": "deny", "message": "Use Read instead."}
    assert (await claude.resolved_request(request.request_id)).message == "Use Read instead."


async def test_a_response_may_replace_the_input(claude: ClaudeClient) -> None:
    _, job, request = await requested(claude)
    safer = {"command": "ls -d ."}
    answered = await claude.permissions.respond(request_id=request.request_id, decision=ALLOW, updated_input=safer)
    assert (answered.input, answered.updated_input) == (LIST_FILES, safer)
    assert await outcome(claude, job) == {"behavior": "allow", "updatedInput": safer}


async def test_a_remembered_rule_applies_to_this_process_and_the_next(claude: ClaudeClient) -> None:
    session, job, request = await requested(claude, asks("Bash", command="echo (a)"))
    answered = await claude.permissions.respond(request_id=request.request_id, decision=ALLOW, remember=True)
    assert answered.remembered == answered.rules == [r"Bash(echo \(a\))"]
    added = {"type": "addRules", "behavior": "allow", "destination": "session"}
    rules = [{"toolName": "Bash", "ruleContent": "echo (a)"}]
    assert (await outcome(claude, job))["updatedPermissions"] == [{**added, "rules": rules}]
    assert (await claude.sessions.get(session_id=session.session_id)).allowed_tools == answered.rules
    await claude.take_turn(session.session_id, "[[kill:9]]")
    about = json.loads(await claude.answer_text(session.session_id, "[[about]]"))
    assert r"--allowedTools=Bash(echo \(a\))" in about["argv"]


async def test_a_question_is_answered_by_its_input_with_the_answers(claude: ClaudeClient) -> None:
    questions = {"questions": [{"question": "Which bird?", "header": "Bird", "options": [], "multiSelect": False}]}
    _, job, request = await requested(claude, asks("AskUserQuestion", **questions))
    assert (request.kind, request.rules) == (PermissionKind.QUESTION, [])
    with pytest.raises(RemoteError) as refused:
        await claude.permissions.respond(request_id=request.request_id, decision=ALLOW)
    assert refused.value.data["details"][0]["path"] == "updated_input"
    answers = {**questions, "answers": {"Which bird?": "heron"}}
    await claude.permissions.respond(request_id=request.request_id, decision=ALLOW, updated_input=answers)
    assert (await outcome(claude, job))["updatedInput"] == answers


async def test_a_plan_is_a_request_of_its_own_kind(claude: ClaudeClient) -> None:
    _, job, request = await requested(claude, asks("ExitPlanMode", plan="# Do it"))
    assert (request.kind, request.input) == (PermissionKind.PLAN, {"plan": "# Do it"})
    await claude.permissions.respond(request_id=request.request_id, decision=DENY, message="Not yet.")
    assert await outcome(claude, job) == {"behavior": "deny", "message": "Not yet."}


async def test_concurrent_requests_can_be_answered_in_any_order(claude: ClaudeClient) -> None:
    prompt = asks("Bash", command="one") + asks("mcp__mail__send", to="me")
    session, job, first = await requested(claude, prompt)
    second, same = (await claude.permissions.list(session_id=session.session_id)).requests
    assert (same, second.rules) == (first, ["mcp__mail__send"])
    await claude.permissions.respond(request_id=second.request_id, decision=DENY)
    assert (await claude.sessions.get(session_id=session.session_id)).status is SessionStatus.WAITING
    await claude.permissions.respond(request_id=first.request_id, decision=ALLOW)
    text = (await claude.until_job(job.job_id, "succeeded"))["result"]["text"]
    assert text == json.dumps({"behavior": "allow", "updatedInput": {"command": "one"}}) + json.dumps(
        {"behavior": "deny", "message": "The user denied this."}
    )


async def test_a_request_can_still_be_answered_if_the_database_was_too_busy_to_delete_its_session(
    claude: ClaudeClient, data_dir: Path
) -> None:
    session, job, request = await requested(claude)
    with closing(sqlite3.connect(data_dir / "sidecar.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RemoteError):
            await claude.sessions.delete(session_id=session.session_id)
        other.execute("ROLLBACK")
    await claude.permissions.respond(request_id=request.request_id, decision=ALLOW)
    assert (await outcome(claude, job))["behavior"] == "allow"


async def test_a_request_stays_open_if_its_session_could_not_be_deleted(claude: ClaudeClient, data_dir: Path) -> None:
    session, job, request = await requested(claude)
    with closing(sqlite3.connect(data_dir / "sidecar.db", isolation_level=None)) as other:
        other.execute(
            "CREATE TRIGGER kept BEFORE DELETE ON claude_sessions BEGIN SELECT raise(FAIL, 'disk error'); END"
        )
        with pytest.raises(RemoteError):
            await claude.sessions.delete(session_id=session.session_id)
        other.execute("DROP TRIGGER kept")
    assert (await claude.permissions.list()).requests == [request]
    await claude.permissions.respond(request_id=request.request_id, decision=ALLOW)
    assert (await outcome(claude, job))["behavior"] == "allow"


async def test_only_the_first_response_counts(claude: ClaudeClient) -> None:
    _, job, request = await requested(claude)
    await claude.permissions.respond(request_id=request.request_id, decision=DENY)
    with pytest.raises(RemoteError) as late:
        await claude.permissions.respond(request_id=request.request_id, decision=ALLOW)
    assert (late.value.kind, late.value.data["hint"]) == ("permission_already_resolved", "It is denied.")
    assert (await outcome(claude, job))["behavior"] == "deny"
    with pytest.raises(RemoteError) as unknown:
        await claude.permissions.respond(request_id="nothing", decision=ALLOW)
    assert unknown.value.kind == "permission_not_found"


@pytest.mark.parametrize(
    ("answer", "path"),
    [
        ({"decision": "deny", "updated_input": {"command": "x"}}, "updated_input"),
        ({"decision": "allow", "updated_input": {"command": "x" * 1_048_576}}, "updated_input"),
        ({"decision": "allow", "message": "because"}, "message"),
        ({"decision": "deny", "remember": True}, "remember"),
    ],
)
async def test_an_invalid_response_is_refused_and_the_request_stays_open(
    claude: ClaudeClient, answer: dict[str, Any], path: str
) -> None:
    _, job, request = await requested(claude)
    with pytest.raises(RemoteError) as refused:
        await claude.client.call("claude.permissions.respond", {"request_id": request.request_id, **answer})
    assert (refused.value.kind, refused.value.data["details"][0]["path"]) == ("invalid_params", path)
    assert (await claude.permissions.list()).requests == [request]
    await claude.permissions.respond(request_id=request.request_id, decision=ALLOW)
    assert (await outcome(claude, job))["behavior"] == "allow"


async def test_an_interrupt_cancels_the_request_and_the_process_runs_the_next_turn(claude: ClaudeClient) -> None:
    session, job, request = await requested(claude)
    await claude.sessions.interrupt(session_id=session.session_id)
    closed = await claude.resolved_request(request.request_id)
    assert (closed.status, closed.message) == (PermissionStatus.CANCELLED, "The turn was stopped.")
    stopped = await claude.until_job(job.job_id, "cancelled")
    assert stopped["waiting_for"] is None
    assert (await claude.sessions.get(session_id=session.session_id)).status is SessionStatus.INTERRUPTED
    assert json.loads(await claude.answer_text(session.session_id, "[[prompts]]"))[0].startswith("[[ask:Bash")


async def test_deleting_a_session_cancels_its_requests(claude: ClaudeClient) -> None:
    session, job, request = await requested(claude)
    await claude.sessions.delete(session_id=session.session_id)
    closed = await claude.resolved_request(request.request_id)
    assert (closed.status, closed.message) == (PermissionStatus.CANCELLED, "The session was deleted.")
    await claude.until_job(job.job_id, "cancelled")
    assert (await claude.permissions.list()).requests == []
