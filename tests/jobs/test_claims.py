"""A job begins only once its claim is on disk: also where the commit itself fails."""

import anyio
import pytest

from sidecar.jobs.journal import JobJournal
from sidecar.jobs.records import ClaimedJob
from tests.jobs.harness import Shop


async def test_a_job_whose_claim_could_not_be_committed_does_not_begin(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A deferred foreign key is looked at by COMMIT, which makes that fail as a full disk does.
    with shop.database.write():
        shop.database.execute("CREATE TABLE parents (id INTEGER PRIMARY KEY)")
        shop.database.execute("CREATE TABLE children (parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED)")
    await shop.runtime.committed()
    claim = JobJournal.claim
    claimed: list[str] = []

    def claim_and_spoil(self: JobJournal, full_types: list[str]) -> ClaimedJob | None:
        found = claim(self, full_types)
        if found is not None:
            claimed.append(found.job_id)
            with shop.database.write():
                shop.database.execute("INSERT INTO children VALUES (1)")
        return found

    monkeypatch.setattr(JobJournal, "claim", claim_and_spoil)
    job_id = await shop.make("a")
    async with shop.working():
        with anyio.fail_after(60):
            while not claimed:
                await shop.tick()
        await shop.settle()
        assert (claimed, shop.hands.order) == ([job_id], [])
        job = await shop.call("jobs.get", {"job_id": job_id})
        assert (job["status"], job["attempt"]) == ("queued", 0)
        worker = shop.job_queue.worker
        assert worker is not None
        assert "FOREIGN KEY" in (worker.claim_error or "")

        monkeypatch.undo()
        shop.look_for_jobs()
        (await shop.hands.next("a")).succeed()
        await shop.seen(job_id, status="succeeded")
    assert [one["job"]["status"] for one in shop.named("jobs.updated")].count("running") == 1
