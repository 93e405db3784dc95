"""A request can find work that goes on in only one of two runs: it begins some there, or removes what it works on."""

from pathlib import Path
from typing import Any

from tests.transcripts.conftest import Reported, Verify
from tests.transcripts.job_messages import (
    CREATE,
    CREATED,
    EOF,
    EXIT,
    START,
    TOLD,
    A,
    B,
    Blocks,
    C,
    D,
    job,
    run_of,
    updated,
)
from tests.transcripts.recording import answer, notification, request, write_lines

RUNS = [request(one, "jobs.schedules.run", schedule_id=C) for one in (1, 2)]
FIRST_RUN: list[Any] = [answer(1, **job("queued", schedule_id=C)), updated(1, "queued"), updated(2, "running")]
FOUND_RUNNING: Blocks = [FIRST_RUN, [answer(2, **job("running", schedule_id=C)), updated(3, "succeeded")]]
BEGUN_AGAIN: Blocks = [
    [*FIRST_RUN, updated(3, "succeeded")],
    [answer(2, **job("queued", B, schedule_id=C)), updated(4, "queued", B), updated(5, "succeeded", B)],
]
GET_AGAIN = request(3, "jobs.get", job_id=B)


def test_a_request_may_begin_work_where_it_found_some_when_it_was_recorded(tmp_path: Path, reported: Reported) -> None:
    path = write_lines(tmp_path / "found.jsonl", run_of(RUNS, FOUND_RUNNING, EOF, EXIT))
    report = reported(path, *BEGUN_AGAIN)
    began = f"jobs.schedules.run (line 6) began the job {B}; when it was recorded the job {A} had not ended"
    assert (report.mismatches, report.notes) == ([], [f"{began}: what follows is not compared"])


def test_work_that_another_run_begins_is_not_taken_for_recorded_work(tmp_path: Path, verified: Verify) -> None:
    def logged(seq: int, own: str) -> dict[str, Any]:
        line = {"line_id": own.replace("7000", "7001"), "job_id": own, "level": "info", "message": "Started"}
        return notification("jobs.log_added", seq=seq, at=START, line=line)

    def made(first: int) -> list[Any]:
        told = [updated(first, "queued", D), logged(first + 1, D), updated(first + 2, "succeeded", D)]
        return [answer(3, job=job("queued", D)), *told]

    asked = [*RUNS, request(3, "jobs.create", type="maintenance.prune")]
    path = write_lines(tmp_path / "found.jsonl", run_of(asked, [*FOUND_RUNNING, made(4)], EOF, EXIT))
    begun = [*BEGUN_AGAIN[1][:2], logged(5, B), updated(6, "succeeded", B)]
    assert verified(path, BEGUN_AGAIN[0], begun, made(7)) == ""


def test_a_request_may_find_work_where_it_began_some_when_it_was_recorded(tmp_path: Path, reported: Reported) -> None:
    asked, blocks = [*RUNS, GET_AGAIN], [*BEGUN_AGAIN, [answer(3, **job("succeeded", B))]]
    path = write_lines(tmp_path / "began.jsonl", run_of(asked, blocks, EOF, EXIT))
    report = reported(path, *FOUND_RUNNING, [answer(3, **job("succeeded"))])
    found = f"jobs.schedules.run (line 7) found the job {A}, which had not ended; when it was recorded it began the job"
    assert (report.mismatches, report.notes) == ([], [f"{found} {B}: what follows is not compared"])


def test_a_request_that_begins_work_although_some_goes_on_is_named(tmp_path: Path, verified: Verify) -> None:
    path = write_lines(tmp_path / "found.jsonl", run_of(RUNS, FOUND_RUNNING, EOF, EXIT))
    begun = answer(2, **job("queued", B, schedule_id=C))
    found = verified(path, FIRST_RUN, [begun, updated(3, "running"), updated(4, "succeeded")])
    assert f"jobs.schedules.run was answered as if the job {A} had ended, but it was running" in found


