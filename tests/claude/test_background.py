"""Work that goes on after the first result: background tasks, the questions of subagents, and how they are stopped."""

import json
from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest
from sidecar_protocol.claude.permissions import PermissionDecision
from sidecar_protocol.claude.runs import ClaudeUsage
from sidecar_protocol.claude.sessions import ClaudeSessionUpdated, MessageKind, Session, SessionStatus, TakeTurn
from sidecar_protocol.claude.tasks import ClaudeTask, TaskKind, TaskNotFound

from sidecar.claude.live_tasks import TasksService
from sidecar.claude.process.work import Work, WorkState
from sidecar.job_handler import JobFailed
from tests.claude.harness import RecordingContext, RunHarness, processes_of, until
from tests.claude.turn_harness import turn_harness
from tests.in_process_app import let_time_pass

THREE_CALLS = ClaudeUsage(input_tokens=36, output_tokens=27, cache_creation_input_tokens=9, cache_read_input_tokens=12)


async def test_a_run_ends_with_its_last_background_task_and_returns_the_final_answer(harness: RunHarness) -> None:
    with anyio.fail_after(120):
        result = await harness.run("[[agent:5]] [[text:I have started an agent.]]")
    assert result.text == "The tasks have ended: agent is done."
    assert (result.usage, result.num_turns) == (THREE_CALLS, 2)
    assert result.total_cost_usd == pytest.approx(0.03)
    assert "Waiting for background tasks: agent" in harness.context.progressed
    assert harness.processes() == []


async def test_a_turn_goes_on_while_a_command_runs_and_the_session_lists_it(standin: Path, tmp_path: Path) -> None:
    async with turn_harness(standin, tmp_path) as harness:
        session_id = harness.create_session().session_id
        answer = await harness.run(session_id, "[[command:5]] [[text:started]]")
        assert answer.text == "The tasks have ended: command is done."
        sessions = [
            Session.model_validate_json(json.dumps(json.loads(one.json_bytes())["session"]))
            for one in harness.received(ClaudeSessionUpdated)
        ]
        (task,) = next(one.tasks for one in sessions if one.tasks)
        assert task == ClaudeTask(
            task_id=task.task_id,
            job_id=harness.context.job_id,
            kind=TaskKind.COMMAND,
            description="command",
            agent=None,
            is_background=True,
        )
        assert {one.status for one in sessions if one.tasks} == {SessionStatus.RUNNING}
        assert harness.session(session_id).tasks == []
        kinds = [(one.kind, one.text) for one in harness.messages(session_id)][1:]
        assert kinds == [
            (MessageKind.ASSISTANT_TEXT, "started"),
            (MessageKind.NOTICE, "Background task completed: command is done"),
            (MessageKind.ASSISTANT_TEXT, answer.text),
        ]


async def test_a_subagent_asks_after_the_first_result_and_receives_the_response(standin: Path, tmp_path: Path) -> None:
    async with turn_harness(standin, tmp_path) as harness, anyio.create_task_group() as group:
        session_id = harness.create_session().session_id

        async def respond() -> None:
            request = await harness.first_request()
            harness.permissions.respond(request.request_id, PermissionDecision.ALLOW, None, None, remember=False)

        group.start_soon(respond)
        answer = await harness.run(session_id, "[[agentask:make]] [[text:started]]")
        assert '"behavior": "allow"' in answer.text
        assert harness.session(session_id).status is SessionStatus.IDLE


@pytest.mark.parametrize(("prompt", "answer"), [
    ("[[agent:99999]] [[text:started]]", "The agent was stopped."),
    ("[[command:99999]] [[text:started]]", "started"),
])  # fmt: skip
async def test_a_task_that_a_person_stops_ends_the_work(
    prompt: str, answer: str, standin: Path, tmp_path: Path
) -> None:
    async with turn_harness(standin, tmp_path) as harness, anyio.create_task_group() as group:
        tasks = TasksService(harness.live)

        async def stop() -> None:
            await until(lambda: "Waiting for background tasks" in str(harness.context.progressed))
            (task,) = (await tasks.list()).tasks
            with pytest.raises(TaskNotFound):
                await tasks.stop(job_id=task.job_id, task_id="another")
            assert (await tasks.stop(job_id=task.job_id, task_id=task.task_id)).tasks == [task]

        group.start_soon(stop)
        session_id = harness.create_session().session_id
        assert (await harness.run(session_id, prompt)).text == answer
        assert (await tasks.list()).tasks == []
        assert (await harness.run(session_id, "[[pid]]")).text.isdigit()


async def test_a_cancelled_turn_stops_its_tasks_and_its_process_takes_the_next(standin: Path, tmp_path: Path) -> None:
    async with turn_harness(standin, tmp_path) as harness:
        session_id = harness.create_session().session_id
        pid = (await harness.run(session_id, "[[pid]]")).text
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:

                async def cancel() -> None:
                    await until(lambda: harness.live.tasks(session_id))
                    scope.cancel()

                group.start_soon(cancel)
                await harness.run(session_id, "[[agent:99999]] [[command:99999]] [[text:started]]")
        session = harness.session(session_id)
        assert (session.status, session.tasks) == (SessionStatus.INTERRUPTED, [])
        assert (await harness.run(session_id, "[[pid]]")).text == pid


