"""Runs of Claude that a schedule makes: what the ledger says of them."""

from pathlib import Path
from typing import Any

import pytest

from sidecar.commandline.client import RemoteError
from tests.claude.client import FINAL, ClaudeClient, Talk, every_claude, scripted

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


@every_claude
async def test_a_command_of_claude_code_needs_no_answer(talk: Talk) -> None:
    async with talk.connected() as claude:
        conversation: dict[str, str] = {}
        for _ in range(2):  # 2.1.197 compacts no less
            first = await claude.client.call("claude.spawn", {"prompt": "hello", **conversation})
            first = await claude.until_job(first["job_id"], *FINAL)
            conversation = {"session_id": first["result"]["session_id"]}
        # The scripted one knows no /compact, and the real ones forget nothing in /clear that a run would go on with.
        command = "/clear" if talk.api is None else "/compact"
        job, run = await run_once(claude, command, **conversation)
        assert (job["status"], job["error"], job["result"]["num_turns"]) == ("succeeded", None, 0)
        assert job["result"]["text"].strip() == ""
        assert (run["status"], run["error"]) == ("succeeded", None)
        told = await claude.until(lambda one: one.method == "jobs.schedule_run_ended")
        assert told["text"] == "Done."


async def refusal(claude: ClaudeClient, method: str, **params: Any) -> tuple[str, str]:
    """Returns the path and the message with which a schedule or a job is refused."""
    with pytest.raises(RemoteError) as raised:
        await claude.client.call(method, params)
    assert raised.value.data["kind"] == "invalid_params"
    [detail] = raised.value.data["details"]
    return detail["path"], detail["message"]


@scripted
async def test_a_schedule_and_a_job_of_what_cannot_run_are_refused_with_the_field(talk: Talk, tmp_path: Path) -> None:
    brings = tmp_path / "brings"
    brings.mkdir()
    (brings / ".mcp.json").write_text('{"mcpServers": {"theirs": {"command": "true"}}}')
    async with talk.connected() as claude:
        session = await claude.sessions.create()
        await claude.answer_text(session.session_id, "hello")
        held = (await claude.sessions.get(session_id=session.session_id)).claude_session_id
        create = {"title": "Daily", "period_s": YEAR_S}
        refused = [
            ("claude.run", {"prompt": " \n"}, "prompt", "has no text"),
            ("claude.run", {}, "prompt", "has no text"),
            ("claude.run", {"prompt": "a", "effort": "utmost"}, "effort", "Claude Code knows"),
            ("claude.run", {"prompt": "a", "model": "--model"}, "model", "String should match"),
            ("claude.run", {"prompt": "a", "cwd": str(tmp_path / "none")}, "cwd", "is not the absolute path"),
            ("claude.run", {"prompt": "a", "cwd": "relative"}, "cwd", "is not the absolute path"),
            ("claude.run", {"prompt": "a", "cwd": str(brings)}, "cwd", "The folder brings is not trusted"),
            ("claude.run", {"prompt": "a", "session_id": held}, "session_id", "belongs to a session"),
            ("claude.turn", {"prompt": "a", "session_id": "none"}, "session_id", "no session"),
            ("claude.turn", {"prompt": "", "session_id": session.session_id}, "prompt", "has no text"),
            ("claude.turn", {"prompt": "a", "session_id": session.session_id, "is_own": True}, "is_own", "is set by"),
            ("claude.export", {"session_id": "none"}, "session_id", "no session"),
            ("activity.export", {"path": str(tmp_path / "none" / "a.csv")}, "path", "The folder"),
            ("calendar.sync", {"account_id": "none"}, "account_id", "is no account"),
            ("jira.sync", {"account_id": "none"}, "account_id", "is no account"),
            ("confluence.sync", {"account_id": "none"}, "account_id", "is no account"),
        ]
        for job_type, payload, member, message in refused:
            wanted = {"type": job_type, "payload": payload}
            path, said = await refusal(claude, "jobs.schedules.create", **create, **wanted)
            assert (path, said[: len(message)]) == (f"payload.{member}", message), job_type
            if job_type in ("claude.run", "claude.turn"):
                assert await refusal(claude, "jobs.create", **wanted) == (path, said), job_type
        # `settings: user` leaves out what the folder brings; trust lets all of it be used.
        payload = {"prompt": "a", "cwd": str(brings)}
        params = {**create, "type": "claude.run", "payload": payload | {"settings": "user"}}
        schedule = await claude.client.call("jobs.schedules.create", params)
        update = {"schedule_id": schedule["schedule_id"], "payload": payload}
        path, _ = await refusal(claude, "jobs.schedules.update", **update)
        assert path == "payload.cwd"
        await claude.client.call("claude.trust.add", {"cwd": str(brings)})
        updated = await claude.client.call("jobs.schedules.update", update)
        assert updated["payload"]["settings"] == "all"
        assert {job["type"] for job in (await claude.client.call("jobs.list"))["jobs"]} == {"claude.turn"}
        made = [one for one in (await claude.client.call("jobs.schedules.list"))["schedules"] if not one["fixed"]]
        assert [one["schedule_id"] for one in made] == [schedule["schedule_id"]]
