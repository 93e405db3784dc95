"""Runs and turns that a usage limit interrupts: they go on instead of beginning again, and in their order."""

from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from sidecar_protocol.claude.runs import Runs
from sidecar_protocol.claude.sessions import MessageKind, SessionStatus
from sidecar_protocol.jobs import Jobs

from sidecar.claude.limits import GO_ON, MARGIN_S
from sidecar.claude.runs import RunState
from sidecar.commandline.client import RemoteError
from sidecar.job_handler import JobFailed, JobSnoozed
from tests.claude.client import FINAL, ClaudeClient, both_releases, connected
from tests.claude.harness import RunHarness, processes_of, until
from tests.claude.turn_harness import turn_harness
from tests.conftest import StartSidecar
from tests.fakes.anthropic import FakeAnthropic
from tests.in_process_app import EIGHT_O_CLOCK

UNKNOWN_SESSION = "00000000-0000-0000-0000-000000000000"


def soon() -> int:
    return int(datetime.now(UTC).timestamp()) + 3600


async def until_limited(claude: ClaudeClient, session_id: str, prompt: str) -> str:
    """Sends a prompt and waits until its turn waits for the limit; returns the job's id."""
    job = await claude.sessions.send(session_id=session_id, prompt=prompt)
    await claude.until(
        lambda one: (
            one.method == "jobs.updated"
            and one.params["job"]["job_id"] == job.job_id
            and one.params["job"]["waiting_for"] == "rate_limit"
        )
    )
    return job.job_id


async def test_a_run_that_has_acted_goes_on_in_its_session(harness: RunHarness) -> None:
    with anyio.fail_after(120):
        with pytest.raises(JobSnoozed) as snoozed:
            await harness.run(f"[[tool:make]] [[limit:{soon()}]]")
        harness.context.snoozed_for_s = 3600.0
        result = await harness.run(f"[[tool:make]] [[limit:{soon()}]]")
    assert snoozed.value.keeps_lock
    assert result.text == f"echo: {GO_ON}"
    run = harness.handler.runs.get(harness.context.job_id)
    assert run is not None
    assert run.session_id == result.session_id
    assert len({key for key in harness.context.locked if key.endswith(str(result.session_id))}) == 1


async def test_a_run_that_has_not_acted_begins_again(harness: RunHarness) -> None:
    prompt = f"[[limit:{soon()}]]"
    with anyio.fail_after(120):
        with pytest.raises(JobSnoozed):
            await harness.run(prompt)
        harness.context.snoozed_for_s = 3600.0
        with pytest.raises(JobSnoozed):  # a new process has counted no prompts yet
            await harness.run(prompt)


async def test_a_run_that_cannot_be_continued_is_interrupted(harness: RunHarness) -> None:
    with anyio.fail_after(120):
        with pytest.raises(JobSnoozed):
            await harness.run(f"[[tool:make]] [[limit:{soon()}]]")
        harness.context.snoozed_for_s = 3600.0
        for state in (RunState(UNKNOWN_SESSION, has_acted=True), RunState(None, has_acted=True)):
            harness.handler.runs.record(harness.context.job_id, state)
            with pytest.raises(JobFailed) as failed:
                await harness.run(f"[[tool:make]] [[limit:{soon()}]]")
            assert (failed.value.kind, failed.value.interrupted) == ("not_continued", True)


async def test_a_further_attempt_after_another_failure_goes_on_too(harness: RunHarness) -> None:
    with anyio.fail_after(120):
        with pytest.raises(JobFailed) as failed:
            await harness.run("[[tool:make]] [[error:529]]")
        assert failed.value.retryable
        harness.context.attempt = 2
        assert (await harness.run("[[tool:make]] [[error:529]]")).text == f"echo: {GO_ON}"
        harness.context.attempt = 1  # `jobs.retry` begins again
        with pytest.raises(JobFailed):
            await harness.run("[[tool:make]] [[error:529]]")


