"""Messages about jobs, and runs of a recording that are made of them."""

from typing import Any

from tests.transcripts.recording import HEADER, answer, c2s, notification, request, s2c

A, B, C, D = (f"01a00000-0000-7000-8000-00000000000{one}" for one in "abcd")
START = "2026-11-29T08:00:00.000Z"
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
