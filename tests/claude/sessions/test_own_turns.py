"""Turns that Claude begins by itself in an idle process, with what it has scheduled."""

from typing import Any

from sidecar_protocol.claude.permissions import PermissionDecision, PermissionStatus
from sidecar_protocol.claude.sessions import MessageKind, SessionStatus
from sidecar_protocol.claude.tasks import TaskKind

from tests.claude.client import FINAL, ClaudeClient, Talk, every_claude, scripted
from tests.claude.harness import processes_of, until
from tests.claude.test_real_background import call

SOON = '[[own:((ask:Bash:{"command":"ls"}))]] [[text:scheduled]]'
"""Lets the scripted `claude` begin a turn of its own, which asks for permission."""


def in_a_minute(prompt: str) -> str:
    """Makes a real Claude schedule a prompt once, for the next minute."""
    return call("CronCreate", cron="* * * * *", prompt=prompt, recurring=False)


async def own_turn(claude: ClaudeClient, after: str) -> dict[str, Any]:
    """Waits for the job of a turn that Claude has begun by itself."""

    def matches(one: Any) -> bool:
        job = one.params.get("job", {})
        return bool(one.method == "jobs.updated" and job["type"] == "claude.turn" and job["job_id"] != after)

    found: dict[str, Any] = (await claude.until(matches))["job"]
    return found


@every_claude
async def test_a_scheduled_turn_has_a_job_whose_questions_reach_the_person_and_whose_cost_counts(talk: Talk) -> None:
    prompt = SOON if talk.api is None else in_a_minute("[[tool:bash:touch asked; echo scheduled]]")
    async with talk.connected() as claude:
        session = await claude.sessions.create()
        sent = await claude.sessions.send(session_id=session.session_id, prompt=prompt)
        first = await claude.until_job(sent.job_id, *FINAL)
        assert first["status"] == "succeeded", first["error"]
        job = await own_turn(claude, sent.job_id)
        request = await claude.permission_request(job["job_id"])
        await claude.permissions.respond(request_id=request.request_id, decision=PermissionDecision.ALLOW)
        done = await claude.until_job(job["job_id"], *FINAL)
        assert (done["status"], done["payload"]["is_own"]) == ("succeeded", True), done["error"]
        messages = [one for one in await claude.messages(session.session_id) if one.job_id == job["job_id"]]
        assert messages[0].kind is MessageKind.NOTICE
        assert MessageKind.ERROR not in {one.kind for one in messages}
        usage = (await claude.sessions.get(session_id=session.session_id)).usage
        assert talk.api is None or usage.model_dump() == talk.api.billed
        assert await claude.answer_text(session.session_id, "[[text:next]]") == "next"
        notices = [one.text for one in await claude.messages(session.session_id) if one.kind is MessageKind.NOTICE]
        assert not [text for text in notices if "terminal" in text]


@scripted
async def test_a_prompt_that_comes_with_a_scheduled_turn_is_asked_after_it(talk: Talk) -> None:
    async with talk.connected() as claude:
        session = await claude.sessions.create()
        sent = await claude.sessions.send(session_id=session.session_id, prompt="[[own:((slow:50))]] [[text:first]]")
        await claude.until_job(sent.job_id, "succeeded")
        job = await own_turn(claude, sent.job_id)
        assert await claude.answer_text(session.session_id, "[[text:next]]") == "next"
        assert (await claude.until_job(job["job_id"], *FINAL))["status"] == "succeeded"


@scripted
async def test_a_turn_that_was_due_already_begins_with_the_end_of_another_one_and_has_a_job(talk: Talk) -> None:
    async with talk.connected() as claude:
        session = await claude.sessions.create()
        prompt = "[[due:((text:scheduled))]] [[text:first]]"
        sent = await claude.sessions.send(session_id=session.session_id, prompt=prompt)
        assert (await claude.until_job(sent.job_id, *FINAL))["result"]["text"] == "first"
        job = await own_turn(claude, sent.job_id)
        done = await claude.until_job(job["job_id"], *FINAL)
        assert (done["payload"]["is_own"], done["result"]["text"]) == (True, "scheduled")
        said = [(one.job_id, one.text) for one in await claude.messages(session.session_id)]
        assert (job["job_id"], "scheduled") in said
        assert (sent.job_id, "scheduled") not in said
        assert await claude.answer_text(session.session_id, "[[text:next]]") == "next"


