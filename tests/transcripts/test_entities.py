"""Notifications are compared entity by entity: in order within a job, freely interleaved between two."""

import json
from pathlib import Path
from typing import Any

from tests.transcripts.conftest import Verify
from tests.transcripts.recording import HEADER, answer, c2s, notification, request, s2c, write_lines

Line = dict[str, Any]
A, B, C, D = (f"01a00000-0000-7000-8000-00000000000{number}" for number in "abcd")
ASKED = c2s(0, request(1, "jobs.queue.get"))
END = [{"t": 8, "dir": "c2s", "eof": True}, {"t": 9, "dir": "s2c", "exit": 0}]


def added(seq: int, job_id: str, message: str) -> Line:
    """Returns a line of a job's log."""
    return notification("jobs.log_added", seq=seq, line={"job_id": job_id, "message": message})


def numbered(*lines: tuple[str, str]) -> list[Line]:
    """Returns lines of jobs' logs, numbered in this order."""
    return [added(seq, job_id, message) for seq, (job_id, message) in enumerate(lines, 1)]


RECORDED = numbered((A, "Queued"), (A, "Started"), (B, "Queued"), (B, "Started"), (A, "Done"), (B, "Done"))


def recorded(tmp_path: Path, *notifications: Line, **header: Any) -> Path:
    """Writes a transcript in which they come after one request."""
    lines = [s2c(2, one) for one in notifications]
    return write_lines(tmp_path / "a.jsonl", [{**HEADER, **header}, ASKED, s2c(1, answer(1)), *lines, *END])


def test_independent_jobs_interleave_freely_and_ids_tell_them_apart(tmp_path: Path, verified: Verify) -> None:
    path = recorded(tmp_path, *RECORDED)
    other = numbered((D, "Queued"), (C, "Queued"), (C, "Started"), (D, "Started"), (D, "Done"), (C, "Done"))
    assert verified(path, [answer(1), *other]) == ""
    mixed = numbered((D, "Queued"), (C, "Queued"), (C, "Started"), (D, "Started"), (D, "Done"), (D, "Done"))
    assert f"jobs.log_added of job_id {B} was lost" in verified(path, [answer(1), *mixed])


def test_a_transcript_that_needs_a_total_order_says_so(tmp_path: Path, verified: Verify) -> None:
    path = recorded(tmp_path, *RECORDED, order="total")
    assert verified(path, [answer(1), *RECORDED]) == ""
    swapped = numbered((A, "Queued"), (B, "Queued"), (A, "Started"), (B, "Started"), (A, "Done"), (B, "Done"))
    assert "which was recorded later" in verified(path, [answer(1), *swapped])


def test_a_lost_a_doubled_a_swapped_and_an_additional_one_are_named(tmp_path: Path, verified: Verify) -> None:
    path = recorded(tmp_path, *RECORDED[:2], RECORDED[4])
    queued, started, done = "Queued", "Started", "Done"

    def found(*messages: str) -> list[str]:
        text = verified(path, [answer(1), *numbered(*((C, message) for message in messages))])
        return [line.partition(": ")[2] for line in text.splitlines() if line.startswith(str(path))]

    name = f"jobs.log_added of job_id {A}"
    assert found(queued, started, done) == []
    assert found(queued, done) == [f"{name} was lost: it did not arrive"]
    assert found(queued, started) == [f"{name} was lost: it did not arrive"]
    assert found(queued, started, started, done) == [f"{name} came twice"]
    assert found(queued, started, done, started) == [f"{name} came twice"]
    assert found(started, queued, done) == [f"{name} came after jobs.log_added, which was recorded later"]
    assert found(queued, "Odd", started, done) == [f"{name} was received but not recorded"]
    assert found(queued, "Odd", done) == [f"{name} differs"]
    assert found("Odd", started, done) == [f"{name} differs"]