ACCOUNT = {"account_id": D}
SYNC = [
    request(1, "calendar.accounts.create", provider="ics"),
    request(3, "calendar.providers.list"),
    request(2, "calendar.accounts.delete", **ACCOUNT),
]
CONNECTED = notification("accounts.updated", seq=1, at=START, service="calendar", status="active", **ACCOUNT)
SYNCS = [
    answer(1, **ACCOUNT),
    CONNECTED,
    updated(2, "queued", payload=ACCOUNT),
    updated(3, "running", payload=ACCOUNT),
]
LISTED = answer(3, providers=[])
SYNCSTOPPED: Blocks = [SYNCS, [LISTED], [updated(4, "cancelled", payload=ACCOUNT), answer(2)]]


def test_what_a_request_removes_may_have_been_worked_on(tmp_path: Path, reported: Reported) -> None:
    path = write_lines(tmp_path / "sync.jsonl", run_of(SYNC, SYNCSTOPPED, EOF, EXIT))
    counts = {"calendar_id": "ics", "added": 1, "updated": 0, "removed": 0}
    changed = notification("calendar.changed", seq=4, at=START, **ACCOUNT, **counts)
    report = reported(path, SYNCS, [changed, updated(5, "succeeded", payload=ACCOUNT), LISTED], [answer(2)])
    met = f"the job {A} was succeeded when calendar.accounts.delete came (line 9); when it was recorded it was running"
    assert (report.mismatches, report.notes) == ([], [f"{met}: what follows is not compared"])


def test_work_that_goes_on_when_what_it_works_on_is_removed_is_named(tmp_path: Path, verified: Verify) -> None:
    path = write_lines(tmp_path / "sync.jsonl", run_of(SYNC, SYNCSTOPPED, EOF, EXIT))
    found = verified(path, SYNCS, [LISTED], [updated(4, "succeeded", payload=ACCOUNT), answer(2)])
    assert f"the job {A} was not stopped but succeeded; when it was recorded it was cancelled" in found


def test_an_answer_before_work_on_its_subject_is_compared(tmp_path: Path, verified: Verify) -> None:
    asked = [SYNC[0], request(3, "calendar.accounts.list"), request(4, "calendar.accounts.sync", **ACCOUNT)]
    syncs = [answer(4, **job("queued", B, payload=ACCOUNT)), updated(8, "queued", B, payload=ACCOUNT)]
    connected = {**CONNECTED, "params": {**CONNECTED["params"], "seq": 7}}
    blocks: Blocks = [[*TOLD, answer(1, **ACCOUNT), connected], [answer(3, accounts=[ACCOUNT])], syncs]
    lines = [*run_of(CREATE[1:], CREATED[1:], EOF, EXIT), *run_of(asked, blocks, EOF, EXIT)]
    path = write_lines(tmp_path / "sync.jsonl", lines)
    assert verified(path, *CREATED[1:], then=blocks) == ""
    assert "result.accounts[0]" in verified(path, *CREATED[1:], then=[blocks[0], [answer(3, accounts=[])], syncs])


def test_what_is_sent_again_of_new_work_is_not_taken_for_what_was_begun_later(tmp_path: Path, verified: Verify) -> None:
    later = [request(3, "initialize", resume={"after_seq": 2}), request(4, "jobs.create", type="maintenance.prune")]
    told: list[Any] = [answer(3)]
    made = [answer(4, job=job("queued", D)), updated(6, "queued", D), updated(7, "succeeded", D)]
    lines = [*run_of(RUNS, FOUND_RUNNING, EOF, EXIT), *run_of(later, [[*told, FOUND_RUNNING[1][1]], made], EOF, EXIT)]
    path = write_lines(tmp_path / "resumed.jsonl", lines)
    again = [*told, BEGUN_AGAIN[0][3], *BEGUN_AGAIN[1][1:]]
    assert verified(path, *BEGUN_AGAIN, then=[again, made]) == ""
