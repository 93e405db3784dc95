"""Runs of Claude that a schedule makes: what the ledger says of them."""

from typing import Any

from tests.claude.client import FINAL, ClaudeClient, Talk, scripted

YEAR_S = 365 * 24 * 3_600


async def run_once(claude: ClaudeClient, prompt: str, **payload: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Makes a schedule and runs it now; returns its job and what the ledger says of the run."""
    params = {"title": "Daily", "type": "claude.run", "payload": {"prompt": prompt, **payload}, "period_s": YEAR_S}
    schedule = await claude.client.call("jobs.schedules.create", params)
    queued = await claude.client.call("jobs.schedules.run", {"schedule_id": schedule["schedule_id"]})
    job = await claude.until_job(queued["job_id"], *FINAL)
    listed = await claude.client.call("jobs.schedules.runs.list", {"schedule_id": schedule["schedule_id"]})
    [run] = listed["runs"]
    return job, run


@scripted
async def test_a_run_without_an_answer_is_nowhere_a_success(talk: Talk) -> None:
    async with talk.connected() as claude:
        job, run = await run_once(claude, "[[tool:ls]] [[text:]]")
        assert (job["status"], job["error"]["kind"], job["result"]) == ("failed", "no_answer", None)
        assert (run["status"], run["reason"], run["text"]) == ("empty", None, None)
        told = await claude.until(lambda one: one.method == "jobs.schedule_run_ended")
        assert told["text"] == "It ended without an answer.  Its log shows what it has done."
        [event] = (await claude.client.call("activity.events.list", {"source": "claude"}))["events"]
        assert event["event_type"] == "run_failed"
