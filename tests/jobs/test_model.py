"""Compares the queue with a model in plain Python, through random sequences of operations from hypothesis."""

import json
import shutil
from collections.abc import Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sidecar_protocol.contract import Recovery
from sidecar_protocol.entities import JobStatus, WaitingFor
from sidecar_protocol.jobs import IdempotencyKeyReused, JobNotFinished, Jobs

from sidecar.ids import Uuid7
from sidecar.job_handler import JobFailed, JobSnoozed
from sidecar.jobs.intake import Intake
from sidecar.jobs.journal import JobJournal
from sidecar.jobs.outcomes import JobOutcome, store_orphan_outcome, store_outcome
from sidecar.jobs.service import JobsService
from sidecar.jobs.store import ClaimedJob, JobsStore
from sidecar.paths import schema_dir
from sidecar.storage.database import Database
from sidecar.storage.migrations import open_database
from sidecar.storage.unit_of_work import UnitOfWork
from sidecar.wire.event_log import EventLog
from sidecar.wire.outbox import Outbox
from tests.in_process import decoded
from tests.in_process_app import ManualClock
from tests.jobs.plain_queue import HIDDEN, LIVE, SPECS, Job, Model

RANDOM_FRACTION: Final = 0.5


def result_of(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Returns the result of a method that does not wait."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("the method waited")


async def admit_all(job: object) -> None:
    """Checks nothing."""


class QueueMachine(RuleBasedStateMachine):
    """Applies every operation to the queue and to its model."""

    migrated: ClassVar[Path]
    """An empty database to copy, since migrating takes longer than a whole example."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory(dir=self.migrated.parent)
        path = Path(self.folder.name) / "sidecar.db"
        shutil.copy(self.migrated, path)
        self.clock = ManualClock()
        self.unit_of_work = UnitOfWork(lambda _: None)
        connection = open_database(path, schema_dir(), 0)
        connection.execute("PRAGMA synchronous = OFF")  # power cuts are not tested here
        self.database = Database(connection, path, self.unit_of_work.request_commit)
        self.log = EventLog(self.database)
        self.outbox = Outbox(
            self.database,
            self.log,
            self.clock,
            request_commit=self.unit_of_work.request_commit,
            call_later=lambda *_: None,
        )
        self.unit_of_work.connect(self.database, self.outbox)
        self.new_id = Uuid7(self.clock)
        self.store = JobsStore(self.database)
        self.model = Model(self.clock)
        self.claimed: dict[str, ClaimedJob] = {}
        self.seq = 0
        self.boot()

    def boot(self) -> None:
        """Creates the queue as a new start of the process does."""
        self.journal = JobJournal(
            self.database, self.store, self.outbox, self.clock, self.new_id, boot_id=self.new_id()
        )
        intake = Intake(SPECS, admit_all)
        service = JobsService(self.journal, intake, wake=lambda _=None: None, on_cancel=lambda _: None)
        self.service = decoded(Jobs, service)

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()

    def pick(self, number: int, *statuses: str) -> Job:
        """Returns one of the jobs with these statuses, or of all jobs if none is given."""
        jobs = [job for job in self.model.jobs.values() if not statuses or job.status in statuses]
        return jobs[number % len(jobs)]

    def has(self, *statuses: str) -> bool:
        return any(not statuses or job.status in statuses for job in self.model.jobs.values())

    def store_outcome(self, job: Job, outcome: JobOutcome) -> None:
        claimed = self.claimed.pop(job.job_id)
        store_outcome(self.journal, claimed, SPECS[job.type].policy.recovery, outcome, RANDOM_FRACTION)

    # --- operations ----------------------------------------------------------------------------------------------

    @rule(
        kind=st.sampled_from(sorted(SPECS)),
        priority=st.integers(-1, 1),
        wait_s=st.sampled_from([None, None, -10, 10, 60]),
        key=st.sampled_from([None, None, None, "k", "l"]),
        max_attempts=st.sampled_from([None, 1, 2, 3]),
        lock=st.sampled_from([None, None, "a", "b"]),
    )
    def create(
        self, kind: str, priority: int, wait_s: int | None, key: str | None, max_attempts: int | None, lock: str | None
    ) -> None:
        run_at = None if wait_s is None else self.model.later(wait_s)
        existing = [job for job in self.model.jobs.values() if key is not None and job.idempotency_key == key]
        creation = self.service.create(
            type=kind,
            payload={"lock": lock},
            priority=priority,
            run_at=run_at,
            idempotency_key=key,
            max_attempts=max_attempts,
        )
        if existing and (existing[0].type, existing[0].created_with) != (kind, lock):
            with pytest.raises(IdempotencyKeyReused):
                result_of(creation)
            return
        created = result_of(creation)
        assert created.deduplicated is bool(existing)
        if existing:
            assert created.job.job_id == existing[0].job_id
            return
        attempts, now = max_attempts or SPECS[kind].policy.max_attempts, self.model.now
        job = Job(created.job.job_id, kind, priority, run_at, attempts, now, now, lock=lock, idempotency_key=key)
        job.created_with = lock
        job.is_due = run_at is None or run_at <= now
        self.model.jobs[job.job_id] = job
        self.model.expected_updates.append(self.model.as_entity(job))

    @rule(full=st.lists(st.sampled_from(sorted(SPECS)), unique=True, max_size=1))
    def claim(self, full: list[str]) -> None:
        self.claim_next(full)

    def claim_next(self, full: list[str]) -> None:
        claimed = self.journal.claim(full)
        expected = self.model.next_due(full)
        assert (claimed.job_id if claimed else None) == expected
        if claimed is not None and expected is not None:
            job = self.model.jobs[expected]
            now, attempt = self.model.now, job.attempt + 1
            self.model.change(job, status="running", started_at=now, attempt=attempt, waiting_for=None)
            self.claimed[expected] = claimed
            assert (claimed.attempt, claimed.max_attempts) == (job.attempt, job.max_attempts)

    @precondition(lambda self: self.has("running"))
    @rule(number=st.integers(0, 99))
    def succeed(self, number: int) -> None:
        job = self.pick(number, "running")
        self.store_outcome(job, b"{}")
        self.model.finish(job, "succeeded")

    @precondition(lambda self: self.has("running"))
    @rule(number=st.integers(0, 99), retryable=st.booleans(), retry_after_s=st.sampled_from([None, None, 0.0, 30.0]))
    def fail(self, number: int, retryable: bool, retry_after_s: float | None) -> None:
        job = self.pick(number, "running")
        failure = JobFailed("It broke.", kind="broken", retryable=retryable, retry_after_s=retry_after_s)
        self.store_outcome(job, failure)
        if retryable and job.attempt < job.max_attempts:
            wait_s = 2**job.attempt * (1 + 0.2 * RANDOM_FRACTION) if retry_after_s is None else retry_after_s
            self.model.requeue(job, delay_s=wait_s, waiting_for="retry")
        else:
            self.model.finish(job, "failed")

    @precondition(lambda self: self.has("running"))
    @rule(
        number=st.integers(0, 99),
        delay_s=st.sampled_from([0.0, 5.0, 1e9]),
        why=st.sampled_from(["network", "rate_limit"]),
    )
    def snooze(self, number: int, delay_s: float, why: str) -> None:
        job = self.pick(number, "running")
        self.store_outcome(job, JobSnoozed("Not now.", delay_s=delay_s, waiting_for=WaitingFor(why)))
        delay_s = min(max(delay_s, 1), 24 * 3600)
        self.model.requeue(job, attempt=job.attempt - 1, delay_s=delay_s, waiting_for=why)

    @precondition(lambda self: self.has("running"))
    @rule(number=st.integers(0, 99))
    def stop(self, number: int) -> None:
        """The run ends because of a requested cancellation, or of a shutdown."""
        job = self.pick(number, "running")
        self.store_outcome(job, JobStatus.CANCELLED if job.cancel_requested else JobStatus.INTERRUPTED)
        if job.cancel_requested:
            self.model.finish(job, "cancelled")
        else:
            self.model.end_by_policy(job)

    @precondition(lambda self: self.has("running"))
    @rule(number=st.integers(0, 99), key=st.sampled_from(["a", "b", "c"]))
    def lock(self, number: int, key: str) -> None:
        job = self.pick(number, "running")
        self.journal.set_lock_key(job.job_id, key)
        job.lock = key

    @precondition(lambda self: self.has("running"))
    @rule(number=st.integers(0, 99))
    def progress(self, number: int) -> None:
        job = self.pick(number, "running")
        self.journal.progress(job.job_id, 0.5, "half", store=True)
        vars(job).update(progress=0.5, updated_at=self.model.now, version=job.version + 1)

    @precondition(lambda self: self.has())
    @rule(number=st.integers(0, 99), preferred=st.sampled_from([("running",), LIVE, ()]))
    def cancel(self, number: int, preferred: tuple[str, ...]) -> None:
        job = self.pick(number, *(preferred if self.has(*preferred) else ()))
        if job.status == "queued":
            self.model.change(job, status="cancelled", cancel_requested=True, finished_at=self.model.now)
        elif job.status == "running" and not job.cancel_requested:
            self.model.change(job, cancel_requested=True)
        assert result_of(self.service.cancel(job_id=job.job_id)).version == job.version

    @precondition(lambda self: self.has("running"))
    @rule(number=st.integers(0, 99), snoozes=st.booleans())
    def cancel_without_effect_on_the_handler(self, number: int, snoozes: bool) -> None:
        job = self.pick(number, "running")
        result_of(self.service.cancel(job_id=job.job_id))
        if not job.cancel_requested:
            self.model.change(job, cancel_requested=True)
        failure = JobFailed("It broke.", kind="broken", retryable=True)
        snooze = JobSnoozed("Not now.", delay_s=5, waiting_for=WaitingFor.NETWORK)
        self.store_outcome(job, snooze if snoozes else failure)
        has_failed = not snoozes and job.attempt == job.max_attempts
        self.model.finish(job, "failed" if has_failed else "cancelled")

    @precondition(lambda self: self.has())
    @rule(number=st.integers(0, 99))
    def retry(self, number: int) -> None:
        job = self.pick(number)
        try:
            result_of(self.service.retry(job_id=job.job_id))
        except JobNotFinished:
            assert job.status in LIVE
            assert not job.is_waiting
            return
        if job.is_waiting:
            self.model.change(job, run_at=None, is_due=True, delay_s=None, waiting_for=None)
            return
        assert job.status not in LIVE
        reset = {"run_at": None, "waiting_for": None, "started_at": None, "finished_at": None, "progress": 0.0}
        reset |= {"is_due": True, "delay_s": None}
        self.model.change(job, status="queued", attempt=0, recoveries=0, cancel_requested=False, **reset)

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        state = result_of(self.service.pause() if paused else self.service.resume())
        self.model.paused = paused
        assert state.paused is paused

    @rule(seconds=st.sampled_from([0.001, 1, 5, 40, 24 * 3600]))
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(seconds=st.sampled_from([0.002, 3, 24 * 3600]))
    def set_the_clock_back(self, seconds: float) -> None:
        self.clock.wall_ms -= round(seconds * 1000)
        self.journal.limit_waits()
        self.model.limit_waits()

    @rule()
    def crash_repeatedly_while_running(self) -> None:
        for _ in range(2):
            self.claim_next([])
            self.crash()

    @rule()
    def crash(self) -> None:
        self.claimed.clear()
        self.boot()
        orphans = self.journal.orphans()
        running = [job for job in self.model.jobs.values() if job.status == "running"]
        assert [orphan.job_id for orphan in orphans] == [job.job_id for job in running]
        for orphan, job in zip(orphans, running, strict=True):
            policy = SPECS[job.type].policy
            store_orphan_outcome(self.journal, orphan, policy.recovery)
            if job.cancel_requested:
                self.model.finish(job, "cancelled")
            elif policy.recovery is Recovery.REQUEUE and job.recoveries == 3:
                self.model.finish(job, "failed")
            else:
                self.model.end_by_policy(job, recoveries=job.recoveries + 1)

    @rule(age_s=st.sampled_from([0, 30, 24 * 3600]))
    def prune(self, age_s: int) -> None:
        before = self.model.later(-age_s)
        with self.database.write():
            count = self.store.prune((before, ""), 200)
        old = [job for job in self.model.jobs.values() if job.status not in LIVE and job.updated_at < before]
        assert count == len(old)
        for job in old:
            del self.model.jobs[job.job_id]

    # --- invariants ----------------------------------------------------------------------------------------------

    @invariant()
    def the_same_jobs_are_in_the_same_states(self) -> None:
        self.unit_of_work.commit()
        page = json.loads(result_of(self.service.list(limit=500)).json_bytes())
        names = [name for name in Job.__dataclass_fields__ if name not in HIDDEN]
        found = {job["job_id"]: {name: job[name] for name in names} for job in page["jobs"]}
        assert found == {job.job_id: self.model.as_entity(job, is_read=True) for job in self.model.jobs.values()}
        assert list(found) == list(reversed(self.model.jobs))

    @invariant()
    def the_next_job_is_the_same(self) -> None:
        with self.database.write():
            self.store.mark_due(self.model.now)
        for full in ([], ["work.repeatable"]):
            assert self.store.next_due(full) == self.model.next_due(full)

    @invariant()
    def each_transition_was_notified_once_and_in_order(self) -> None:
        self.unit_of_work.commit()
        rows = self.log.after(self.seq, 1_000)
        assert [seq for seq, *_ in rows] == list(range(self.seq + 1, self.seq + 1 + len(rows)))
        self.seq += len(rows)
        expected, self.model.expected_updates = self.model.expected_updates, []
        updates = [
            json.loads(f"{{{params_fragment}}}")["job"]
            for _, _, method, params_fragment in rows
            if method == "jobs.updated"
        ]
        assert [{name: job[name] for name in one} for job, one in zip(updates, expected, strict=True)] == expected

    @invariant()
    def no_log_outlives_its_job(self) -> None:
        left = "SELECT count(*) FROM job_events WHERE job_id NOT IN (SELECT job_id FROM jobs)"
        assert self.database.rows(left) == [(0,)]


@pytest.mark.timeout(600)  # shrinking a failure takes minutes
def test_the_queue_behaves_like_its_model(tmp_path: Path) -> None:
    QueueMachine.migrated = tmp_path / "migrated.db"
    open_database(QueueMachine.migrated, schema_dir(), 0).close()
    bounds = settings(max_examples=250, stateful_step_count=50, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(QueueMachine, settings=bounds)
