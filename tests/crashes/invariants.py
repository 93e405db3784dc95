"""What no crash may break, from the host's point of view.  `recover` holds all of it, after any number of deaths.

1  Every acknowledged create exists, once; a create that was not answered may be repeated under its key.
2  Every job ends.
3  A handler begins only after its claim is durable, at most once a claim.  A job that a crash must not repeat is
   claimed once an attempt, and says so when a crash cut it off; others run again, after at most three crashes.
4  The host is told every event of the log once and in order, pushed or resumed; a replay from the start says the same.
5  The last thing that the host was told of a job is how the job stands.
6  A job whose cancelling was acknowledged never begins again, and ends as cancelled unless it was quicker.
7  The database is sound, and nothing of the processes is left.
"""

import contextlib
import json
import sqlite3
from collections import Counter
from typing import Final

import psutil

from tests.crashes.acknowledged import FAR, FINAL, Witness
from tests.process.host import Message

MAX_RECOVERIES: Final = 3
REPEATABLE: Final = frozenset({"crash.again", "crash.snoozing", "crash.waiting"})


def recover(witness: Witness) -> None:
    """Start without faults, ask for what is open, wait until every job has ended, and hold all of it to be true."""
    with witness.life():
        witness.ask_again()
        assert witness.until_answered(), "the sidecar ended"
        for key, params in witness.wanted.items():
            if params["type"] in ("crash.waiting", "crash.holding") or params.get("run_at") == FAR:
                witness.cancel(key)
        assert witness.until_answered(), "the sidecar ended"
        assert witness.until(witness.all_final), "the sidecar ended"
        every_acknowledged_job_exists_once(witness)
        every_event_was_told_once_and_in_order(witness)
        what_was_told_last_is_how_it_stands(witness)
        assert witness.quit() == 0
    handlers_ran_as_often_as_they_may(witness)
    what_was_cancelled_stayed_so(witness)
    the_files_are_sound(witness)
    nothing_is_left_running(witness)


def every_acknowledged_job_exists_once(witness: Witness) -> None:
    assert witness.acknowledged.keys() == witness.wanted.keys()
    listed: list[str] = []
    page: Message = {"next_cursor": None}
    while "jobs" not in page or page["next_cursor"] is not None:
        page = witness.call("jobs.list", limit=200, **({"cursor": page["next_cursor"]} if page["next_cursor"] else {}))
        listed += [job["job_id"] for job in page["jobs"] if job["type"].startswith("crash.")]
    assert sorted(listed) == sorted(witness.acknowledged.values())
    for key, params in witness.wanted.items():
        again = witness.call("jobs.create", **params)
        assert (again["job"]["job_id"], again["deduplicated"]) == (witness.acknowledged[key], True)


def every_event_was_told_once_and_in_order(witness: Witness) -> None:
    seqs = [message["params"]["seq"] for message in witness.told]
    assert seqs == sorted(set(seqs))
    replayed: list[Message] = []
    page: Message = {"events": [{"params": {"seq": 0}}]}
    while page["events"]:
        page = witness.call("events.replay", after_seq=page["events"][-1]["params"]["seq"], limit=1_000)
        assert not page["truncated"]
        replayed += page["events"]
    assert [{"method": told["method"], "params": told["params"]} for told in witness.told] == replayed
    versions: dict[str, int] = {}
    for job in updates(witness):
        assert job["version"] > versions.get(job["job_id"], 0)
        versions[job["job_id"]] = job["version"]


def what_was_told_last_is_how_it_stands(witness: Witness) -> None:
    for job_id in witness.acknowledged.values():
        job = witness.call("jobs.get", job_id=job_id)
        assert job == witness.jobs[job_id]
        assert job["status"] in FINAL


def handlers_ran_as_often_as_they_may(witness: Witness) -> None:
    claims = Counter(
        (job["job_id"], job["attempt"])
        for job in updates(witness)
        if job["status"] == "running" and not job["cancel_requested"]
    )
    ledger = [tuple(entry.split()) for entry in witness.ledger.read_text().splitlines()]
    starts = Counter((job_id, int(attempt)) for job_id, attempt, phase in ledger if phase == "start")
    ends = Counter((job_id, int(attempt)) for job_id, attempt, phase in ledger if phase == "end")
    unclaimed = starts - claims
    assert not unclaimed, (
        "a handler ran without a claim that the host was told of",
        unclaimed,
        [job for job in updates(witness) if job["job_id"] in {job_id for job_id, _ in unclaimed}],
    )
    assert ends <= starts
    for job in witness.jobs.values():
        if job["type"] in REPEATABLE:
            ended_as_repeatable(job)
        else:
            ended_as_it_must(job, claims, ends)
        if job["status"] == "succeeded":
            assert job["result"] == {"attempt": job["attempt"]}
            assert ends[job["job_id"], job["attempt"]] >= 1


def ended_as_repeatable(job: Message) -> None:
    assert job["recoveries"] <= MAX_RECOVERIES
    if job["status"] == "failed":
        assert (job["error"]["kind"], job["recoveries"]) == ("recovery_limit", MAX_RECOVERIES)
    else:
        assert job["status"] in ("succeeded", "cancelled")


def ended_as_it_must(job: Message, claims: Counter[tuple[str, int]], ends: Counter[tuple[str, int]]) -> None:
    """A job that a crash must not repeat."""
    assert job["recoveries"] == 0
    assert job["status"] in ("succeeded", "cancelled", "interrupted")
    tries = {attempt: count for (job_id, attempt), count in claims.items() if job_id == job["job_id"]}
    assert tries == dict.fromkeys(range(1, job["attempt"] + 1), 1)
    assert all(ends[job["job_id"], attempt] == 1 for attempt in range(1, job["attempt"]))
    if job["status"] == "interrupted":
        assert job["error"]["kind"] in ("crash", "shutdown")


def what_was_cancelled_stayed_so(witness: Witness) -> None:
    for job_id, answers in witness.cancels.items():
        final = witness.jobs[job_id]
        for answer in answers:
            later = [job for job in updates(witness) if job["job_id"] == job_id and job["version"] > answer["version"]]
            assert len(later) == (answer["status"] == "running")
            assert answer["status"] in FINAL or answer["cancel_requested"]
        if answers[0]["status"] == "running" and final["status"] != "cancelled":
            assert f"{job_id} {final['attempt']} end" in witness.ledger.read_text(), "it was not quicker"


def the_files_are_sound(witness: Witness) -> None:
    with contextlib.closing(sqlite3.connect(witness.data_dir / "sidecar.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        log = database.execute("SELECT seq, at, method, params_fragment FROM event_log ORDER BY seq").fetchall()
        lines = database.execute("SELECT job_id, event_id FROM job_events ORDER BY rowid").fetchall()
    assert [
        {
            "jsonrpc": "2.0",
            "method": method,
            "params": {"seq": seq, "at": at, **json.loads("{" + params_fragment + "}")},
        }
        for seq, at, method, params_fragment in log
    ] == witness.told
    told = [message["params"]["line"] for message in witness.told if message["method"] == "jobs.log_added"]
    known = {line["job_id"] for line in told}
    assert [line["line_id"] for line in told] == [line_id for job_id, line_id in lines if job_id in known]


def nothing_is_left_running(witness: Witness) -> None:
    for process in psutil.process_iter(["cmdline"]):
        assert str(witness.ledger) not in (process.info["cmdline"] or []), f"process {process.pid} is left"


def updates(witness: Witness) -> list[Message]:
    """Every `jobs.updated` that the host was told."""
    return [message["params"]["job"] for message in witness.told if message["method"] == "jobs.updated"]
