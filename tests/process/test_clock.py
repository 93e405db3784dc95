"""The wall clock is set back, or corrected by milliseconds, while the real process runs."""

from pathlib import Path

import pytest

from tests.conftest import StartRawClient
from tests.process.raw_client import MODIFIED_SIDECAR, RawClient

STEPPED = (*MODIFIED_SIDECAR, "stepped")
DAY_MS = 86_400_000
DELAY_MS = 600_000


def set_clock(data_dir: Path, ahead_ms: int) -> None:
    """Sets the sidecar's wall clock to this many milliseconds ahead of the machine's."""
    new = data_dir / "clock.new"
    new.write_text(str(ahead_ms), "ascii")
    new.replace(data_dir / "clock")


def queue_prompts(wire: RawClient, *steps_ms: int) -> tuple[str, list[str]]:
    """Sends a prompt to one session after each step of the clock; returns the session's id and the prompts' jobs."""
    session_id = wire.call("claude.sessions.create")["session_id"]
    wire.call("jobs.queue.pause")
    jobs = []
    for number, step_ms in enumerate(steps_ms):
        set_clock(wire.data_dir, step_ms)
        jobs.append(wire.call("claude.sessions.send", session_id=session_id, prompt=f"prompt {number}")["job_id"])
    return session_id, jobs


@pytest.mark.parametrize("back_ms", [40, DAY_MS])
def test_prompts_reach_claude_in_the_order_in_which_they_were_sent(
    raw_client: StartRawClient, standin: Path, back_ms: int
) -> None:
    with raw_client(command=STEPPED, CLAUDE_PATH=str(standin)) as wire:
        wire.initialize()
        session_id, jobs = queue_prompts(wire, 0, -back_ms, -2 * back_ms)
        newest_first = [job["job_id"] for job in wire.call("jobs.list", type="claude.turn")["jobs"]]
        wire.call("jobs.queue.resume")
        wire.until_job(jobs[-1], "succeeded")
        for job_id in jobs[:-1]:
            assert wire.call("jobs.get", job_id=job_id)["status"] == "succeeded"
        messages = wire.call("claude.messages.list", session_id=session_id, limit=500)["messages"]
    assert newest_first == jobs[::-1]
    assert [one["text"] for one in messages if one["kind"] == "user"] == ["prompt 0", "prompt 1", "prompt 2"]


def test_a_session_that_was_updated_last_is_listed_first(raw_client: StartRawClient) -> None:
    with raw_client(command=STEPPED) as wire:
        wire.initialize()
        first, second = (wire.call("claude.sessions.create")["session_id"] for _ in range(2))
        set_clock(wire.data_dir, -60_000)
        wire.call("claude.sessions.update", session_id=first, title="Renamed")
        set_clock(wire.data_dir, -120_000)
        third = wire.call("claude.sessions.create")["session_id"]
        fork = wire.call("claude.sessions.fork", session_id=second)["session_id"]
        page = wire.call("claude.sessions.list", limit=3)
        rest = wire.call("claude.sessions.list", cursor=page["next_cursor"])
    assert [one["session_id"] for one in page["sessions"] + rest["sessions"]] == [fork, third, first, second]


def test_the_permission_request_that_was_made_last_is_listed_first(raw_client: StartRawClient, standin: Path) -> None:
    with raw_client(command=STEPPED, CLAUDE_PATH=str(standin)) as wire:
        wire.initialize()
        asked = []
        for back_ms in (0, 60_000):  # two turns run at once
            set_clock(wire.data_dir, -back_ms)
            session_id = wire.call("claude.sessions.create")["session_id"]
            wire.call("claude.sessions.send", session_id=session_id, prompt='[[ask:Bash:{"command": "ls"}]]')
            asked.append(wire.until("claude.permission_requested")["request"]["request_id"])
        listed = wire.call("claude.permissions.list")["requests"]
        opened = wire.call("claude.permissions.list", status="open")["requests"]
    assert [one["request_id"] for one in listed] == [one["request_id"] for one in opened] == asked[::-1]


def create_failing(wire: RawClient) -> str:
    """Returns the id of a job that fails twice, with a delay in between that no test waits for."""
    payload = {"retry_after_s": DELAY_MS / 1000}
    job = wire.call("jobs.create", type="test.fail", payload=payload, max_attempts=2)["job"]
    return str(job["job_id"])


def attempts_after_the_delay(wire: RawClient, job_id: str) -> int:
    """Lets the delay pass on the clock that was set back by a day; returns the attempts of the failed job."""
    set_clock(wire.data_dir, DELAY_MS - DAY_MS)
    wire.call("jobs.queue.wake")
    return int(wire.until_job(job_id, "failed")["attempt"])


def test_a_retry_does_not_wait_until_the_clock_has_caught_up(raw_client: StartRawClient) -> None:
    with raw_client(command=STEPPED) as wire:
        wire.initialize()
        job_id = create_failing(wire)
        wire.until_job(job_id, "running")
        waiting = wire.until_job(job_id, "queued")
        set_clock(wire.data_dir, -DAY_MS)
        brought_forward = wire.until_job(job_id, "queued")
        assert attempts_after_the_delay(wire, job_id) == 2
    assert brought_forward["run_at"] < waiting["run_at"]


def test_a_retry_does_not_wait_for_the_clock_after_a_restart_either(raw_client: StartRawClient) -> None:
    with raw_client(command=STEPPED) as wire:
        wire.initialize()
        wire.call("jobs.queue.pause")
        job_id = create_failing(wire)
        planned = wire.call("jobs.create", type="test.echo", run_at="2098-01-01T00:00:00Z")["job"]
        wire.call("jobs.queue.resume")
        wire.until_job(job_id, "running")
        wire.until_job(job_id, "queued")
        wire.process.kill()
    set_clock(wire.data_dir, -DAY_MS)
    with raw_client(command=STEPPED) as wire:
        wire.initialize()
        wire.until_job(job_id, "queued")
        assert attempts_after_the_delay(wire, job_id) == 2
        assert wire.call("jobs.get", job_id=planned["job_id"]) == planned, "a time that the client chose is its own"
