"""The sentences that hold in every life.  Those that can be checked with each message are in `host`, as it remembers.

Each request gets one response, and none is an internal error.
Each event is received once, in order, and none is left out without a word; a job's version grows.
A job is created once under its idempotency key; what was acknowledged exists.
Once the world is kind: every job has ended, or waits for a time that has not come; the last update of a job equals the
stored job; a replay equals what was received; the schedules are not further away than their periods; no health problem.
A job that must not run twice begins once for each of its attempts; a cancelled one stays cancelled; two jobs with one
lock never run at once, also while one waits that keeps it.
The feed and the calendar of each service equal its cloud, and every account heals (in `clouds`).
Nothing is left of a removed account.
No secret is in a message, in the log, in what Claude gets, or in a file.
The process ends only when it is asked to, or has no disk, and soon after its stdin has ended.
No handler fails in a way that it did not foresee.
"""

import logging
import re
import sqlite3
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from sidecar.clock import iso
from tests.simulation.host import KEYS, Host, Json, Refused, Script
from tests.simulation.process import KILLED
from tests.simulation.story import Story
from tests.simulation.work import HANDLER, Repeatable

Fail = Callable[[str, object], None]
FINAL: Final = frozenset({"succeeded", "failed", "cancelled", "interrupted"})
LATE_S: Final = 300
KEPT_MS: Final = 20 * 86_400_000
"""Time for which a job is kept for certain, whatever the clock has said meanwhile."""
BOUNDS_S: Final = {"retry": 400, "network": 400}
"""How long a job of the simulation waits at most, by what it waits for: it asks for less, with the jitter."""
LEFT_OVER: Final = """
    WITH accounts AS (SELECT account_id FROM atlassian_accounts UNION ALL SELECT account_id FROM calendar_accounts)
    SELECT 'atlassian_objects', account_id FROM atlassian_objects WHERE account_id NOT IN accounts UNION
    SELECT 'calendar_events', account_id FROM calendar_events WHERE account_id NOT IN accounts UNION
    SELECT 'activity_events', account_id FROM activity_events
    WHERE account_id NOT IN accounts AND source <> 'claude'
    """
SEALED: Final = re.compile(r"enc:v1:[0-9a-f]{16}:[A-Za-z0-9+/=]+")


def end_problem(code: int, problem: str | None, *, had_problem: bool) -> str | None:
    """Returns why a process should not have ended so; None if it may."""
    if code in (0, KILLED) and problem is None:
        return None
    return None if had_problem or code == 74 else f"exit code {code}: {problem}"


