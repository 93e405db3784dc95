"""Permission requests of a turn that are unanswered, too many, too large, too late, or cannot be stored."""

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from sidecar_protocol.claude.delays import ClaudeStall
from sidecar_protocol.claude.permissions import (
    ClaudePermissionRequested,
    ClaudePermissionResolved,
    PermissionDecision,
    PermissionStatus,
)
from sidecar_protocol.claude.sessions import SessionStatus, TakeTurn
from sidecar_protocol.entities import WaitingFor

from sidecar.claude.permissions.cli_requests import Response, parse_request
from sidecar.claude.permissions.journal import MAX_CLOSED, MAX_OPEN, NOT_STORED, TOO_LARGE, TOO_MANY
from sidecar.claude.permissions.open_requests import TURN_OVER, OpenRequests
from sidecar.claude.process.cli_process import ClaudeProcess
from sidecar.claude.process.pool import SessionProcess
from sidecar.claude.sessions.session_settings import SessionSettings
from sidecar.claude.sessions.turns import ENDED, STOPPED
from sidecar.job_handler import JobFailed
from tests.claude.harness import until
from tests.claude.turn_harness import turn_harness

ALLOW = PermissionDecision.ALLOW
PROMPT = '[[ask:Bash:{"command":"ls"}]]'
ALLOWED = {"behavior": "allow", "updatedInput": {"command": "ls"}}


class RecordingProcess(ClaudeProcess):
    """A process that is never started and records the lines for its stdin."""

    def __init__(self) -> None:
        super().__init__(lambda *_: None, None, lambda _: None)
        self.sent: list[Mapping[str, Any]] = []

    def send(self, message: Mapping[str, Any]) -> None:
        self.sent.append(message)


def denial(response: Response) -> str:
    """Returns a denial as the stand-in repeats it."""
    return json.dumps({"behavior": "deny", "message": response.message})


async def test_an_unanswered_request_stays_open_and_its_turn_ends(standin: Path, tmp_path: Path) -> None:
    async with turn_harness(standin, tmp_path, response_s=0.3) as harness:
        session = harness.create_session()
        with pytest.raises(JobFailed) as failed:
            await harness.run(session.session_id, PROMPT)
        assert failed.value.kind == "permission_unanswered"
        (request,) = harness.requests()
        assert (request.status, request.turn_ended) == (PermissionStatus.OPEN, True)
        assert harness.session(session.session_id).status is SessionStatus.WAITING
        received = harness.received(ClaudePermissionRequested)
        assert [json.loads(one.json_bytes())["request"]["turn_ended"] for one in received] == [False, True]
        harness.permissions.respond(request.request_id, ALLOW, None, None, remember=False)
        (turn,) = harness.queued
        assert isinstance(turn, TakeTurn)
        assert turn.session_id == session.session_id
        assert harness.session(session.session_id).status is SessionStatus.INTERRUPTED
        harness.context.job_id = "queued-1"
        assert json.loads((await harness.run(session.session_id, turn.prompt)).text) == ALLOWED
        (closed,) = harness.received(ClaudePermissionResolved)
        resolved = json.loads(closed.json_bytes())["request"]
        assert (resolved["status"], resolved["resumed_by"]) == (PermissionStatus.ALLOWED, "queued-1")


async def test_a_late_response_allows_its_call_once_in_its_turn(standin: Path, tmp_path: Path) -> None:
    async with turn_harness(standin, tmp_path, response_s=0.3) as harness:
        session = harness.create_session()
        with pytest.raises(JobFailed):
            await harness.run(session.session_id, PROMPT)
        (request,) = harness.requests()
        harness.permissions.respond(request.request_id, ALLOW, None, None, remember=False)
        harness.context.job_id = "queued-1"
        with pytest.raises(JobFailed) as failed:
            await harness.run(session.session_id, PROMPT * 2)
        assert failed.value.kind == "permission_unanswered"
        assert [one.status for one in harness.requests()] == [PermissionStatus.OPEN, PermissionStatus.ALLOWED]


