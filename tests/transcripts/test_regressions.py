"""Regressions that a changed sidecar could have: each is named by the verification of a recording of the old one.

The sidecar is scripted: it plays the recording, changed at one place.
"""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.transcripts.conftest import Verify
from tests.transcripts.recording import HEADER, answer, c2s, notification, request, s2c, write_lines

JOB, OTHER = "01a00000-0000-7000-8000-00000000000a", "01a00000-0000-7000-8000-00000000000b"
SECRET = "the token of the test, which is secret"  # noqa: S105 - not a real one
START = "2026-11-29T08:00:00.000Z"
Blocks = list[list[dict[str, Any]]]
Change = Callable[[Blocks], object]


def job(status: str, second: int, **more: Any) -> dict[str, Any]:
    """Returns a job as the recorded sidecar sent it."""
    updated = f"2026-11-29T08:00:{second:02}.000Z"
    ended = {"started_at": START, "finished_at": updated, "progress": 1.0} if status == "succeeded" else {}
    return {
        "job_id": JOB,
        "type": "maintenance.backup",
        "status": status,
        "created_at": START,
        "updated_at": updated,
        "progress": 0.0,
        "schedule_id": None,
        **ended,
        **more,
    }


def line(seq: int, message: str) -> dict[str, Any]:
    """Returns a line of the job's log."""
    return notification("jobs.log_added", seq=seq, at=START, line={"job_id": JOB, "message": message})


def progress(value: float) -> dict[str, Any]:
    """Returns the job's progress."""
    return notification("jobs.progress", job_id=JOB, progress=value, message=None)


def delta(offset: int, text: str) -> dict[str, Any]:
    """Returns a piece of a message."""
    return notification("claude.delta", session_id=JOB, job_id=JOB, message_id="m", offset=offset, text=text)


REFUSED = {
    "code": 4010,
    "message": "Refused",
    "data": {"kind": "unauthorized", "retryable": False, "hint": "Try again"},
}
ASKED = [
    request(1, "initialize", protocol_version=1, token={"$secret": 1, "$like": SECRET}),
    request(2, "jobs.create", type="maintenance.backup"),
    request(3, "jobs.get", job_id=JOB),
    request(4, "jobs.cancel", job_id=JOB),
    request(5, "system.diagnostics"),
]
PLAYED: Blocks = [
    [answer(1, protocol_version=1)],
    [
        answer(2, job=job("queued", 0)),
        notification("jobs.updated", seq=1, at=START, job=job("queued", 0)),
        line(2, "Queued"),
        line(3, "Started"),
        progress(0.1),
        progress(0.6),
        delta(0, "Hello "),
        delta(6, "there"),
        line(4, "Succeeded"),
        notification("jobs.updated", seq=5, at=START, job=job("succeeded", 2)),
    ],
    [{"jsonrpc": "2.0", "id": 3, "result": job("succeeded", 2)}],
    [{"jsonrpc": "2.0", "id": 4, "error": REFUSED}],
    [answer(5, log_tail=["ready"], status={"queue": {"succeeded": 1}})],
]


def at(number: int, place: int, value: Any, *path: str) -> Change:
    """Returns a change of a value in a message of a block."""

    def change(blocks: Blocks) -> None:
        inside: Any = blocks[number][place]
        for name in path[:-1]:
            inside = inside[name]
        inside[path[-1]] = value

    return change


def everywhere(old: str, new: str) -> Change:
    """Returns a change of a text in all messages."""

    def change(blocks: Blocks) -> None:
        blocks[:] = json.loads(json.dumps(blocks).replace(old, new))

    return change


def swap(number: int, one: int, other: int) -> Change:
    """Returns a change of the order of two messages, which are numbered as they come."""

    def change(blocks: Blocks) -> None:
        block = blocks[number]
        block[one], block[other] = block[other], block[one]
        first, second = (block[place].get("params", {}) for place in (one, other))
        if "seq" in first and "seq" in second:
            first["seq"], second["seq"] = second["seq"], first["seq"]

    return change


def instead(number: int, message: dict[str, Any]) -> Change:
    """Returns a change of an answer."""
    return lambda blocks: blocks[number].__setitem__(0, message)


