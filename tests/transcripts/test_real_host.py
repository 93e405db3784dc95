"""A host's recording with two jobs at once, polling, paging and `kill -9` is verified, however the work interleaves."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sidecar.transcripts.verify.check import VerifyOptions, check
from sidecar.transcripts.verify.findings import explain_all
from tests.fakes.ics import FakeIcs
from tests.process.raw_client import RawClient, line
from tests.transcripts.recording import lines_of, sent_by_sidecar

ROUNDS = 3
EVENT = "BEGIN:VEVENT\r\nUID:e{0}@example.com\r\nDTSTART:{1:%Y%m%dT%H}0000Z\r\nSUMMARY:Walk {0}\r\nEND:VEVENT\r\n"


def calendar() -> bytes:
    """Returns a file with a meeting on each of fourteen days."""
    now = datetime.now(UTC) - timedelta(days=6)
    events = "".join(EVENT.format(day, now + timedelta(days=day)) for day in range(14))
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:a\r\nX-WR-CALNAME:Ada\r\n{events}END:VCALENDAR\r\n".encode()


def poll(host: RawClient, *job_ids: str) -> None:
    """Asks for the jobs again and again, as a page without notifications does."""
    while not all(host.call("jobs.get", job_id=job_id)["status"] == "succeeded" for job_id in job_ids):
        host.call("jobs.queue.get")
        host.call("jobs.list", limit=5)


def record(path: Path, data: Path, address: str) -> None:
    """Records a host that is killed once."""
    now = datetime.now(UTC)
    days: dict[str, Any] = {"start": f"{now - timedelta(days=1):%FT%T}Z", "end": f"{now + timedelta(days=7):%FT%T}Z"}
    with RawClient(data, "--record", str(path)) as host:
        epoch = host.initialize()["events"]["epoch"]
        host.call("calendar.accounts.create", provider="ics", email="a@example.com", credentials={"address": address})
        jobs = [host.call("jobs.create", type=f"maintenance.{one}")["job"] for one in ("backup", "vacuum")]
        poll(host, *(job["job_id"] for job in jobs))
        host.until("activity.changed")
        host.until("jobs.updated")
        page = host.call("calendar.events.list", limit=5, **days)
        while page["next_cursor"]:
            page = host.call("calendar.events.list", limit=5, cursor=page["next_cursor"], **days)
        host.send(line("jobs.creat", "x1", type="x") + line("jobs.list", "x2", limit=3) + line("system.health", "x3"))
        for one in ("x1", "x2", "x3"):
            host.answer(one)
        later = host.call("jobs.create", type="maintenance.prune", run_at="2100-01-01T00:00:00Z")["job"]
        host.call("jobs.cancel", job_id=later["job_id"])
        synced = [one["params"]["job"] for one in host.all_notifications if one["method"] == "jobs.updated"]
        if not any(job["type"] == "calendar.sync" and job["status"] == "succeeded" for job in synced):
            host.until_job(next(job["job_id"] for job in synced if job["type"] == "calendar.sync"), "succeeded")
        host.call("system.diagnostics")
        host.process.kill()
    with RawClient(data, "--record", str(path)) as host:
        host.initialize(resume={"epoch": epoch, "after_seq": 3})
        poll(host, *(host.call("jobs.create", type="maintenance.backup")["job"]["job_id"] for _ in range(2)))
        host.call("jobs.queue.pause")
        host.call("jobs.queue.resume")
        host.call("events.replay", after_seq=3)
        host.close_stdin()
        host.exit_code()


def test_a_recording_of_a_real_host_is_verified_every_time(tmp_path: Path) -> None:
    path = tmp_path / "host.jsonl"
    with FakeIcs(calendar()) as server:
        record(path, tmp_path / "data", server.address)
        assert len(sent_by_sidecar(path)) > 50
        for _ in range(ROUNDS):
            assert explain_all(path, check(path, VerifyOptions(secrets={1: server.address}))) == ""
    assert {"$secret", "$like"} <= lines_of(path)[4]["msg"]["params"]["credentials"]["address"].keys()


def test_a_job_that_was_scheduled_for_a_time_that_has_passed_since_is_still_waiting(tmp_path: Path) -> None:
    path = tmp_path / "scheduled.jsonl"
    with RawClient(tmp_path / "data", "--record", str(path), "--clock-start", "2026-01-01T08:00:00Z") as host:
        host.initialize()
        job = host.call("jobs.create", type="maintenance.prune", run_at="2026-01-01T09:00:00Z")["job"]
        assert job["created_at"].startswith("2026-01-01T08:00:")
        assert host.call("jobs.cancel", job_id=job["job_id"])["status"] == "cancelled"
        host.process.kill()
    assert explain_all(path, check(path, VerifyOptions())) == ""


def test_a_recording_of_a_calendar_on_this_computer_is_verified_if_its_path_is_handed_in(tmp_path: Path) -> None:
    path, file = tmp_path / "file.jsonl", tmp_path / "mine.ics"
    file.write_bytes(calendar())
    with RawClient(tmp_path / "data", "--record", str(path)) as host:
        host.initialize()
        host.call("calendar.accounts.create", provider="ics", email="a@example.com", credentials={"address": str(file)})
        host.until("activity.changed")
        host.call("calendar.providers.list")
        host.process.kill()
    assert str(file) not in path.read_text("utf-8")
    assert explain_all(path, check(path, VerifyOptions(secrets={1: str(file)}))) == ""
    assert "--secret 1=" in explain_all(path, check(path, VerifyOptions(timeout_s=20.0)))


def test_a_recording_that_hands_over_a_redirect_continues_the_sign_in_of_the_new_run(tmp_path: Path) -> None:
    path = tmp_path / "redirect.jsonl"
    with RawClient(tmp_path / "data", "--record", str(path), GOOGLE_CLIENT_ID="a", GOOGLE_CLIENT_SECRET="b") as host:
        host.initialize()
        for end, status in (("code=4/abc", "authorized"), ("error=access_denied", "refused")):
            begun = host.call("calendar.oauth.google.start", redirect_uri="http://127.0.0.1:8000/")
            url = f"http://127.0.0.1:8000/?state={begun['state']}&{end}"
            assert host.call("calendar.oauth.google.callback", url=url)["status"] == status
        host.process.kill()
    assert (
        explain_all(path, check(path, VerifyOptions(env={"GOOGLE_CLIENT_ID": "a", "GOOGLE_CLIENT_SECRET": "b"}))) == ""
    )