async def test_the_timeout_of_a_turn_is_suspended_while_a_request_is_open(standin: Path, tmp_path: Path) -> None:
    async with turn_harness(standin, tmp_path) as harness:
        session = harness.create_session()
        process = RecordingProcess()
        live = SessionProcess(session.session_id, process, SessionSettings(None, None, ()))
        requests = OpenRequests(session.session_id, harness.context, harness.permissions, response_s=1_000)
        begun = anyio.current_time()
        time = anyio.CancelScope(deadline=begun + 100)
        requests.begin(live, time)
        asked = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": "ls"}}
        requests.on_line({"type": "control_request", "request_id": "r1", "request": asked})
        assert time.deadline == pytest.approx(begun + 1_000, abs=50)
        harness.permissions.respond((await harness.first_request()).request_id, ALLOW, None, None, remember=False)
        await until(lambda: process.sent)
        assert process.sent[0]["response"]["response"] == ALLOWED
        assert time.deadline == pytest.approx(begun + 100, abs=50)
        assert harness.context.waited_for == [WaitingFor.APPROVAL, None]


@pytest.mark.parametrize(
    ("how", "status", "turns"),
    [
        ("ended", PermissionStatus.CANCELLED, 0),
        ("stopped", PermissionStatus.CANCELLED, 0),
        ("withdrawn", PermissionStatus.CANCELLED, 0),
        ("unanswered", PermissionStatus.ALLOWED, 1),
    ],
)
async def test_a_response_that_comes_as_the_turn_ends_is_not_said_to_be_given_unless_it_is(
    standin: Path, tmp_path: Path, how: str, status: PermissionStatus, turns: int
) -> None:
    """Between the write of a response and its commit the turn can end, so that the CLI does not get it."""
    async with turn_harness(standin, tmp_path) as harness:
        session = harness.create_session()
        process = RecordingProcess()
        live = SessionProcess(session.session_id, process, SessionSettings(None, None, ()))
        requests = OpenRequests(session.session_id, harness.context, harness.permissions, response_s=1_000)
        requests.begin(live, anyio.CancelScope())
        asked = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": "ls"}}
        requests.on_line({"type": "control_request", "request_id": "r1", "request": asked})
        request = await harness.first_request()
        await anyio.lowlevel.checkpoint()
        harness.permissions.respond(request.request_id, ALLOW, None, None, remember=False)
        if how == "withdrawn":
            requests.on_line({"type": "control_cancel_request", "request_id": "r1"})
        else:
            requests.end({"ended": ENDED, "stopped": STOPPED}.get(how), can_receive=how == "ended")
        await anyio.wait_all_tasks_blocked()
        given = [one["response"]["response"]["behavior"] for one in process.sent]
        assert given == (["deny"] if how == "ended" else [])
        (found,) = harness.requests()
        assert (found.status, len(harness.queued)) == (status, turns)
        last = json.loads(harness.received(ClaudePermissionResolved)[-1].json_bytes())["request"]
        assert (last["status"], last["resumed_by"]) == (status, "queued-1" if turns else None)
        assert not requests.has_left_open


async def test_silence_is_not_reported_while_a_request_is_open(standin: Path, tmp_path: Path) -> None:
    async with turn_harness(standin, tmp_path, silence_s=0.1) as harness, anyio.create_task_group() as tasks:
        session = harness.create_session()
        received: list[int] = []

        async def answer_late() -> None:
            request = await harness.first_request()
            for _ in range(2):
                await anyio.sleep(0.3)
                received.append(len(harness.received(ClaudeStall)))
            harness.permissions.respond(request.request_id, ALLOW, None, None, remember=False)

        tasks.start_soon(answer_late)
        assert json.loads((await harness.run(session.session_id, PROMPT)).text) == ALLOWED
        assert received[0] == received[1]


async def test_requests_beyond_the_limit_are_denied(standin: Path, tmp_path: Path) -> None:
    async with turn_harness(standin, tmp_path) as harness:
        session = harness.create_session()
        process = RecordingProcess()
        requests = OpenRequests(session.session_id, harness.context, harness.permissions, response_s=1_000)
        requests.begin(
            SessionProcess(session.session_id, process, SessionSettings(None, None, ())), anyio.CancelScope()
        )
        asked = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": "ls"}}
        for number in range(MAX_OPEN + 2):
            requests.on_line({"type": "control_request", "request_id": f"r{number}", "request": asked})
        await until(lambda: len(process.sent) == 2)
        answered = {one["response"]["request_id"]: json.dumps(one["response"]["response"]) for one in process.sent}
        assert answered == dict.fromkeys((f"r{MAX_OPEN}", f"r{MAX_OPEN + 1}"), denial(TOO_MANY))
        assert len(harness.requests()) == MAX_OPEN