@scripted
async def test_a_prompt_that_waits_for_a_turn_is_not_answered_by_one_that_was_due_before_it(talk: Talk) -> None:
    async with talk.connected() as claude:
        session = await claude.sessions.create()
        prompts = ("[[due:((text:scheduled))]] [[text:first]]", "[[text:second]]", "[[text:third]]")
        await claude.client.call("jobs.queue.pause")
        jobs = [await claude.sessions.send(session_id=session.session_id, prompt=prompt) for prompt in prompts]
        await claude.client.call("jobs.queue.resume")
        done = [await claude.until_job(job.job_id, *FINAL) for job in jobs]
        assert [job["result"]["text"] for job in done] == ["first", "second", "third"]


@every_claude
async def test_a_scheduled_turn_that_was_killed_is_interrupted_and_its_question_can_still_be_answered(
    talk: Talk,
) -> None:
    prompt = SOON if talk.api is None else in_a_minute("[[tool:bash:touch asked; echo scheduled]]")
    async with talk.connected() as claude:
        session_id = (await claude.sessions.create()).session_id
        sent = await claude.sessions.send(session_id=session_id, prompt=prompt)
        assert (await claude.until_job(sent.job_id, *FINAL))["status"] == "succeeded"
        own = await own_turn(claude, sent.job_id)
        asked = await claude.permission_request(own["job_id"])
        claude.client.process.kill()
        await claude.client.process.wait()
        await until(lambda: processes_of(session_id) == [])
    async with talk.connected() as claude:
        job = await claude.client.call("jobs.get", {"job_id": own["job_id"]})
        if job["status"] == "running":  # the processes of the killed sidecar are being looked for
            job = await claude.until_job(own["job_id"], *FINAL)
        assert (job["status"], job["error"]["kind"]) == ("interrupted", "crash")
        assert (await claude.sessions.get(session_id=session_id)).status is not SessionStatus.RUNNING
        messages = await claude.messages(session_id)
        assert [one.text for one in messages if one.kind is MessageKind.USER] == [prompt]
        (request,) = (await claude.permissions.list(session_id=session_id, status=PermissionStatus.OPEN)).requests
        assert (request.request_id, request.turn_ended) == (asked.request_id, True)
        answered = await claude.permissions.respond(
            request_id=request.request_id, decision=PermissionDecision.DENY, message="no"
        )
        assert answered.status is PermissionStatus.DENIED
        assert await claude.answer_text(session_id, "[[text:next]]") == "next"


@every_claude
async def test_a_session_shows_what_is_scheduled_and_a_person_stops_it(talk: Talk) -> None:
    prompt = "[[cron]]" if talk.api is None else call("CronCreate", cron="0 0 1 1 *", prompt="new year", recurring=True)
    async with talk.connected() as claude:
        session = await claude.sessions.create()
        job = await claude.take_turn(session.session_id, prompt)
        assert job["status"] == "succeeded", job["error"]
        (task,) = (await claude.sessions.get(session_id=session.session_id)).tasks
        assert (task.kind, task.description) == (TaskKind.SCHEDULE, "0 0 1 1 *: new year")
        await claude.sessions.interrupt(session_id=session.session_id)
        await claude.until(
            lambda one: one.method == "claude.message_added" and "will not happen" in one.params["message"]["text"]
        )
        assert (await claude.sessions.get(session_id=session.session_id)).tasks == []
        assert await claude.answer_text(session.session_id, "[[text:next]]") == "next"
