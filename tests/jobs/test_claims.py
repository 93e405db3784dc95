"""A job starts only once its claim is committed."""

import anyio
import pytest

from sidecar.jobs.journal import JobJournal
from sidecar.jobs.store import ClaimedJob
from tests.jobs.harness import JobsHarness


async def test_a_job_does_not_start_if_its_claim_cannot_be_committed(
    harness: JobsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    # COMMIT checks a deferred foreign key, so that it fails here as it would on a full disk.
    with harness.database.write():
        harness.database.execute("CREATE TABLE parents (id INTEGER PRIMARY KEY)")
        harness.database.execute(
            "CREATE TABLE children (parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED)"
        )
    await harness.runtime.committed()
    claim = JobJournal.claim
    claimed: list[str] = []

    def claim_and_make_commit_fail(self: JobJournal, full_types: list[str]) -> ClaimedJob | None:
        found = claim(self, full_types)
        if found is not None:
            claimed.append(found.job_id)
            with harness.database.write():
                harness.database.execute("INSERT INTO children VALUES (1)")
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