async def test_a_request_that_cannot_be_shown_is_denied(standin: Path, tmp_path: Path) -> None:
    large = f'[[ask:Write:{{"content":"{"x" * 1_048_576}"}}]]'
    async with turn_harness(standin, tmp_path) as harness:
        session = harness.create_session()
        assert (await harness.run(session.session_id, large)).text == denial(TOO_LARGE)
        assert (await harness.run(session.session_id, r'[[ask:Write:{"content":"\ud83d"}]]')).text == denial(TOO_LARGE)
        assert harness.requests() == []
        assert harness.session(session.session_id).status is SessionStatus.IDLE


async def test_a_request_that_cannot_be_stored_is_denied(standin: Path, tmp_path: Path) -> None:
    async with turn_harness(standin, tmp_path) as harness:
        session = harness.create_session()
        harness.commit_error = sqlite3.OperationalError("database or disk is full")
        assert (await harness.run(session.session_id, PROMPT)).text == denial(NOT_STORED)


async def test_a_turn_keeps_its_conversation_although_that_could_not_be_stored_at_its_beginning(
    standin: Path, tmp_path: Path
) -> None:
    async with turn_harness(standin, tmp_path) as harness, anyio.create_task_group() as tasks:
        session = harness.create_session()
        harness.database.execute(
            "CREATE TRIGGER refuse BEFORE UPDATE OF claude_session_id ON claude_sessions"
            " BEGIN SELECT RAISE(ABORT, 'the disk is busy'); END"
        )

        async def answer_when_the_disk_is_well() -> None:
            request = await harness.first_request()
            harness.database.execute("DROP TRIGGER refuse")
            assert harness.session(session.session_id).claude_session_id is None
            harness.permissions.respond(request.request_id, ALLOW, None, None, remember=False)

        tasks.start_soon(answer_when_the_disk_is_well)
        await harness.run(session.session_id, PROMPT)
        assert harness.session(session.session_id).claude_session_id is not None


async def test_a_response_that_cannot_be_stored_does_not_reach_claude(standin: Path, tmp_path: Path) -> None:
    async with turn_harness(standin, tmp_path, response_s=0.5) as harness, anyio.create_task_group() as tasks:
        session = harness.create_session()

        async def answer_in_vain() -> None:
            request = await harness.first_request()
            await anyio.lowlevel.checkpoint()
            harness.commit_error = sqlite3.OperationalError("database or disk is full")
            harness.permissions.respond(request.request_id, ALLOW, None, None, remember=False)

        tasks.start_soon(answer_in_vain)
        with pytest.raises(JobFailed) as failed:
            await harness.run(session.session_id, PROMPT)
        assert failed.value.kind == "permission_unanswered"


async def test_a_request_outside_of_a_turn_is_denied(standin: Path, tmp_path: Path) -> None:
    async with turn_harness(standin, tmp_path) as harness:
        session = harness.create_session()
        assert (await harness.run(session.session_id, "[[late]]")).text == "later"
        await until(lambda: any(message.text == denial(TURN_OVER) for message in harness.messages(session.session_id)))
        assert {request.status for request in harness.requests()} <= {PermissionStatus.CANCELLED}
        assert harness.session(session.session_id).status is SessionStatus.IDLE


async def test_an_unknown_control_request_receives_an_error(standin: Path, tmp_path: Path) -> None:
    async with turn_harness(standin, tmp_path) as harness:
        session = harness.create_session()
        answer = json.loads((await harness.run(session.session_id, "[[request]]")).text)
        assert (answer["subtype"], answer["error"]) == ("error", "This host does not support it.")


async def test_the_oldest_closed_requests_are_deleted(tmp_path: Path, standin: Path) -> None:
    async with turn_harness(standin, tmp_path) as harness:
        session = harness.create_session()
        asked = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": "ls"}}
        for number in range(MAX_CLOSED + 2):
            request = parse_request({"request_id": str(number), "request": asked})
            assert request is not None
            harness.permissions.request(session.session_id, "job", request, lambda _: None)
            harness.permissions.cancel_all(session.session_id, "enough")
        rows, _ = harness.permissions.page(session.session_id, None, 500, None)
        assert len(rows) == MAX_CLOSED
