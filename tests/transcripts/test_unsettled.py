"""Work that was unfinished when a run ended, or that a request met in another state: only the rest is compared."""

import json
from pathlib import Path
from typing import Any

import pytest
from sidecar_protocol import catalog
from sidecar_protocol.contract import ToolUse

from sidecar.transcripts.file.facts import contract_facts
from sidecar.transcripts.verify.methods import is_read
from tests.transcripts.conftest import Reported, Verify, tried
from tests.transcripts.job_messages import (
    CREATE,
    CREATED,
    EOF,
    EXIT,
    LATER,
    RESTARTED,
    START,
    TOLD,
    A,
    B,
    Blocks,
    job,
    run_of,
    updated,
)
from tests.transcripts.recording import answer, notification, request, s2c, write_lines

UNFINISHED = "1 job was unfinished when run 1 ended: what became of it is not compared"


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


def test_methods_are_taken_for_reads_as_the_contract_declares_and_describes_them() -> None:
    for declared in catalog.methods():
        if declared.tool is not None:
            assert is_read(declared.name) == (declared.tool is ToolUse.READ), declared.name
        elif declared.job is not None or declared.name.endswith((".create", ".update", ".delete")):
            assert not is_read(declared.name), declared.name
        elif declared.doc.startswith(("Return", "List", "Check everything")):
            assert is_read(declared.name), declared.name
