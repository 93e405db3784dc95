"""Sources of answers: rows that the hub has returned in the conversation, or none that exists."""

import json
from typing import Any

import pytest
from sidecar_protocol.claude.citations import Citation, Citations, CitedRow
from sidecar_protocol.claude.runs import HubAccess
from sidecar_protocol.claude.sessions import MessageKind

from tests.claude.client import FINAL, ClaudeClient, Talk, both_releases, every_claude, scripted
from tests.claude.test_gate import READ, folder, invited
from tests.claude.test_scheduled_runs import run_once

__all__ = ["folder"]  # a fixture
ANSWER = "You have *Planning* [1].\nBob left [9]. See `rows[1]`, [2](https://x.example)."
ASK = f"{READ} [[say:{ANSWER}]]"
UNKNOWN = "Bob left [9]."


async def jobs_of(claude: ClaudeClient, count: int) -> list[str]:
    """Creates finished jobs, and returns their ids, newest first."""
    made = [await claude.client.call("jobs.create", {"type": "maintenance.backup"}) for _ in range(count)]
    for one in made:
        await claude.until_job(one["job"]["job_id"], "succeeded")
    return [one["job"]["job_id"] for one in reversed(made)]


def call(tool: str, **arguments: Any) -> str:
    return f"[[call:mcp__hub__{tool}:{json.dumps(arguments)}]]"


def said(text: str, *tools: str) -> str:
    """Returns a prompt with which Claude uses tools and answers this."""
    return f"{' '.join(tools)} [[say:{text}.]]" if tools else f"[[text:{text}.]]"


def cited(job: dict[str, Any]) -> dict[int, str | None]:
    """Returns what the numbers in an answer lead to: the id of a job, or None."""
    citations = [Citation.model_validate(one) for one in job["result"]["citations"]]
    return {one.number: None if one.row is None else one.row.job_id for one in citations}


@every_claude
async def test_the_answer_of_a_run_leads_to_its_rows_and_marks_what_does_not_exist(talk: Talk, folder: Any) -> None:
    async with talk.connected() as claude:
        await invited(claude, folder)
        job, run = await run_once(claude, ASK, cwd=str(folder))
        assert job["result"]["text"] == ANSWER
        [calendar] = (await claude.client.call("calendar.calendars.list"))["calendars"]
        known, unknown = [Citation.model_validate(one) for one in job["result"]["citations"]]
        assert ANSWER[known.start - 1 : known.end + 1] == "[1]"
        assert known.row is not None
        assert known == Citation(
            number=1,
            start=known.start,
            end=known.end,
            row=CitedRow(
                kind="calendar_event",
                account_id=calendar["account_id"],
                calendar_id=calendar["calendar_id"],
                event_id=known.row.event_id,
                title="Planning",
                at=known.row.at,
            ),
        )
        at = ANSWER.index("[9]") + 1
        assert unknown == Citation(number=9, start=at, end=at + 1, row=None, sentence=UNKNOWN)
        listed = await claude.client.remote(Citations).list_citations(job_id=job["job_id"])
        assert listed.citations == [known, unknown]
        # The record of the schedule, the feed and the notification lead to the job.
        assert (run["job_id"], run["text"]) == (job["job_id"], ANSWER)
        [event] = (await claude.client.call("activity.events.list", {"source": "claude"}))["events"]
        assert event["raw"]["job_id"] == job["job_id"]
        assert (event["raw"]["citations"], event["raw"]["unknown_citations"]) == (2, 1)
        told = await claude.until(lambda one: one.method == "jobs.schedule_run_ended")
        assert (told["title"], told["text"], told["run"]["job_id"]) == ("Daily", ANSWER, job["job_id"])