INTERNAL = {"code": -32603, "message": "x", "data": {"kind": "internal", "retryable": False, "error_id": "e-17"}}
REGRESSIONS: dict[str, tuple[Change, str]] = {
    "a line of the log is lost": (lambda all_: all_[1].pop(3), f"jobs.log_added of job_id {JOB} was lost"),
    "the job's end is lost": (lambda all_: all_[1].pop(9), f"jobs.updated of job_id {JOB} was lost"),
    "a notification is doubled": (lambda all_: all_[1].insert(4, all_[1][3]), "has the seq 3 after 3"),
    "a notification is sent anew": (lambda all_: all_[1].append(line(6, "Started")), f"{JOB} came twice"),
    "two are swapped": (swap(1, 2, 3), "came after jobs.log_added, which was recorded later"),
    "a notification is new": (lambda all_: all_[1].append(line(6, "Bye")), "was received but not recorded"),
    "an event comes before its answer": (swap(1, 0, 1), "came before the response to jobs.create"),
    "an answer comes twice": (lambda all_: all_[2].append(all_[2][0]), "the response to jobs.get came twice"),
    "a status is wrong": (at(1, 9, "failed", "params", "job", "status"), "params.job.status"),
    "a member is renamed": (everywhere('"schedule_id"', '"schedule"'), "more places"),
    "a member is missing": (lambda all_: all_[2][0]["result"].pop("type"), "result.type"),
    "another member is new": (at(2, 0, 1, "result", "mood"), "result.mood"),
    "a number is a text": (at(4, 0, "1", "result", "status", "queue", "succeeded"), "queue.succeeded"),
    "a time is an hour off": (everywhere("T08:00:02", "T09:00:02"), "differs"),
    "it is updated before it is created": (everywhere("T08:00:02", "T07:59:59"), "after updated_at"),
    "an id is mixed up": (at(2, 0, OTHER, "result", "job_id"), "result.job_id"),
    "an answer is internal": (
        instead(2, {"jsonrpc": "2.0", "id": 3, "error": INTERNAL}),
        "the response to jobs.get is the error internal (e-17)",
    ),
    "an error is of another kind": (at(3, 0, "forbidden", "error", "data", "kind"), "error.data.kind"),
    "a request that was refused is answered": (instead(3, answer(4)), "the response to jobs.cancel differs"),
    "an error's text has a secret": (at(3, 0, f"not {SECRET}", "error", "message"), "contains a secret"),
    "a hint has a secret": (at(3, 0, f"not {SECRET}", "error", "data", "hint"), "contains a secret"),
    "a log has a secret": (at(4, 0, [f"got {SECRET}"], "result", "log_tail"), "contains a secret"),
    "progress falls": (at(1, 5, 0.05, "params", "progress"), "has the progress 0.05 after 0.1"),
    "progress is a percentage": (at(1, 5, 60, "params", "progress"), "not within 0 and 1"),
    "the last progress is not 1": (everywhere('"progress": 1.0', '"progress": 0.9'), "succeeded with the progress 0.9"),
    "a seq is left out": (at(1, 9, 7, "params", "seq"), "has the seq 7 after 4"),
    "text is lost": (lambda all_: all_[1].pop(6), "claude.delta differs"),
    "text has a gap": (at(1, 7, 8, "params", "offset"), "claude.delta has a gap: offset 8 follows 6"),
    "text is changed": (at(1, 7, "where", "params", "text"), "claude.delta differs"),
}
UNSEEN: dict[str, Change] = {
    "the text of an error": at(3, 0, "No", "error", "message"),
    "a hint": at(3, 0, "Do not", "error", "data", "hint"),
    "how often progress is sent": lambda all_: all_[1].pop(4),
    "what a running job says": at(1, 5, "Copying", "params", "message"),
    "how text is cut": lambda all_: all_[1].__setitem__(slice(6, 8), [delta(0, "Hello there")]),
}
"""Changes that a verification does not see, since they depend on the time or are meant for people."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Returns the recording."""
    lines = [{**HEADER, "started_at": START}]
    for number, (asked, block) in enumerate(zip(ASKED, PLAYED, strict=True)):
        lines += [c2s(number * 1000, asked), *(s2c(number * 1000 + 900, one) for one in block)]
    return write_lines(tmp_path / "old.jsonl", [*lines, {"t": 8e3, "dir": "c2s", "eof": True}, s2c_exit()])


def s2c_exit() -> dict[str, Any]:
    """Returns the line of the process's exit."""
    return {"t": 9e3, "dir": "s2c", "exit": 0}


@pytest.mark.parametrize("name", REGRESSIONS)
def test_a_regression_is_named(name: str, path: Path, verified: Verify) -> None:
    change, expected = REGRESSIONS[name]
    blocks = deepcopy(PLAYED)
    change(blocks)
    found = verified(path, *blocks)
    assert expected in found
    assert bool(found) == bool(expected)


@pytest.mark.parametrize("name", UNSEEN)
def test_what_depends_on_time_or_is_for_people_is_not_compared(name: str, path: Path, verified: Verify) -> None:
    blocks = deepcopy(PLAYED)
    UNSEEN[name](blocks)
    assert verified(path, *blocks) == ""
