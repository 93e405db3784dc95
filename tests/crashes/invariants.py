"""The invariants that hold after any crash, as a client sees them; `recover` checks all of them.

1  Every acknowledged job exists exactly once; an unanswered create may be repeated under its idempotency key.
2  Every job ends.
3  A handler starts only after its claim is durable, at most once per claim.  A job that must not be repeated after a
   crash is claimed once per attempt and ends as `interrupted`; other jobs run again after at most three crashes.
4  The client receives every event of the log once and in order, pushed or resumed; a replay from the start is equal.
5  The last `jobs.updated` of a job equals the stored job.
6  A job whose cancel was acknowledged never starts again, and ends as `cancelled` unless it had finished before.
7  The database passes its integrity checks, and no process is left.
"""

import contextlib
import json
import sqlite3
from collections import Counter
from typing import Final

import psutil

from tests.crashes.recovering_client import FAR_FUTURE, FINAL, RecoveringClient
from tests.process.raw_client import Message

MAX_RECOVERIES: Final = 3
REPEATABLE: Final = frozenset({"crash.repeatable", "crash.snoozing", "crash.waiting"})


def recover(client: RecoveringClient) -> None:
    """Starts a sidecar without faults, repeats unanswered creates, waits until every job has ended and checks all."""
    with client.sidecar():
        client.repeat_creates()
        assert client.read_answers(), "the sidecar ended"
        for key, params in client.creates.items():
            if params["type"] in ("crash.waiting", "crash.holding") or params.get("run_at") == FAR_FUTURE:
                client.cancel(key)
        assert client.read_answers(), "the sidecar ended"
        assert client.read_until(client.all_final), "the sidecar ended"
        every_acknowledged_job_exists_once(client)
        every_event_was_received_once_and_in_order(client)
        the_last_update_equals_the_stored_job(client)
        assert client.quit() == 0
    handlers_ran_as_often_as_allowed(client)
    cancelled_jobs_stayed_cancelled(client)
    the_database_is_intact(client)
    no_process_is_left(client)


def every_acknowledged_job_exists_once(client: RecoveringClient) -> None:
    assert client.job_ids.keys() == client.creates.keys()
    listed: list[str] = []
    page: Message = {"next_cursor": None}
    while "jobs" not in page or page["next_cursor"] is not None:
        page = client.call("jobs.list", limit=200, **({"cursor": page["next_cursor"]} if page["next_cursor"] else {}))
        listed += [job["job_id"] for job in page["jobs"] if job["type"].startswith("crash.")]
    assert sorted(listed) == sorted(client.job_ids.values())
    for key, params in client.creates.items():
        again = client.call("jobs.create", **params)
        assert (again["job"]["job_id"], again["deduplicated"]) == (client.job_ids[key], True)


def every_event_was_received_once_and_in_order(client: RecoveringClient) -> None:
    seqs = [message["params"]["seq"] for message in client.events]
    assert seqs == sorted(set(seqs))
    replayed: list[Message] = []
    page: Message = {"events": [{"params": {"seq": 0}}]}
    while page["events"]:
        page = client.call("events.replay", after_seq=page["events"][-1]["params"]["seq"], limit=1_000)
        assert not page["truncated"]
        replayed += page["events"]
    assert [{"method": event["method"], "params": event["params"]} for event in client.events] == replayed
    versions: dict[str, int] = {}
    for job in updates(client):
        assert job["version"] > versions.get(job["job_id"], 0)
        versions[job["job_id"]] = job["version"]


def the_last_update_equals_the_stored_job(client: RecoveringClient) -> None:
    for job_id in client.job_ids.values():
        job = client.call("jobs.get", job_id=job_id)
        assert job == client.jobs[job_id]
        assert job["status"] in FINAL


def handlers_ran_as_often_as_allowed(client: RecoveringClient) -> None:
    claims = Counter(
        (job["job_id"], job["attempt"])
        for job in updates(client)
        if job["status"] == "running" and not job["cancel_requested"]
    )
    steps = [tuple(entry.split()) for entry in client.step_log.read_text().splitlines()]
    starts = Counter((job_id, int(attempt)) for job_id, attempt, phase in steps if phase == "start")
    ends = Counter((job_id, int(attempt)) for job_id, attempt, phase in steps if phase == "end")
    unclaimed = starts - claims
    assert not unclaimed, (
        "a handler ran without a claim that the client received",
        unclaimed,
        [job for job in updates(client) if job["job_id"] in {job_id for job_id, _ in unclaimed}],
    )
    assert ends <= starts
    for job in client.jobs.values():
        if job["type"] in REPEATABLE:
            ended_as_repeatable(job)
        else:
            ended_as_non_repeatable(job, claims, ends)
        if job["status"] == "succeeded":
            assert job["result"] == {"attempt": job["attempt"]}
            assert ends[job["job_id"], job["attempt"]] >= 1


def ended_as_repeatable(job: Message) -> None:
    assert job["recoveries"] <= MAX_RECOVERIES
    if job["status"] == "failed":
        assert (job["error"]["kind"], job["recoveries"]) == ("recovery_limit", MAX_RECOVERIES)
    else:
        assert job["status"] in ("succeeded", "cancelled")


def ended_as_non_repeatable(job: Message, claims: Counter[tuple[str, int]], ends: Counter[tuple[str, int]]) -> None:
    assert job["recoveries"] == 0
    assert job["status"] in ("succeeded", "cancelled", "interrupted")
    tries = {attempt: count for (job_id, attempt), count in claims.items() if job_id == job["job_id"]}
    assert tries == dict.fromkeys(range(1, job["attempt"] + 1), 1)
    assert all(ends[job["job_id"], attempt] == 1 for attempt in range(1, job["attempt"]))
    if job["status"] == "interrupted":
        assert job["error"]["kind"] in ("crash", "shutdown")


def cancelled_jobs_stayed_cancelled(client: RecoveringClient) -> None:
    for job_id, answers in client.cancels.items():
        final = client.jobs[job_id]
        for answer in answers:
            later = [job for job in updates(client) if job["job_id"] == job_id and job["version"] > answer["version"]]
            assert len(later) == (answer["status"] == "running")
            assert answer["status"] in FINAL or answer["cancel_requested"]
        if answers[0]["status"] == "running" and final["status"] != "cancelled":
            assert f"{job_id} {final['attempt']} end" in client.step_log.read_text(), "it was not quicker"


def the_database_is_intact(client: RecoveringClient) -> None:
    with contextlib.closing(sqlite3.connect(client.data_dir / "sidecar.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        log = database.execute("SELECT seq, at, method, params_fragment FROM event_log ORDER BY seq").fetchall()
        lines = database.execute("SELECT job_id, event_id FROM job_events ORDER BY rowid").fetchall()
    assert [
        {"jsonrpc": "2.0", "method": method, "params": {"seq": seq, "at": at, **json.loads("{" + fragment + "}")}}
        for seq, at, method, fragment in log
    ] == client.events
    received = [message["params"]["line"] for message in client.events if message["method"] == "jobs.log_added"]
    known = {line["job_id"] for line in received}
    assert [line["line_id"] for line in received] == [event_id for job_id, event_id in lines if job_id in known]


def no_process_is_left(client: RecoveringClient) -> None:
    for process in psutil.process_iter(["cmdline"]):
        assert str(client.step_log) not in (process.info["cmdline"] or []), f"process {process.pid} is left"


def updates(client: RecoveringClient) -> list[Message]:
    """Returns the job of every `jobs.updated` received."""
    return [message["params"]["job"] for message in client.events if message["method"] == "jobs.updated"]