@every_claude
async def test_a_number_stays_the_same_in_later_turns_in_a_new_process_and_in_a_fork(talk: Talk) -> None:
    async with talk.connected() as claude:
        older = await jobs_of(claude, 2)
        session = await claude.sessions.create(hub=HubAccess.READ)
        listing = call("jobs_list", type="maintenance.backup")
        first = await claude.take_turn(session.session_id, said("[1] and [2] and [3]", listing))
        assert cited(first) == {1: older[0], 2: older[1], 3: None}
        [newer] = await jobs_of(claude, 1)
        # It is the first of the list now, and the rows listed before keep their numbers.
        second = await claude.take_turn(session.session_id, said("[3] and [1]", listing))
        assert cited(second) == {3: newer, 1: older[0]}
        messages = await claude.messages(session.session_id)
        results = [one for one in messages if one.kind is MessageKind.TOOL_RESULT]
        assert [[one["n"] for one in json.loads(result.text)["jobs"]] for result in results] == [[1, 2], [3, 1, 2]]
        before = [one for one in messages if one.job_id == first["job_id"]][-1]
    async with talk.connected() as claude:
        later = await claude.take_turn(session.session_id, said("[2] and [4]"))
        assert cited(later) == {2: older[1], 4: None}
        fork = await claude.sessions.fork(session_id=session.session_id)
        assert cited(await claude.take_turn(fork.session_id, said("[3]"))) == {3: newer}
        # A fork at an earlier message has not seen the rows that came in after it.
        fork = await claude.sessions.fork(session_id=session.session_id, message_id=before.message_id)
        assert cited(await claude.take_turn(fork.session_id, said("[2] and [3]"))) == {2: older[1], 3: None}
        again = await claude.take_turn(fork.session_id, said("[3]", listing))
        assert cited(again) == {3: newer}


@both_releases
async def test_a_run_that_continues_another_one_can_cite_its_rows(talk: Talk) -> None:
    async with talk.connected() as claude:
        [backup] = await jobs_of(claude, 1)
        prompt = said("[1]", call("jobs_list", type="maintenance.backup"))
        first = await claude.client.call("claude.spawn", {"prompt": prompt})
        first = await claude.until_job(first["job_id"], *FINAL)
        assert cited(first) == {1: backup}
        second = {"prompt": said("[1], [2]"), "session_id": first["result"]["session_id"]}
        job = await claude.client.call("claude.spawn", second)
        assert cited(await claude.until_job(job["job_id"], *FINAL)) == {1: backup, 2: None}


@every_claude
async def test_claude_is_told_to_cite(talk: Talk) -> None:
    async with talk.connected() as claude:
        session = await claude.sessions.create(hub=HubAccess.READ)
        await claude.answer_text(session.session_id, "hello")
        if talk.api is not None:
            assert "square brackets, such as [3]" in json.dumps(talk.api.messages()[-1].body)


@scripted
@pytest.mark.parametrize("prompt", ["[[text:items[1] and [2].]]", "hello"])
async def test_without_the_hub_nothing_is_a_citation(talk: Talk, prompt: str) -> None:
    async with talk.connected() as claude:
        job = await claude.client.call("claude.spawn", {"prompt": prompt, "hub": "off"})
        done = await claude.until_job(job["job_id"], *FINAL)
        assert done["result"]["citations"] == []
        citations = claude.client.remote(Citations)
        assert (await citations.list_citations(job_id=job["job_id"])).citations == []
        [event] = (await claude.client.call("activity.events.list", {"source": "claude"}))["events"]
        assert "citations" not in event["raw"]


@scripted
async def test_a_run_that_is_repeated_knows_no_row_of_its_first_attempt(talk: Talk) -> None:
    async with talk.connected() as claude:
        [older] = await jobs_of(claude, 1)
        prompt = said("[1], [2]", call("jobs_list", type="maintenance.backup", limit=1))
        job = await claude.client.call("claude.spawn", {"prompt": prompt})
        assert cited(await claude.until_job(job["job_id"], *FINAL)) == {1: older, 2: None}
        [newer] = await jobs_of(claude, 1)
        claude.received.clear()
        await claude.client.call("jobs.retry", {"job_id": job["job_id"]})
        assert cited(await claude.until_job(job["job_id"], *FINAL)) == {1: newer, 2: None}


@scripted
async def test_the_citations_of_a_session_are_deleted_with_it(talk: Talk) -> None:
    async with talk.connected() as claude:
        await jobs_of(claude, 1)
        session = await claude.sessions.create()
        prompt = said("[1]", call("jobs_list", type="maintenance.backup"))
        job = await claude.take_turn(session.session_id, prompt)
        citations = claude.client.remote(Citations)
        assert [one.number for one in (await citations.list_citations(job_id=job["job_id"])).citations] == [1]
        await claude.sessions.delete(session_id=session.session_id)
        assert (await citations.list_citations(job_id=job["job_id"])).citations == []