def test_seqs_are_counted_and_not_compared(tmp_path: Path, verified: Verify) -> None:
    path = recorded(tmp_path, *RECORDED[:2])
    for first, second, wrong in ((7, 8, False), (7, 7, True), (7, 9, True), (2, 1, True)):
        found = verified(path, [answer(1), added(first, C, "Queued"), added(second, C, "Started")])
        assert (f"has the seq {second} after {first}" in found) == wrong
    sparse = recorded(tmp_path, added(3, A, "Queued"), added(9, A, "Started"))  # the client had opted out of some
    assert verified(sparse, [answer(1), added(1, C, "Queued"), added(5, C, "Started")]) == ""


def test_one_cause_in_many_places_is_told_once(tmp_path: Path, verified: Verify) -> None:
    path = recorded(tmp_path, *RECORDED)
    renamed = [{**one, "params": {**one["params"], "line": {**one["params"]["line"], "mood": 1}}} for one in RECORDED]
    found = verified(path, [answer(1), *renamed])
    assert found.count("differs") == 1
    assert "and the same in 5 more places, line 5, 6, 7, 8, 9" in found


def test_the_first_notification_is_not_before_the_answer_that_creates_its_job(tmp_path: Path, verified: Verify) -> None:
    created = answer(1, job={"job_id": A})
    path = write_lines(
        tmp_path / "a.jsonl", [HEADER, c2s(0, request(1, "jobs.create")), s2c(1, created), s2c(2, RECORDED[0]), *END]
    )
    received = [answer(1, job={"job_id": C}), added(1, C, "Queued")]
    assert verified(path, received) == ""
    assert "jobs.log_added came before the response to jobs.create" in verified(path, received[::-1])
    left_by_an_earlier_run = added(1, B, "Queued again")
    found = verified(path, [left_by_an_earlier_run, answer(1, job={"job_id": C}), added(2, C, "Queued")])
    assert "came before" not in found


POLL = request(2, "jobs.get", job_id=A)


def polled(*states: str) -> list[Line]:
    """Returns a request for a job, repeated, and its answers."""
    return [
        line
        for number, state in enumerate(states, 2)
        for line in (c2s(number, {**POLL, "id": number}), s2c(number, job(number, state)))
    ]


def job(request_id: int | str, status: str) -> Line:
    """Returns the answer to a request for a job."""
    return answer(request_id, job_id=A, status=status)


def test_a_poll_comes_to_the_same_end_sooner_or_later(tmp_path: Path, verified: Verify) -> None:
    path = write_lines(tmp_path / "poll.jsonl", [HEADER, *polled("queued", "running", "succeeded"), *END])
    sooner = [[job(2, "running")], [job(3, "succeeded")], [job(4, "succeeded")]]
    assert verified(path, *sooner) == ""
    again = [[job(f"again-7-{tries}", state)] for tries, state in enumerate(("running", "succeeded"))]
    assert verified(path, [job(2, "queued")], [job(3, "queued")], [job(4, "queued")], *again) == ""
    assert "the response to jobs.get differs" in verified(path, *sooner[:2], [job(4, "failed")])
    assert "result.status" in verified(path, [answer(2, job_id=A)], *sooner[1:])


def test_of_a_read_during_unfinished_work_only_the_form_is_compared(tmp_path: Path, verified: Verify) -> None:
    one, two = RECORDED[:2]
    path = write_lines(tmp_path / "read.jsonl", [HEADER, ASKED, s2c(1, answer(1)), s2c(1, one), *polled("running")])
    with path.open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in (s2c(5, two), *END))
    assert verified(path, [answer(1), one], [job(2, "succeeded"), two]) == ""
    assert "result.status" in verified(path, [answer(1), one], [answer(2, job_id=A), two])
    finished = write_lines(
        tmp_path / "end.jsonl", [HEADER, ASKED, s2c(1, one), s2c(1, two), *polled("succeeded"), *END]
    )
    assert "result.status" in verified(finished, [one, two], [job(2, "failed")])