class Secrets:
    """Texts that must never be seen."""

    SENTENCE: Final = "No secret is in a message, in the log, in what Claude gets, or in a file."

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = [one.encode() for one in (*secrets, *KEYS)]
        self._secrets += map(b64decode, KEYS)

    def check(self, data: bytes, fail: Fail) -> None:
        for secret in self._secrets:  # one after the other: an expression for all is slower by far
            if secret in data:
                where = data[max(0, data.index(secret) - 200) :][:400]
                fail(self.SENTENCE, where)

    def check_files(self, folder: Path, fail: Fail) -> None:
        """Checks the database, its backups, and whatever else a life has written."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.check(path.read_bytes(), fail)


class LogWatch(logging.Handler):
    """Reads the log of the process."""

    UNFORESEEN: Final = ("a job's handler failed", "a request failed", "Exception in callback")

    def __init__(self, fail: Fail, has_disk_problem: Callable[[], bool], secrets: Secrets) -> None:
        super().__init__()
        self._fail = fail
        self._has_disk_problem = has_disk_problem
        self._secrets = secrets

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        while error is not None:  # a formatted traceback would take a tenth of the time of a life
            text += f"\n{type(error).__name__}: {error}"
            error = error.__cause__ or error.__context__
        self._secrets.check(text.encode(), self._fail)
        if text.startswith(self.UNFORESEEN) and not self._has_disk_problem():
            self._fail("No handler fails in a way that it did not foresee.", self.format(record))


def stuck(queued: list[Json], running: int, now_ms: int) -> set[str]:
    """Returns queued jobs that are due although nothing runs, or that wait longer than they may."""
    now, found = iso(now_ms), set()
    for job in queued:
        bound_s = BOUNDS_S.get(job["waiting_for"] or "")
        if bound_s is not None and job["type"].startswith("simulation."):
            if job["run_at"] > iso(now_ms + bound_s * 1_000):
                found.add(job["job_id"])
        elif job["waiting_for"] is None and not running and (job["run_at"] or "") < now:
            found.add(job["job_id"])
    return found


def check_end(host: Host, now: str, fail: Fail) -> Script:
    """Checks what the host can ask for once the world has been kind for some days."""
    stored: dict[str, Json] = {}
    params: Json = {"limit": 200}
    while True:
        page = yield "jobs.list", params
        stored |= {job["job_id"]: job for job in page["jobs"]}
        if page["next_cursor"] is None:
            break
        params = {"limit": 200, "cursor": page["next_cursor"]}
    for key, promise in host.memory.promises.items():
        if promise.job_id is None or (promise.job_id not in stored and not may_be_deleted(host, promise.job_id)):
            fail("What was acknowledged exists.", (key, promise))
    for job in stored.values():
        known = host.memory.jobs.get(job["job_id"])
        if known is not None and job["version"] == known["version"] and job != {**known, **_volatile(job)}:
            fail("The last update of a job equals the stored job.", (known, job))
        if job["status"] != "running" and (known is None or known["version"] < job["version"]):  # progress is ephemeral
            fail("Each change of a job is announced.", (known, job))
    unfinished = [job for job in stored.values() if job["status"] not in FINAL]
    overdue = [job for job in unfinished if (job["run_at"] or "") < now and job["type"].startswith("simulation.")]
    is_full = len(HANDLER.alive) >= Repeatable.policy.concurrency  # long jobs hold up others
    overdue = [job for job in overdue if not (is_full and job["waiting_for"] == "capacity")]
    overdue = [job for job in overdue if job["job_id"] not in HANDLER.alive]
    if overdue:
        names = ("job_id", "type", "status", "waiting_for", "run_at", "attempt", "cancel_requested", "message")
        fail("Once the world is kind, every job ends.", [[job[name] for name in names] for job in unfinished])
    yield from _check_schedules(host, fail)
    yield from _check_replay(host, fail)
    _check_runs(stored, host, fail)
    _check_locks(stored, host, fail)
    health = yield "system.health", {}
    if isinstance(health, Refused) or health.get("problems"):
        fail("In a kind world there is no health problem.", health)


def may_be_deleted(host: Host, job_id: str) -> bool:
    """Returns whether a job may have been deleted, which those are that ended 30 days ago by any clock."""
    finished_at = host.memory.jobs.get(job_id, {}).get("finished_at")
    return finished_at is not None and finished_at < iso(host.now_ms() - KEPT_MS)


def _volatile(job: Json) -> Json:
    """Returns what an ephemeral notification changes without a new version."""
    return {name: job[name] for name in ("progress", "message", "updated_at", "waiting_for") if name in job}


def _check_schedules(host: Host, fail: Fail) -> Script:
    listed = yield "jobs.schedules.list", {}
    if not listed["schedules"]:
        fail("There are schedules.", listed)
    for one in listed["schedules"]:
        if not one["enabled"] or not one["period_s"]:
            continue
        # One that was created while the clock was ahead begins then.
        if one["next_run_at"] > max(iso(host.now_ms() + one["period_s"] * 1_000), one["start"] or ""):
            fail("No schedule's next run is further away than its period.", one)


def _check_replay(host: Host, fail: Fail) -> Script:
    after, events = 0, host.memory.events
    while True:
        page = yield "events.replay", {"after_seq": after, "limit": 1_000}
        if not page["events"]:
            break
        for one in page["events"]:
            seq = one["params"]["seq"]
            if after and seq != after + 1:
                fail("The event log is whole.", (after, seq))
            after = seq
            seen = events.get(seq)
            if seen is None and seq not in host.memory.skipped and seq > min(events, default=0):
                fail("A host that listened has seen what a replay has.", one)
            if seen is not None and seen != (one["method"], one["params"]):
                fail("A replay equals what was received.", (seen, one))


def _check_runs(stored: dict[str, Json], host: Host, fail: Fail) -> None:
    begun = Counter((job_id, attempt) for job_id, attempt, phase in HANDLER.runs if phase == "begins")
    retried = {one.job_id for one in host.memory.promises.values() if one.retried}
    for (job_id, _), times in begun.items():
        job = stored.get(job_id)
        if job is None:
            if not may_be_deleted(host, job_id):
                fail("No job runs that is not stored.", job_id)
        elif job["type"] == "simulation.once" and times > 1 and job_id not in retried and not _snoozes(job):
            fail("A job that must not run twice begins once for each attempt.", (job, times))
    for promise in host.memory.promises.values():
        job = stored.get(promise.job_id or "", {})
        if job and promise.cancelled_at is not None and not promise.retried:
            begun_later = (promise.job_id, "begins") in [
                (run[0], run[2]) for run in HANDLER.runs[promise.cancelled_at :]
            ]
            if begun_later or (job.get("status") != "cancelled" and not promise.was_running):
                fail("A job whose cancellation was acknowledged does not begin again.", job)
        if job.get("status") == "succeeded" and (promise.job_id, job["attempt"], "ends") not in HANDLER.runs:
            fail("A job that has succeeded has run to its end.", job)


def _check_locks(stored: dict[str, Json], host: Host, fail: Fail) -> None:
    touched = {one.job_id for one in host.memory.promises.values() if one.retried or one.cancelled_at is not None}
    kept: dict[str, str] = {}
    for lock, job_id, what in HANDLER.locks:
        if what == "starts":  # whether a snooze was stored before the end is not known
            kept.clear()
        elif what == "snoozes":
            kept[lock] = job_id
        elif (keeper := kept.pop(lock, job_id)) != job_id and keeper not in touched:
            fail("A job that waits and keeps its lock keeps it.", (stored.get(keeper), stored.get(job_id)))


def _snoozes(job: Json) -> bool:
    return bool(job["payload"]["ends"] == "snoozing")


def check_database(path: Path, story: Story, fail: Fail) -> None:
    """Checks the file, and adds its content to the digest."""
    with closing(sqlite3.connect(path)) as database:
        for pragma, expected in (("integrity_check", [("ok",)]), ("foreign_key_check", [])):
            found = database.execute(f"PRAGMA {pragma}").fetchall()
            if found != expected:
                fail("The database is whole.", (pragma, found))
        if left := database.execute(LEFT_OVER).fetchall():
            fail("Nothing is left of a removed account.", left)
        tables: list[Any] = database.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%' ORDER BY name"
        ).fetchall()
        for (table,) in tables:
            if not table.startswith(("sqlite_", "schema_migrations")) and "search" not in table and "fts" not in table:
                for row in database.execute(f'SELECT * FROM "{table}"'):
                    story.note(SEALED.sub("sealed", repr(row)).encode())
