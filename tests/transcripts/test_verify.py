"""Verifying: differences are shown, and values that differ in every run are ignored."""

from pathlib import Path

import pytest

from sidecar.paths import command
from sidecar.transcripts.verify.check import VerifyOptions, check
from sidecar.transcripts.verify.check import verified as verified_or_updated
from sidecar.transcripts.verify.findings import explain_all
from tests.process.raw_client import RawClient
from tests.transcripts.conftest import Verify
from tests.transcripts.recording import (
    BACKUP,
    CONNECT,
    CORPUS,
    TRANSCRIPTS,
    answer,
    c2s,
    copy_with,
    lines_of,
    notification,
    request,
    s2c,
    sent_by_sidecar,
    write,
)

FIXED = CORPUS / "a_fixed_clock_and_seed_repeat_all_ids_and_times.jsonl"


def explained(path: Path, options: VerifyOptions = VerifyOptions()) -> str:
    """Returns all mismatches as text."""
    return explain_all(path, check(path, options))


def test_a_difference_is_shown_with_line_path_and_diff(tmp_path: Path) -> None:
    path = copy_with(BACKUP, tmp_path / "changed.jsonl", '"Started"', '"Put into the queue"')
    text = explained(path)
    line = next(number for number, text in enumerate(path.read_text("utf-8").splitlines(), 1) if "Put into" in text)
    assert f"{path}:{line}: jobs.log_added of job_id " in text
    assert "and the same in 3 more places" in text  # in the log and in the events that are read
    assert "at params.line.message" in text
    assert '  -      "message": "Put into the queue"' in text
    assert '  +      "message": "Started"' in text


def test_other_ids_and_times_are_accepted_but_mixed_up_ids_are_not(tmp_path: Path) -> None:
    text = BACKUP.read_text("utf-8")
    job_id = sent_by_sidecar(BACKUP)[2]["result"]["job"]["job_id"]
    other = "01a00000-0000-7000-8000-000000000001"
    everywhere, once = tmp_path / "everywhere.jsonl", tmp_path / "once.jsonl"
    everywhere.write_text(text.replace(job_id, other).replace("T1", "T0"), "utf-8")
    assert explained(everywhere) == ""
    head, _, tail = text.rpartition(job_id)
    once.write_text(head + other + tail, "utf-8")
    assert "job_id" in explained(once)


def test_a_member_that_the_contract_added_is_told_once_and_is_a_difference_only_if_strict(tmp_path: Path) -> None:
    path = copy_with(BACKUP, tmp_path / "job.jsonl", '"schedule_id":null,', "")
    copy_with(path, path, ',"meta":null', "")
    copy_with(path, path, '"schema_hash":"', '"schema_hash":"earlier ')
    report = check(path, VerifyOptions())
    assert report.mismatches == []
    assert report.notes[0].startswith("recorded with the contract ")
    assert sorted(note.partition(" is new")[0] for note in report.notes[1:]) == ["Job.schedule_id", "JobLogLine.meta"]
    assert "JobLogLine.meta is new" in explained(path, VerifyOptions(strict=True))


def test_an_update_names_the_members_that_it_accepted_in_a_strict_verification(tmp_path: Path) -> None:
    path = copy_with(BACKUP, tmp_path / "job.jsonl", '"schedule_id":null,', "")
    report, accepted = verified_or_updated(path, VerifyOptions(strict=True), can_update=True)
    assert report.mismatches == []
    assert accepted == "1 new (1× Job.schedule_id)"


def test_a_sidecar_that_exits_slowly_after_a_loss_is_waited_for(tmp_path: Path, verified: Verify) -> None:
    lines = (c2s(1, request(1, "jobs.list")), s2c(2, answer(1, jobs=[])), s2c(3, notification("jobs.updated", seq=1)))
    path = write(
        tmp_path / "list.jsonl", *lines, {"t": 4, "dir": "c2s", "eof": True}, {"t": 5, "dir": "s2c", "exit": 0}
    )
    text = verified(path, [answer(1, jobs=[])], ends_in_s=0.9)
    assert "jobs.updated was lost" in text
    assert "exit code" not in text


def test_what_comes_late_is_not_lost(tmp_path: Path, verified: Verify) -> None:
    health, changed = request(1, "system.health"), notification("activity.changed", seq=1)
    later = [c2s(3, request(2, "system.health")), s2c(4, answer(2, status="ok"))]
    path = write(tmp_path / "late.jsonl", c2s(1, health), s2c(2, answer(1, status="ok")), s2c(2, changed), *later)
    assert verified(path, [], [changed, answer(1, status="ok"), answer(2, status="ok")]) == ""
    assert "activity.changed was lost" in verified(path, [], [answer(1, status="ok"), answer(2, status="ok")])


