"""A look for due jobs counts only once what it has written is committed."""

import anyio
import pytest
from sidecar_protocol.entities import WaitingFor

from sidecar.job_handler import JobSnoozed
from sidecar.jobs.journal import JobJournal
from sidecar.jobs.store import ClaimedJob
from tests.jobs.harness import JobsHarness, SimpleJob


async def prepare_failure(harness: JobsHarness) -> None:
    # COMMIT checks a deferred foreign key, so that it fails here as it would on a full disk.
    with harness.database.write():
        harness.database.execute("CREATE TABLE parents (id INTEGER PRIMARY KEY)")
        harness.database.execute(
            "CREATE TABLE children (parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED)"
        )
    await harness.runtime.committed()


def make_commit_fail(harness: JobsHarness) -> None:
    with harness.database.write():
        harness.database.execute("INSERT INTO children VALUES (1)")


async def test_a_job_does_not_start_if_its_claim_cannot_be_committed(
    harness: JobsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await prepare_failure(harness)
    claim = JobJournal.claim
    claimed: list[str] = []

    def claim_and_make_commit_fail(self: JobJournal, full_types: list[str]) -> ClaimedJob | None:
        found = claim(self, full_types)
        if found is not None:
            claimed.append(found.job_id)
            make_commit_fail(harness)
        return found

    monkeypatch.setattr(JobJournal, "claim", claim_and_make_commit_fail)
    job_id = await harness.create_job("a")
    async with harness.working():
        with anyio.fail_after(60):
            while not claimed:
                await harness.tick()
        await harness.run_pending()
        assert (claimed, harness.handler.started) == ([job_id], [])
        job = await harness.call("jobs.get", {"job_id": job_id})
        assert (job["status"], job["attempt"]) == ("queued", 0)
        worker = harness.job_queue.worker
        assert worker is not None
        assert "FOREIGN KEY" in (worker.start_error or "")

        monkeypatch.undo()
        harness.look_for_jobs()
        (await harness.handler.next_run("a")).succeed()
        await harness.until_updated(job_id, status="succeeded")
    assert [one["job"]["status"] for one in harness.named("jobs.updated")].count("running") == 1


async def test_waits_are_shortened_although_that_could_not_be_committed_when_the_clock_was_set_back(
    harness: JobsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await prepare_failure(harness)
    limit_waits = JobJournal.limit_waits
    failed: list[bool] = []

    def limit_and_make_commit_fail(self: JobJournal) -> None:
        limit_waits(self)
        failed.append(True)
        make_commit_fail(harness)

    harness.scheduler.ensure("s", SimpleJob(name="b"), period_s=900)
    async with harness.working():
        job_id = await harness.create_job("a")
        (await harness.handler.next_run("a")).fail(JobSnoozed("Later.", delay_s=600, waiting_for=WaitingFor.RATE_LIMIT))
        await harness.until_updated(job_id, waiting_for="rate_limit")
        await harness.run_pending()
        harness.clock.wall_ms -= 24 * 3_600_000
        monkeypatch.setattr(JobJournal, "limit_waits", limit_and_make_commit_fail)
        harness.look_for_jobs()
        await harness.run_pending()
        assert failed
        monkeypatch.undo()
        harness.look_for_jobs()
        await harness.run_pending()
        assert (await harness.get_job(job_id))["run_at"] == "2026-11-22T08:10:00.000Z"
        (schedule,) = (await harness.call("jobs.schedules.list"))["schedules"]
        assert schedule["next_run_at"] == "2026-11-22T08:15:00.000Z"