async def test_a_turn_that_has_acted_goes_on_and_its_session_says_so(standin: Path, tmp_path: Path) -> None:
    prompt = f"[[tool:make]] [[limit:{EIGHT_O_CLOCK // 1000 + 3600}]]"
    async with turn_harness(standin, tmp_path) as harness:
        session_id = harness.create_session().session_id
        with pytest.raises(JobSnoozed) as snoozed:
            await harness.run(session_id, prompt)
        waiting = harness.session(session_id)
        assert waiting.status is SessionStatus.LIMITED
        assert waiting.resumes_at is not None
        harness.context.snoozed_for_s = 3600.0
        assert (await harness.run(session_id, prompt)).text == f"echo: {GO_ON}"
        after = harness.session(session_id)
        assert (after.status, after.resumes_at) == (SessionStatus.IDLE, None)
        items = [(one.kind, one.text) for one in harness.messages(session_id)]
    assert [text for kind, text in items if kind is MessageKind.USER] == [prompt]
    assert [text for kind, text in items if kind is MessageKind.NOTICE] == [
        snoozed.value.message,
        f"Claude received another prompt instead, to go on: {GO_ON}",
    ]


async def test_a_turn_goes_on_although_what_it_did_before_the_limit_could_not_be_stored(
    standin: Path, tmp_path: Path
) -> None:
    prompt = f"[[tool:make]] [[limit:{EIGHT_O_CLOCK // 1000 + 3600}]]"
    async with turn_harness(standin, tmp_path) as harness:
        session_id = harness.create_session().session_id
        harness.database.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON claude_messages WHEN NEW.kind IN ('tool_use', 'tool_result')"
            " BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )
        with pytest.raises(JobSnoozed):
            await harness.run(session_id, prompt)
        harness.database.execute("DROP TRIGGER refuse")
        harness.context.snoozed_for_s = 3600.0
        assert (await harness.run(session_id, prompt)).text == f"echo: {GO_ON}"
        notices = [one.text for one in harness.messages(session_id) if one.kind is MessageKind.NOTICE]
    assert "Claude had begun to work on this prompt; nothing of that is stored." in notices


async def test_later_prompts_wait_for_the_one_that_waits_for_a_limit(sidecar: StartSidecar, standin: Path) -> None:
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create()
        moment = soon()
        first = await until_limited(claude, session.session_id, f"[[limit:{moment}]] first")
        shown = await claude.sessions.get(session_id=session.session_id)
        assert shown.status is SessionStatus.LIMITED
        assert shown.resumes_at is not None
        assert datetime.fromisoformat(shown.resumes_at).timestamp() == pytest.approx(moment + MARGIN_S, abs=1)
        second = await claude.sessions.send(session_id=session.session_id, prompt="never mind", priority=9)
        third = await claude.sessions.send(session_id=session.session_id, prompt="and never this")
        await claude.client.call("jobs.cancel", {"job_id": third.job_id})
        assert (await claude.sessions.get(session_id=session.session_id)).status is SessionStatus.LIMITED
        other = await claude.sessions.create()
        await claude.answer_text(other.session_id, "another session")
        jobs = claude.client.remote(Jobs)
        assert [(await jobs.get(job_id=one)).waiting_for for one in (first, second.job_id)] == ["rate_limit", "lock"]
        await jobs.retry(job_id=first)
        await claude.until_job(second.job_id, "succeeded")
        prompts = [one.text for one in await claude.messages(session.session_id) if one.kind is MessageKind.USER]
    assert prompts == [f"[[limit:{moment}]] first", "never mind"]


@pytest.mark.parametrize("how", ["interrupt", "jobs.cancel"])
async def test_a_turn_that_waits_for_a_limit_is_cancelled(how: str, sidecar: StartSidecar, standin: Path) -> None:
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create()
        first = await until_limited(claude, session.session_id, f"[[limit:{soon()}]] first")
        if how == "interrupt":
            assert (await claude.sessions.interrupt(session_id=session.session_id)).status is SessionStatus.INTERRUPTED
        else:
            await claude.client.call("jobs.cancel", {"job_id": first})
        await claude.until_job(first, "cancelled")
        after = await claude.sessions.get(session_id=session.session_id)
        assert (after.status, after.resumes_at) == (SessionStatus.INTERRUPTED, None)
        assert await claude.answer_text(session.session_id, "[[text:next]]") == "next"


async def test_a_kill_while_a_turn_waits_for_a_limit_loses_and_repeats_nothing(
    sidecar: StartSidecar, standin: Path
) -> None:
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create()
        first = await until_limited(claude, session.session_id, f"[[tool:make]] [[limit:{soon()}]]")
        second = await claude.sessions.send(session_id=session.session_id, prompt="[[text:second]]")
        claude.client.process.kill()
        await claude.client.process.wait()
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        await until(lambda: processes_of(session.session_id) == [])
        assert (await claude.sessions.get(session_id=session.session_id)).status is SessionStatus.LIMITED
        jobs = claude.client.remote(Jobs)
        assert (await jobs.get(job_id=second.job_id)).waiting_for == "lock"
        await jobs.retry(job_id=first)
        done = await claude.until_job(first, *FINAL)
        assert (done["status"], done["result"]["text"]) == ("succeeded", f"echo: {GO_ON}")
        await claude.until_job(second.job_id, "succeeded")