def test_answers_that_take_longer_are_named_if_that_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "list.jsonl", c2s(1, request(1, "jobs.list")), s2c(2, answer(1, jobs=[])))
    slow = tuple(command("replay", str(path), "--fault", "delay=200@jobs.list"))
    assert explained(path, VerifyOptions(command=slow)) == ""
    assert explained(path, VerifyOptions(command=slow, slower_than=1e6)) == ""
    text = explained(path, VerifyOptions(command=slow, slower_than=5))
    assert "jobs.list took " in text
    assert "instead of 1 ms (1 calls)" in text


def test_names_that_the_contract_does_not_have_are_told_first(tmp_path: Path) -> None:
    path = copy_with(BACKUP, tmp_path / "old.jsonl", '"method":"jobs.log_added"', '"method":"jobs.event"')
    lines = explained(path).splitlines()
    notes = lines[:4]
    assert f"{path}: not in this sidecar's contract: jobs.event; record it again, or change the names" in notes
    new = "jobs.log_added; if the contract of then did not have them, --update adds them"
    assert f"{path}: not in the recording: {new}" in notes
    gone = "jobs.event is not in this sidecar's contract any more; --update leaves it out"
    assert sum(gone in line for line in lines) == 1
    assert "jobs.event was lost" not in "".join(lines)


def test_what_is_missing_since_a_request_failed_follows_from_the_failure(tmp_path: Path, verified: Verify) -> None:
    account, job, other = (f"01a225a1-8c{number}-77b8-8f73-48cc851a864c" for number in (10, 22, 33))
    create = request(1, "calendar.accounts.create", provider="ics", email="a", credentials={"address": {"$secret": 1}})
    changed = notification("accounts.updated", seq=1, service="ics", account_id=account, status="active")
    queued = {"job_id": job, "type": "calendar.sync", "status": "queued", "payload": {"account_id": account}}
    path = write(
        tmp_path / "calendar.jsonl",
        c2s(1, request(0, "system.health")),
        s2c(2, answer(0, status="ok")),
        c2s(3, create),
        s2c(4, answer(1, account_id=account)),
        s2c(5, changed),
        s2c(6, notification("jobs.updated", seq=2, job=queued)),
        s2c(7, notification("activity.changed", seq=3, source="jira", account_id="another")),
        c2s(8, {**create, "id": 2}),
        s2c(9, answer(2, account_id=other)),
        s2c(10, {**changed, "params": {**changed["params"], "account_id": other}}),
    )
    refused = {
        "jsonrpc": "2.0",
        "id": 1,
        "error": {"code": -32602, "message": "No.", "data": {"kind": "invalid_params"}},
    }
    text = verified(path, [answer(0, status="ok")], [refused], [{**refused, "id": 2}])
    assert [line.split(":")[1] for line in text.splitlines() if line.startswith(f"{path}:")][1:] == ["5", "8"]
    assert "--secret 1=" in text
    assert "  and the same in 1 more place, line 10" in text
    assert "  and 3 more that name what would have been created, line 6, 7, 11" in text


def test_a_read_is_asked_again_also_after_a_difference(tmp_path: Path, verified: Verify) -> None:
    path = write(
        tmp_path / "read.jsonl",
        c2s(1, request(1, "jobs.queue.pause")),
        s2c(2, answer(1, paused=True)),
        c2s(3, request(2, "jobs.get", job_id="a")),
        s2c(4, answer(2, status="succeeded")),
    )
    text = verified(
        path,
        [answer(1, paused=False)],
        [answer(2, status="running")],
        [answer("again-5-0", status="succeeded")],
    )
    assert [line.split(":")[1] for line in text.splitlines() if line.startswith(str(path))] == ["3"]


def test_a_recording_with_another_name_of_the_database_is_verified_with_that_name(tmp_path: Path) -> None:
    path = tmp_path / "hub.jsonl"
    with RawClient(tmp_path / "data", "--record", str(path), "--db", str(tmp_path / "data" / "hub.db")) as wire:
        wire.initialize()
        wire.until_job(wire.call("jobs.create", type="maintenance.backup")["job"]["job_id"], "succeeded")
        assert wire.call("system.backups.list")["backups"][0]["name"].startswith("hub-")
        wire.close_stdin()
        wire.exit_code()
    assert lines_of(path)[0]["database"] == "hub.db"
    assert explained(path) == ""


def test_a_member_that_the_contract_does_not_have_is_a_difference(tmp_path: Path, verified: Verify) -> None:
    path = write(tmp_path / "list.jsonl", c2s(1, request(1, "jobs.list")), s2c(2, answer(1, jobs=[{"type": "a"}])))
    assert verified(path, [answer(1, jobs=[{"type": "a", "progress": None}], next_cursor=None)]) == ""
    assert "result.jobs[0].mood" in verified(path, [answer(1, jobs=[{"type": "a", "mood": "good"}])])
    assert "at result.mood" in verified(path, [answer(1, jobs=[{"type": "a"}], mood="good")])


def test_a_missing_member_is_a_difference(tmp_path: Path) -> None:
    text = explained(
        copy_with(BACKUP, tmp_path / "b.jsonl", '"message":"Started"', '"message":"Started","mood":"good"')
    )
    assert "params.line.mood" in text
    assert "not in this sidecar's contract: JobLogLine.mood; record it again, or change the names" in text


