"""Work that was unfinished when a run ended, or that a request met in another state: only the rest is compared."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from sidecar_protocol import catalog
from sidecar_protocol.contract import ToolUse

from sidecar.transcripts.file.facts import contract_facts
from sidecar.transcripts.verify.check import VerifyOptions, check
from sidecar.transcripts.verify.findings import Report
from sidecar.transcripts.verify.methods import is_read
from tests.transcripts.conftest import SCRIPTED, Reported, Verify
from tests.transcripts.recording import HEADER, answer, c2s, notification, request, s2c, write_lines

A, B = (f"01a00000-0000-7000-8000-00000000000{one}" for one in "ab")
START = "2026-11-29T08:00:00.000Z"
UNFINISHED = "1 job was unfinished when run 1 ended: what became of it is not compared"
EOF: dict[str, Any] = {"t": 8e3, "dir": "c2s", "eof": True}
EXIT: dict[str, Any] = {"t": 9e3, "dir": "s2c", "exit": 0}
Blocks = list[list[Any]]


def job(status: str, own: str = A, **more: Any) -> dict[str, Any]:
    """Returns a job."""
    return {"job_id": own, "type": "maintenance.prune", "status": status, **more}


def updated(seq: int, status: str, own: str = A, **more: Any) -> dict[str, Any]:
    """Returns a notification of a job's new state."""
    return notification("jobs.updated", seq=seq, at=START, job=job(status, own, **more))


def changed(seq: int, own: str, version: int) -> dict[str, Any]:
    """Returns a notification of an event of the feed."""
    event = {"event_id": f"claude:run:{own}", "version": version}
    return notification("activity.changed", seq=seq, at=START, source="claude", account_id="local", events=[event])


