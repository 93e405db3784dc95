"""`sidecar replay --live`: a real sidecar answers what was not recorded, which can be added to the transcript."""

from pathlib import Path
from typing import Any

import pytest

from sidecar.paths import command
from tests.conftest import StartRawClient
from tests.process.raw_client import line
from tests.transcripts.recording import answer, c2s, lines_of, notification, request, s2c, write


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Returns a recording with a handshake, two jobs that no sidecar has, a secret, and a regular end."""
    return write(
        tmp_path / "recording.jsonl",
        c2s(1, request(1, "initialize", protocol_version=1, token={"$secret": 3})),
        s2c(2, answer(1, protocol_version=1)),
        c2s(3, request(2, "jobs.list", limit=2)),
        s2c(
            4,
            notification(
                "jobs.updated", seq=7, at="2026-11-23T08:00:00.000Z", job={"job_id": "recorded", "status": "queued"}
            ),
        ),
        s2c(5, answer(2, jobs=["one", "two"], next_cursor=None)),
        {"t": 8, "dir": "c2s", "eof": True},
        {"t": 9, "dir": "s2c", "exit": 0},
    )


def test_what_was_not_recorded_is_answered_by_a_real_sidecar_and_appended(
    raw_client: StartRawClient, recording: Path
) -> None:
    with raw_client(command=command("replay", str(recording), "--live", "--append", "--strict")) as wire:
        assert wire.initialize() == {"protocol_version": 1}
        assert wire.call("jobs.list", limit=2)["jobs"] == ["one", "two"]
        job = wire.call("jobs.create", type="maintenance.backup", idempotency_key="mine")["job"]
        wire.until_job(job["job_id"], "succeeded")
        assert wire.call("jobs.get", job_id=job["job_id"])["status"] == "succeeded"
        assert wire.call("jobs.get", job_id="unknown")["error"]["data"]["kind"] == "job_not_found"
        seqs = [one["params"]["seq"] for one in wire.all_notifications if "seq" in one["params"]]
        assert seqs == sorted(set(seqs))
        assert seqs[0] == 7
        account = {"provider": "ics", "email": "a", "credentials": {"address": "file:///nowhere"}}
        assert "error" in wire.call("calendar.accounts.create", **account)
        wire.close_stdin()
        assert wire.exit_code() == 1  # as there were requests without a recording
        assert "No transcript has jobs.create" in wire.errors.read_text("utf-8")
    lines = lines_of(recording)
    assert [one for one in lines[-2:] if "msg" in one] == []
    times = [one["t"] for one in lines[1:-2]]
    assert times == sorted(times)
    assert {"$secret": 4} in [one["msg"].get("params", {}).get("credentials", {}).get("address") for one in lines[1:-2]]
    with raw_client(command=command("replay", str(recording))) as wire:  # now everything is recorded
        wire.initialize()
        assert wire.call("jobs.create", type="maintenance.backup", idempotency_key="other")["job"]["job_id"]
        assert wire.call("jobs.get", job_id="unknown")["error"]["data"]["kind"] == "job_not_found"
        assert "error" in wire.call("calendar.accounts.create", **account)


def test_what_a_real_sidecar_cannot_answer_is_refused_as_not_recorded(
    raw_client: StartRawClient, recording: Path, tmp_path: Path
) -> None:
    no_folder = tmp_path / "file"
    no_folder.write_text("not a folder")
    command_line = command("replay", str(recording), "--live", "--db", str(no_folder / "sidecar.db"))
    with raw_client(command=command_line) as wire:
        for _ in range(2):
            error = wire.call("system.health")["error"]["data"]
            assert error["kind"] == "not_recorded"
            assert "has ended" in error["hint"]
        assert wire.call("jobs.list", limit=2)["jobs"] == ["one", "two"]


def test_requests_are_answered_also_if_stdin_ends_at_once(raw_client: StartRawClient, recording: Path) -> None:
    with raw_client(command=command("replay", str(recording), "--live")) as wire:
        wire.send(line("jobs.queue.get", 5))
        wire.close_stdin()
        messages: list[Any] = list(wire.remaining())
    assert [one["result"]["paused"] for one in messages if one.get("id") == 5] == [False]


def test_append_needs_live(raw_client: StartRawClient, recording: Path) -> None:
    with raw_client(command=command("replay", str(recording), "--append")) as wire:
        assert wire.exit_code() == 2
        assert "--append needs --live" in wire.errors.read_text("utf-8")