def test_missing_and_additional_notifications_are_reported(tmp_path: Path) -> None:
    text = BACKUP.read_text("utf-8").splitlines(keepends=True)
    place = next(number for number, line in enumerate(text) if '"jobs.log_added"' in line)
    (tmp_path / "more.jsonl").write_text("".join([*text[: place + 1], text[place], *text[place + 1 :]]), "utf-8")
    assert "was lost: it did not arrive" in explained(tmp_path / "more.jsonl")
    additional = notification("jobs.log_added", seq=99, at="2026-11-23T08:00:00.000Z", line={})
    missing = write(tmp_path / "missing.jsonl", s2c(1, additional))
    assert "jobs.log_added was lost: it did not arrive" in explained(missing, VerifyOptions(timeout_s=0.5))


def test_patterns_match_values_that_may_vary(tmp_path: Path) -> None:
    path = write(
        tmp_path / "patterns.jsonl",
        c2s(1, request(1, "initialize", protocol_version=1, client_info={"name": "a", "version": "1"})),
        s2c(2, {"jsonrpc": "2.0", "id": 1, "result": {"$any": "object"}}),
        c2s(3, request(2, "jobs.create", type="maintenance.backup", run_at="2100-01-01T00:00:00Z")),
        s2c(4, {"jsonrpc": "2.0", "id": 2, "result": {"job": {"$any": "object"}, "deduplicated": {"$any": "boolean"}}}),
        s2c(5, notification("jobs.updated", seq={"$any": "integer"}, at={"$any": "date-time"}, job={"$any": "object"})),
        c2s(6, request(3, "jobs.queue.pause")),
        s2c(7, answer(3, paused=True, paused_at={"$any": "date-time"}, counts={"$any": "object"})),
        s2c(8, notification("jobs.queue_updated", seq=2, at={"$re": "20.*Z"}, queue={"$any": "anything"})),
    )
    assert explained(path) == ""
    assert "$re" in explained(copy_with(path, tmp_path / "other.jsonl", "20.*Z", "19.*Z"))


def test_with_fixed_clock_and_seed_ids_and_times_are_exact() -> None:
    assert explained(FIXED, VerifyOptions(exact=True)) == ""


DATED = ("a_job_is_scheduled_cancelled_and_retried", "schedules_are_listed_updated_and_triggered", BACKUP.stem)


@pytest.mark.parametrize("name", DATED)
def test_a_transcript_is_valid_on_another_day_and_in_another_time_zone(name: str) -> None:
    """On a leap day, in a zone at a half hour where the local date differs; the plugin uses a third zone."""
    options = VerifyOptions(env={"TZ": "America/St_Johns"}, now="2028-02-29T01:30:00Z")
    assert explained(CORPUS / f"{name}.jsonl", options) == ""


@pytest.mark.parametrize("path", [BACKUP, CONNECT], ids=lambda path: path.stem)
def test_a_transcript_is_valid_in_the_last_second_of_a_month(path: Path) -> None:
    assert explained(path, VerifyOptions(env={"TZ": "Asia/Kolkata"}, now="2027-02-28T23:59:59Z")) == ""


def test_a_given_data_folder_is_copied_and_not_changed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    path = write(
        tmp_path / "one.jsonl",
        c2s(1, request(1, "system.health")),
        s2c(2, {"jsonrpc": "2.0", "id": 1, "result": {"$any": "object"}}),
    )
    assert explained(path, VerifyOptions(data=data)) == ""
    assert list(data.iterdir()) == []


def test_a_sidecar_that_ends_early_is_reported_with_its_stderr(tmp_path: Path) -> None:
    text = explained(BACKUP, VerifyOptions(env={"RUN_ENV": "nonsense"}))
    assert "the sidecar ended before" in text
    assert "RUN_ENV must be dev or prod" in text


ONE_RUN = [path for path in TRANSCRIPTS if path.read_bytes().count(b'{"transcript":1') == 1]
"""`sidecar replay` plays one run."""
NEVER_CALLED = "claude.conversations.take"


@pytest.mark.parametrize(
    ("path", "pace"),
    [*((path, "fast") for path in ONE_RUN), (BACKUP, "recorded"), (CONNECT, "recorded")],
    ids=lambda value: value.stem if isinstance(value, Path) else value,
)
def test_a_client_that_sends_the_recorded_requests_cannot_distinguish_the_replay(path: Path, pace: str) -> None:
    # A client on a slow machine seems idle, and would get what follows its next request before that.
    replay = tuple(command("replay", str(path), "--pace", pace, "--wait-for", NEVER_CALLED))
    assert explained(path, VerifyOptions(command=replay)) == ""


def test_transcripts_contain_no_paths_of_this_machine() -> None:
    for path in TRANSCRIPTS:
        text = path.read_text("utf-8")
        assert f"{Path.home()}/" not in text, path.name
        assert str(CORPUS) not in text, path.name