async def test_tasks_that_outlast_the_timeout_are_stopped_and_named(harness: RunHarness) -> None:
    async def outlast() -> None:
        await until(lambda: "Waiting for background tasks: command" in harness.context.progressed)
        let_time_pass(3_600)

    async with anyio.create_task_group() as group:
        group.start_soon(outlast)
        with pytest.raises(JobFailed) as raised:
            await harness.run("[[command:99999]] [[text:started]]", timeout_s=3_600)
    assert (raised.value.kind, raised.value.details) == ("timeout", {"tasks": ["command"]})
    assert "background tasks did not end within 3600 seconds" in raised.value.message
    assert harness.processes() == []


async def test_a_process_whose_tasks_run_is_not_idle(standin: Path, tmp_path: Path) -> None:
    async with turn_harness(standin, tmp_path) as harness, anyio.create_task_group() as group:
        harness.pool.idle_s = 0.01
        harness.pool.idle_processes = 0
        session_id = harness.create_session().session_id
        group.start_soon(harness.run, session_id, "[[command:20]] [[text:started]]")
        await until(lambda: "Waiting for background tasks: command" in harness.context.progressed)
        for _ in range(3):
            other = TakeTurn(session_id=harness.create_session().session_id, prompt="hi")
            await harness.handler.run(other, RecordingContext())
        await until(lambda: processes_of(session_id) == [])
        assert harness.messages(session_id)[-1].text == "The tasks have ended: command is done."


def system(subtype: str, **fields: object) -> dict[str, object]:
    return {"type": "system", "subtype": subtype, **fields}


RESULT = {"type": "result"}
INIT = system("init")
AGENT = {"task_id": "a", "task_type": "local_agent", "description": "look"}


def states(*lines: Mapping[str, object]) -> list[WorkState]:
    """Returns the state after each line of a prompt."""
    work = Work()
    work.begin()
    found: list[WorkState] = []
    for line in lines:
        work.read(line)
        found.append(work.state)
    return found


R, M, O = WorkState.RUNNING, WorkState.MAY_CONTINUE, WorkState.OVER  # noqa: E741 - as wide as each other


def test_a_release_without_a_list_of_tasks_is_over_after_the_turn_that_reports_the_last_one() -> None:
    began, ended = system("task_started", **AGENT), system("task_notification", task_id="a", status="completed")
    assert states(INIT, began, RESULT, ended, INIT, RESULT) == [R, R, R, M, R, O]
    assert states(INIT, began, ended, RESULT, INIT, RESULT) == [R, R, R, M, R, O]
    assert states(INIT, RESULT) == [R, O]


def test_the_list_of_tasks_is_right_where_a_single_report_is_not() -> None:
    listed, empty = system("background_tasks_changed", tasks=[AGENT]), system("background_tasks_changed", tasks=[])
    ended = system("task_notification", task_id="a", status="completed")
    assert states(INIT, listed, RESULT, ended, listed, empty) == [R, R, R, M, R, M]


def test_a_reported_state_ends_the_work_only_after_the_prompt_has_begun() -> None:
    running, idle = (system("session_state_changed", state=state) for state in ("running", "idle"))
    assert states(idle, running, INIT, RESULT, idle) == [R, R, R, M, O]


def test_a_turn_without_the_model_that_reports_lost_tasks_is_not_the_answer() -> None:
    running, idle = (system("session_state_changed", state=state) for state in ("running", "idle"))
    lost = system("task_notification", task_id="a", status="stopped")
    empty = {"type": "result", "is_error": False, "result": "", "num_turns": 0}
    answer = {"type": "result", "result": "back", "num_turns": 1}
    assert states(lost, running, INIT, empty, idle, running, INIT, answer, idle) == [R, R, R, M, M, R, R, M, O]
    assert states(INIT, empty | {"is_error": True}) == [R, O]


def test_tasks_in_the_foreground_and_ambient_ones_are_not_waited_for() -> None:
    shown = system("task_started", **AGENT, is_backgrounded=False)
    ambient = system("background_tasks_changed", tasks=[AGENT | {"ambient": True}])
    moved = system("task_updated", task_id="a", patch={"is_backgrounded": True})
    assert states(INIT, shown, RESULT) == [R, R, O]
    assert states(INIT, ambient, RESULT) == [R, R, O]
    assert states(INIT, shown, moved, RESULT) == [R, R, R, R]


async def test_a_turn_has_the_timeout_that_it_was_sent_with(standin: Path, tmp_path: Path) -> None:
    async with turn_harness(standin, tmp_path) as harness:
        turn = TakeTurn(session_id=harness.create_session().session_id, prompt="[[slow:99999]]", timeout_s=0.5)
        with pytest.raises(JobFailed) as raised:
            await harness.handler.run(turn, harness.context)
    assert (raised.value.kind, "0.5 seconds" in raised.value.message) == ("timeout", True)