def run_of(asked: list[Any], blocks: Blocks, *rest: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the lines of a run: each request with what followed it, and how it ended."""
    lines: list[dict[str, Any]] = [{**HEADER, "started_at": START}]
    for number, (one, block) in enumerate(zip(asked, blocks, strict=True)):
        lines += [c2s(number * 1000, one), *(s2c(number * 1000 + 900, other) for other in block)]
    return [*lines, *rest]


CREATE = [request(1, "jobs.create", type="maintenance.prune"), request(2, "jobs.create", type="maintenance.prune")]
CREATED: Blocks = [
    [answer(1, job=job("queued", B)), updated(1, "queued", B), updated(2, "succeeded", B)],
    [answer(2, job=job("queued")), updated(3, "queued")],
]
LATER = [request(3, "jobs.get", job_id=A), request(4, "jobs.get", job_id=B), request(5, "jobs.queue.get")]
TOLD = [updated(5, "running"), updated(6, "succeeded")]
RESTARTED: Blocks = [
    [*TOLD, answer(3, **job("succeeded"))],
    [answer(4, **job("succeeded", B))],
    [answer(5, paused=False, counts={"succeeded": 2})],
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Returns a recording of two runs: the job B ended in the first, A in the second."""
    stopped = s2c(8500, updated(4, "queued", recoveries=1))
    runs = [*run_of(CREATE, CREATED, EOF, stopped, EXIT), *run_of(LATER, RESTARTED, EOF, EXIT)]
    return write_lines(tmp_path / "runs.jsonl", runs)


def test_a_job_that_was_unfinished_at_the_end_of_a_run_may_get_further(path: Path, reported: Reported) -> None:
    first = [CREATED[0], [*CREATED[1], updated(4, "running"), updated(5, "succeeded")]]
    then = [[answer(3, **job("succeeded"))], *RESTARTED[1:]]
    report = reported(path, *first, then=then)
    assert (report.mismatches, report.notes) == ([], [UNFINISHED])


def test_it_may_get_less_far_and_must_end_when_it_had_ended(path: Path, verified: Verify) -> None:
    assert verified(path, *CREATED, then=RESTARTED) == ""
    assert verified(path, *CREATED, then=[[updated(5, "failed"), answer(3, **job("failed"))], *RESTARTED[1:]]) == ""
    counts = answer(5, paused=False, counts={"queued": 1, "succeeded": 1})
    never = [[answer(3, **job("queued"))], RESTARTED[1], [counts]]
    found = verified(path, *CREATED, then=never)
    assert f"the job {A} has not ended; when it was recorded it had, as succeeded" in found


def test_it_may_end_in_the_instant_in_which_its_sidecar_is_killed(tmp_path: Path, verified: Verify) -> None:
    killed, after = run_of(CREATE, CREATED), run_of(LATER[1:2], [[*TOLD, *RESTARTED[1]]], EOF, EXIT)
    path = write_lines(tmp_path / "killed.jsonl", [*killed, *after])
    at_once = "\n".join(map(json.dumps, [*CREATED[1], updated(4, "running"), updated(5, "succeeded")]))
    assert verified(path, CREATED[0], [at_once], then=RESTARTED[1:2]) == ""


def session(seq: int, status: str) -> dict[str, Any]:
    """Returns a notification of a session's new state."""
    return notification("claude.session_updated", seq=seq, at=START, session={"session_id": B, "status": status})


def test_a_session_whose_turn_begins_as_its_sidecar_is_killed_need_not_have_ended(
    tmp_path: Path, verified: Verify
) -> None:
    asked = [request(1, "claude.sessions.create"), request(2, "claude.sessions.send", session_id=B, prompt="Hello")]
    created = [answer(1, session_id=B, status="idle"), session(1, "idle")]
    begun = [answer(2, **job("queued", payload={"session_id": B})), updated(2, "queued", payload={"session_id": B})]
    path = write_lines(tmp_path / "killed.jsonl", [*run_of(asked, [created, begun]), *run_of([], [], EOF, EXIT)])
    assert verified(path, created, [*begun, session(3, "running")], then=[]) == ""


OTHERS: dict[str, tuple[Blocks, Blocks, str]] = {
    "what had ended before is lost": ([CREATED[0][:2], CREATED[1]], RESTARTED, f"jobs.updated of job_id {B} was lost"),
    "its beginning is lost": ([CREATED[0], CREATED[1][:1]], RESTARTED, f"jobs.updated of job_id {A} was lost"),
    "another job is told to have ended otherwise": (
        CREATED,
        [RESTARTED[0], [answer(4, **job("failed", B))], RESTARTED[2]],
        "result.status",
    ),
    "it has a member that is not declared": (
        CREATED,
        [[updated(5, "running", mood=1), *RESTARTED[0][1:]], *RESTARTED[1:]],
        "params.job.mood",
    ),
    "the queue is paused": (
        CREATED,
        [*RESTARTED[:2], [answer(5, paused=True, counts={"succeeded": 2})]],
        "result.paused",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_about_it_is_compared(name: str, path: Path, verified: Verify) -> None:
    first, then, expected = OTHERS[name]
    assert expected in verified(path, *first, then=then)


def test_a_count_is_compared_while_nothing_moves(tmp_path: Path, verified: Verify) -> None:
    blocks = [CREATED[0], [answer(2, counts={"succeeded": 1})]]
    ended = write_lines(tmp_path / "one.jsonl", run_of([CREATE[0], request(2, "jobs.queue.pause")], blocks, EOF, EXIT))
    assert verified(ended, *blocks) == ""
    assert "result.counts.succeeded" in verified(ended, CREATED[0], [answer(2, counts={"succeeded": 2})])
    blocks = [CREATED[0][:2], [answer(2, counts={"queued": 1}), CREATED[0][2]]]
    moving = write_lines(tmp_path / "two.jsonl", run_of([CREATE[0], request(2, "jobs.queue.pause")], blocks, EOF, EXIT))
    assert verified(moving, CREATED[0], [answer(2, counts={"succeeded": 1})]) == ""


CANCEL = [request(1, "jobs.create", type="maintenance.prune"), request(2, "jobs.cancel", job_id=A)]
STARTED: Blocks = [[answer(1, job=job("queued")), updated(1, "queued"), updated(2, "running")]]
RAN: Blocks = [[*STARTED[0], updated(3, "succeeded")], [answer(2, **job("succeeded"))]]


def test_a_request_that_meets_another_state_is_told_in_words(tmp_path: Path, reported: Reported) -> None:
    queued: Blocks = [STARTED[0][:2], [answer(2, **job("cancelled")), updated(3, "cancelled")]]
    path = write_lines(tmp_path / "cancel.jsonl", run_of(CANCEL, queued, EOF, EXIT))
    report = reported(path, *RAN)
    met = f"the job {A} was succeeded when jobs.cancel came (line 5); when it was recorded it was queued"
    assert (report.mismatches, report.notes) == ([], [f"{met}: what follows is not compared"])


@pytest.mark.parametrize("begun", [2, 3])
def test_a_cancellation_that_does_nothing_is_named(begun: int, tmp_path: Path, verified: Verify) -> None:
    before = STARTED[0][:begun]
    status = before[-1]["params"]["job"]["status"]
    recorded: Blocks = [before, [answer(2, **job(status, cancel_requested=True)), updated(4, "cancelled")]]
    path = write_lines(tmp_path / "cancel.jsonl", run_of(CANCEL, recorded, EOF, EXIT))
    assert verified(path, *recorded) == ""
    nothing = [answer(2, **job(status, cancel_requested=True)), updated(4, "running"), updated(5, "succeeded")]
    found = verified(path, before, nothing)
    assert (f"the job {A} was not stopped" if begun > 2 else "params.job.status") in found


TRY = """
import builtins, pathlib, sys
def print(text, flush):
    if "lines_read" not in text:
        builtins.print(text, flush=flush)
folder = pathlib.Path(sys.argv[1])
number = len(list(folder.glob("try-*")))
class Stdin:
    def __init__(self, lines, copy):
        self.lines, self.copy = lines, copy
    def readline(self):
        line = self.lines.readline()
        self.copy.write(line)
        self.copy.flush()
        return line
    def __iter__(self):
        return iter(self.readline, "")
sys.stdin = Stdin(sys.stdin, (folder / f"try-{number}").open("w"))
sys.argv[1] = str(folder / f"script-{number}.json")
"""
"""Takes a script of its own for each start, sends only that, and writes down what it reads."""


def tried(path: Path, *starts: Blocks) -> Report:
    """Verifies a transcript against a sidecar that sends these blocks, one for each line, at each of its starts.

    A line is a text or a message.  What it reads is in `try-0` and so on, beside the transcript.
    """
    for number, blocks in enumerate(starts):
        lines = [[one if isinstance(one, str) else json.dumps(one) for one in block] for block in blocks]
        path.with_name(f"script-{number}.json").write_text(json.dumps(lines))
    program = (sys.executable, "-c", TRY + SCRIPTED, str(path.parent), "0")
    return check(path, VerifyOptions(program))


@pytest.mark.parametrize("told", [[], [updated(3, "running", progress=0.9)]], ids=["", "and stopped earlier"])
def test_work_that_ends_in_the_instant_of_its_cancellation_is_tried_again(told: list[Any], tmp_path: Path) -> None:
    asked = answer(2, **job("running", cancel_requested=True))
    recorded: Blocks = [[*STARTED[0], *told], [asked, updated(4, "cancelled")]]
    tries: list[Blocks] = [
        [recorded[0], [asked, updated(4, "succeeded")]],
        [STARTED[0], [asked, updated(3, "cancelled")]],
    ]
    path = write_lines(tmp_path / "cancel.jsonl", run_of(CANCEL, recorded, EOF, EXIT))
    assert tried(path, *tries).mismatches == []


def test_work_that_was_stopped_may_be_begun_again(tmp_path: Path, verified: Verify) -> None:
    asked = answer(2, **job("running", cancel_requested=True))
    refused = {**REFUSED, "id": 3}
    retry = request(3, "jobs.retry", job_id=A)
    recorded: Blocks = [STARTED[0], [asked], [refused, updated(4, "cancelled")]]
    path = write_lines(tmp_path / "cancel.jsonl", run_of([*CANCEL, retry], recorded, EOF, EXIT))
    again = [answer(3, **{**MEMBERS, **job("queued")}), updated(5, "queued"), updated(6, "succeeded")]
    assert verified(path, STARTED[0], [asked, updated(4, "cancelled")], again) == ""
    assert "was not stopped but succeeded" in verified(path, STARTED[0], [asked, updated(4, "succeeded")], again)


RETRY = [CANCEL[0], request(2, "jobs.retry", job_id=A)]
REFUSED = {"jsonrpc": "2.0", "id": 2, "error": {"code": 4091, "message": "x", "data": {"kind": "job_not_finished"}}}
ENDED = updated(3, "succeeded")
MEMBERS = dict.fromkeys(contract_facts().response("jobs.retry").declared_member("result").required)
AGAIN = [answer(2, **{**MEMBERS, **job("queued")}), updated(4, "queued"), updated(5, "succeeded")]


def test_an_answer_can_overtake_the_end_of_the_work_that_it_shows(tmp_path: Path, verified: Verify) -> None:
    path = write_lines(tmp_path / "retry.jsonl", run_of(RETRY, [STARTED[0], [REFUSED, ENDED]], EOF, EXIT))
    assert verified(path, STARTED[0], [AGAIN[0], ENDED, *AGAIN[1:]]) == ""
    found = verified(path, STARTED[0], AGAIN)
    assert f"jobs.retry was answered as if the job {A} had ended, but it was queued" in found
    assert verified(path, STARTED[0], [AGAIN[0]]) != ""


BATCH = [CANCEL[0], [request(name, f"jobs.{name}", job_id=A) for name in ("cancel", "get")]]
STOPPED = [[answer(name, **job("cancelled")) for name in ("cancel", "get")], updated(3, "cancelled")]
BATCHES: dict[str, Blocks] = {
    "had ended": [[*STARTED[0], ENDED], [[answer(name, **job("succeeded")) for name in ("cancel", "get")]]],
    "had begun": [
        STARTED[0][:2],
        [[answer(name, **job("running")) for name in ("cancel", "get")], STARTED[0][2], updated(4, "cancelled")],
    ],
}


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_may_meet_work_that(name: str, tmp_path: Path, reported: Reported) -> None:
    path = write_lines(tmp_path / "batch.jsonl", run_of(BATCH, [STARTED[0][:2], STOPPED], EOF, EXIT))
    report = reported(path, *BATCHES[name])
    assert (report.mismatches, len(report.notes)) == ([], 1)


def test_a_cancellation_in_a_batch_that_does_nothing_is_named(tmp_path: Path, verified: Verify) -> None:
    path = write_lines(tmp_path / "batch.jsonl", run_of(BATCH, [STARTED[0][:2], STOPPED], EOF, EXIT))
    nothing = [answer(name, **job("queued")) for name in ("cancel", "get")]
    assert "result.status" in verified(path, STARTED[0][:2], [nothing, STARTED[0][2], ENDED])


SCHEDULE, D = (f"01a00000-0000-7000-8000-00000000000{one}" for one in "cd")
RUNS = [request(one, "jobs.schedules.run", schedule_id=SCHEDULE) for one in (1, 2)]
FIRST_RUN: list[Any] = [answer(1, **job("queued", schedule_id=SCHEDULE)), updated(1, "queued"), updated(2, "running")]
FOUND_RUNNING: Blocks = [FIRST_RUN, [answer(2, **job("running", schedule_id=SCHEDULE)), updated(3, "succeeded")]]
BEGUN_AGAIN: Blocks = [
    [*FIRST_RUN, updated(3, "succeeded")],
    [answer(2, **job("queued", B, schedule_id=SCHEDULE)), updated(4, "queued", B), updated(5, "succeeded", B)],
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
    begun = answer(2, **job("queued", B, schedule_id=SCHEDULE))
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
SYNC_STOPPED: Blocks = [SYNCS, [LISTED], [updated(4, "cancelled", payload=ACCOUNT), answer(2)]]


def test_what_a_request_removes_may_have_been_worked_on(tmp_path: Path, reported: Reported) -> None:
    path = write_lines(tmp_path / "sync.jsonl", run_of(SYNC, SYNC_STOPPED, EOF, EXIT))
    counts = {"calendar_id": "ics", "added": 1, "updated": 0, "removed": 0}
    changed = notification("calendar.changed", seq=4, at=START, **ACCOUNT, **counts)
    report = reported(path, SYNCS, [changed, updated(5, "succeeded", payload=ACCOUNT), LISTED], [answer(2)])
    met = f"the job {A} was succeeded when calendar.accounts.delete came (line 9); when it was recorded it was running"
    assert (report.mismatches, report.notes) == ([], [f"{met}: what follows is not compared"])


def test_work_that_goes_on_when_what_it_works_on_is_removed_is_named(tmp_path: Path, verified: Verify) -> None:
    path = write_lines(tmp_path / "sync.jsonl", run_of(SYNC, SYNC_STOPPED, EOF, EXIT))
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


def exported(seq: int, rows: int, attempt: int = 1) -> dict[str, Any]:
    """Returns a notification of an export's end."""
    done = {"path": "/a/b.csv", "rows": rows, "size_bytes": 9}
    return updated(seq, "succeeded", type="activity.export", attempt=attempt, result=done)


def test_what_a_job_counts_depends_on_the_work_meanwhile(tmp_path: Path, verified: Verify) -> None:
    reads = request(3, "jobs.get", job_id=A)
    first, read = [answer(1, **job("queued", B)), updated(1, "queued", B)], answer(3, **job("succeeded"))
    second = [answer(2, **job("queued")), updated(2, "queued")]
    lines = [
        notification("jobs.log_added", seq=5, at=START, line={"job_id": A, "message": f"Wrote {one} events"})
        for one in (1, 2)
    ]
    alone: Blocks = [[*first, updated(3, "succeeded", B)], [*second, exported(4, 1), lines[0]], [read]]
    path = write_lines(tmp_path / "alone.jsonl", run_of([*CREATE, reads], alone, EOF, EXIT))
    found = verified(path, alone[0], [*second, exported(4, 2), lines[1]], [read])
    assert "at params.job.result.rows" in found
    assert "at params.line.message" in found
    beside: Blocks = [first, [*second, updated(3, "succeeded", B), exported(4, 1), lines[0]], [read]]
    path = write_lines(tmp_path / "beside.jsonl", run_of([*CREATE, reads], beside, EOF, EXIT))
    assert verified(path, first, [*second, updated(3, "succeeded", B), exported(4, 2), lines[1]], [read]) == ""
    found = verified(path, first, [*second, beside[1][2], exported(4, 2, attempt=2), lines[1]], [read])
    assert "params.job.attempt" in found


def test_each_event_of_the_feed_has_its_own_order(tmp_path: Path, verified: Verify) -> None:
    both = [answer(1, status="ok"), changed(1, A, 1), changed(2, B, 1), changed(3, A, 2)]
    path = write_lines(tmp_path / "feed.jsonl", run_of([request(1, "system.health")], [both], EOF, EXIT))
    assert verified(path, [both[0], changed(1, B, 1), changed(2, A, 1), changed(3, A, 2)]) == ""
    assert "was lost" in verified(path, [both[0], changed(1, A, 1), changed(2, A, 2)])
    swapped = verified(path, [both[0], changed(1, A, 2), changed(2, B, 1), changed(3, A, 1)])
    assert f"activity.changed has version 1 of event_id claude:run:{A} after 2" in swapped


def test_runs_that_ended_at_once_are_listed_in_any_order_of_time(tmp_path: Path, verified: Verify) -> None:
    one, other = ({"event_id": f"claude:run:{own}", "title": own[-1], "event_time": START} for own in (A, B))
    later = {"event_time": "2026-11-29T08:00:01.000Z"}
    asked = [request(1, "activity.events.list")]
    path = write_lines(
        tmp_path / "feed.jsonl", run_of(asked, [[answer(1, events=[{**one, **later}, other])]], EOF, EXIT)
    )
    assert verified(path, [answer(1, events=[{**other, **later}, one])]) == ""
    assert "result.events" in verified(path, [answer(1, events=[other, {**one, **later}])])
    assert "result.events" in verified(path, [answer(1, events=[{**one, **later}])])


def test_which_notifications_follow_a_seq_is_not_compared_and_their_form_is(tmp_path: Path, verified: Verify) -> None:
    resumed = [request(3, "initialize", resume={"after_seq": 2})]
    again: Blocks = [[answer(3), updated(3, "succeeded")]]
    blocks: Blocks = [CREATED[0], [answer(2, job=job("queued")), updated(3, "succeeded")]]
    lines = [*run_of(CREATE, blocks, EOF, EXIT), *run_of(resumed, again, EOF, EXIT)]
    path = write_lines(tmp_path / "resumed.jsonl", lines)
    assert verified(path, *blocks, then=[[answer(3), updated(2, "succeeded", B), updated(3, "succeeded")]]) == ""
    assert "params.job.mood" in verified(path, *blocks, then=[[answer(3), updated(3, "succeeded", mood=1)]])


@pytest.mark.parametrize(("after", "sent"), [(3, 5), (4, 6), (0, 0)])
def test_a_client_that_has_seen_all_resumes_after_all(after: int, sent: int, tmp_path: Path) -> None:
    resumed = [request(3, "initialize", resume={"after_seq": after})]
    lines = [*run_of(CREATE, CREATED), *run_of(resumed, [[answer(3)]])]
    path = write_lines(tmp_path / "killed.jsonl", lines)
    at_once = "\n".join(map(json.dumps, [*CREATED[1], updated(4, "running"), updated(5, "succeeded")]))
    assert tried(path, [CREATED[0], [at_once]], [[answer(3)]]).mismatches == []
    assert f'"after_seq":{sent}' in (tmp_path / "try-1").read_text()


def test_what_is_sent_again_is_not_taken_for_what_comes_later(tmp_path: Path, verified: Verify) -> None:
    def queue(seq: int, *, paused: bool) -> dict[str, Any]:
        return notification("jobs.queue_updated", seq=seq, at=START, queue={"paused": paused})

    asked = [request(1, "jobs.queue.pause"), request(2, "jobs.queue.resume")]
    first: Blocks = [[answer(1, paused=True), queue(1, paused=True)], [answer(2, paused=False), queue(2, paused=False)]]
    later = [request(3, "initialize", resume={"after_seq": 1}), request(4, "jobs.queue.resume")]
    resumed = [answer(4, paused=False), queue(3, paused=False)]
    lines = [*run_of(asked, first, EOF, EXIT), *run_of(later, [[answer(3)], resumed], EOF, EXIT)]
    path = write_lines(tmp_path / "resumed.jsonl", lines)
    assert verified(path, *first, then=[[answer(3), first[1][1]], resumed]) == ""


def test_what_is_sent_again_of_new_work_is_not_taken_for_what_was_begun_later(tmp_path: Path, verified: Verify) -> None:
    later = [request(3, "initialize", resume={"after_seq": 2}), request(4, "jobs.create", type="maintenance.prune")]
    told: list[Any] = [answer(3)]
    made = [answer(4, job=job("queued", D)), updated(6, "queued", D), updated(7, "succeeded", D)]
    lines = [*run_of(RUNS, FOUND_RUNNING, EOF, EXIT), *run_of(later, [[*told, FOUND_RUNNING[1][1]], made], EOF, EXIT)]
    path = write_lines(tmp_path / "resumed.jsonl", lines)
    again = [*told, BEGUN_AGAIN[0][3], *BEGUN_AGAIN[1][1:]]
    assert verified(path, *BEGUN_AGAIN, then=[again, made]) == ""


def test_which_notifications_are_in_a_part_of_the_log_is_not_compared(tmp_path: Path, verified: Verify) -> None:
    def page(*events: dict[str, Any]) -> list[Any]:
        return [answer(3, events=[{name: one[name] for name in ("method", "params")} for one in events])]

    both: Blocks = [[CREATED[0][0], updated(1, "queued", B)], [*CREATED[1][:1], updated(2, "queued")]]
    both[1] += [updated(3, "succeeded", B), updated(4, "succeeded")]
    asked = [*CREATE, request(3, "events.replay", after_seq=1, limit=2)]
    lines = run_of(asked, [*both, page(*both[1][1:3])], EOF, EXIT)
    path = write_lines(tmp_path / "part.jsonl", lines)
    assert verified(path, *both, page(updated(2, "queued"), updated(3, "succeeded"))) == ""
    assert "job.mood" in verified(path, *both, page(updated(2, "queued", mood=1), both[1][2]))
    alone = write_lines(tmp_path / "alone.jsonl", run_of([CREATE[0], asked[2]], [CREATED[0], page(CREATED[0][2])]))
    assert "job.status" in verified(alone, CREATED[0], page(updated(2, "failed", B)))


def test_methods_are_taken_for_reads_as_the_contract_declares_and_describes_them() -> None:
    for declared in catalog.methods():
        if declared.tool is not None:
            assert is_read(declared.name) == (declared.tool is ToolUse.READ), declared.name
        elif declared.job is not None or declared.name.endswith((".create", ".update", ".delete")):
            assert not is_read(declared.name), declared.name
        elif declared.doc.startswith(("Return", "List", "Check everything")):
            assert is_read(declared.name), declared.name
