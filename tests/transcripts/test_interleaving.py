"""How independent work interleaves differs in each run, and so do counts, lists and what follows a `seq`."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.transcripts.conftest import Verify, tried
from tests.transcripts.job_messages import (
    CREATE,
    CREATED,
    EOF,
    EXIT,
    START,
    A,
    B,
    Blocks,
    changed,
    job,
    run_of,
    updated,
)
from tests.transcripts.recording import answer, notification, request, write_lines


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