async def test_going_on_can_be_switched_off_for_a_session_a_turn_and_a_run(
    sidecar: StartSidecar, standin: Path
) -> None:
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create(wait_for_limit=False)
        failed = await claude.take_turn(session.session_id, f"[[limit:{soon()}]] one")
        assert (failed["status"], failed["error"]["kind"]) == ("failed", "usage_limit")
        assert not (await claude.sessions.fork(session_id=session.session_id)).wait_for_limit
        session = await claude.sessions.update(session_id=session.session_id, wait_for_limit=True)
        assert session.wait_for_limit
        job = await claude.sessions.send(
            session_id=session.session_id, prompt=f"[[limit:{soon()}]] two", wait_for_limit=False
        )
        assert (await claude.until_job(job.job_id, *FINAL))["error"]["kind"] == "usage_limit"
        assert (await claude.sessions.get(session_id=session.session_id)).status is SessionStatus.IDLE
        run = await claude.client.call("claude.spawn", {"prompt": f"[[limit:{soon()}]]", "wait_for_limit": False})
        assert (await claude.until_job(run["job_id"], *FINAL))["error"]["kind"] == "usage_limit"


async def test_a_cancelled_and_a_crashed_run_keep_their_sessions(sidecar: StartSidecar, standin: Path) -> None:
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        runs = claude.client.remote(Runs)
        cancelled, crashed = [
            (await claude.client.call("claude.spawn", {"prompt": f"[[slow:99999]] {name}"}))["job_id"]
            for name in ("a", "b")
        ]
        for job_id in (cancelled, crashed):
            await claude.first_delta(job_id)
        await claude.client.call("jobs.cancel", {"job_id": cancelled})
        await claude.until_job(cancelled, "cancelled")
        before = [(await runs.get(job_id=job_id)).session_id for job_id in (cancelled, crashed)]
        with pytest.raises(RemoteError) as refused:
            await runs.get(job_id="another")
        claude.client.process.kill()
        await claude.client.process.wait()
    assert refused.value.kind == "run_not_found"
    assert None not in before
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        runs = claude.client.remote(Runs)
        assert [(await runs.get(job_id=job_id)).session_id for job_id in (cancelled, crashed)] == before


@both_releases
@pytest.mark.parametrize("kind", ["run", "turn"])
async def test_the_real_cli_does_not_repeat_what_it_has_done(
    kind: str, sidecar: StartSidecar, real_environment: dict[str, str], api: FakeAnthropic, tmp_path: Path
) -> None:
    subscription = {**real_environment, "CLAUDE_CODE_OAUTH_TOKEN": "fake"}
    del subscription["ANTHROPIC_API_KEY"]
    done = tmp_path / "done"
    prompt = f"[[tool:bash:echo once >> {done}]] [[limitafter:{soon()}]]"
    async with connected(sidecar, **subscription) as claude:
        if kind == "run":
            created = await claude.client.call("claude.spawn", {"prompt": prompt, "allowed_tools": ["Bash"]})
            job_id = created["job_id"]
            await claude.until(lambda one: one.params.get("job", {}).get("waiting_for") == "rate_limit")
        else:
            session = await claude.sessions.create(allowed_tools=["Bash"])
            job_id = await until_limited(claude, session.session_id, prompt)
        await claude.client.remote(Jobs).retry(job_id=job_id)
        job = await claude.until_job(job_id, *FINAL)
        assert job["status"] == "succeeded", job["error"]
        assert job["result"]["text"] == f"echo: {GO_ON}"
    assert done.read_text() == "once\n"


@both_releases
async def test_unanswered_questions_do_not_stop_other_sessions(real_client: ClaudeClient) -> None:
    asked = [await real_client.sessions.create() for _ in range(3)]
    for session in asked:
        job = await real_client.sessions.send(session_id=session.session_id, prompt="[[tool:bash:touch asked]]")
        await real_client.permission_request(job.job_id)
    other = await real_client.sessions.create()
    assert await real_client.answer_text(other.session_id, "[[text:free]]") == "free"
