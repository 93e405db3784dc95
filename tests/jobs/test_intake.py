"""Jobs that a feature checks before `jobs.create` answers, and those that nothing checks."""

from pathlib import Path

import pytest

from sidecar.commandline.client import RemoteError
from tests.in_process_app import InProcessApp


async def test_a_job_that_is_not_checked_is_created_before_the_next_request_is_served(app: InProcessApp) -> None:
    _, listed = await app.burst(("jobs.create", {"type": "test.echo"}), ("jobs.list", {}))
    assert [job["type"] for job in listed.result["jobs"]] == ["test.echo"]


async def test_jobs_that_are_checked_are_created_in_the_order_of_their_requests(
    app: InProcessApp, tmp_path: Path
) -> None:
    payloads = [{"prompt": f"{number}", "cwd": str(tmp_path)} for number in range(5)]
    answers = await app.burst(*(("jobs.create", {"type": "claude.run", "payload": one}) for one in payloads))
    job_ids = [answer.result["job"]["job_id"] for answer in answers]
    jobs = (await app.call("jobs.list"))["jobs"]
    assert [job["job_id"] for job in reversed(jobs)] == job_ids


async def test_a_job_that_exists_is_returned_for_its_key_although_it_could_not_run_now(
    app: InProcessApp, tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    payload = {"prompt": "hello", "cwd": str(folder)}
    params = {"type": "claude.run", "payload": payload, "idempotency_key": "k"}
    created = await app.call("jobs.create", params)
    folder.rmdir()
    assert await app.call("jobs.create", params) == created | {"deduplicated": True}
    with pytest.raises(RemoteError) as refused:
        await app.call("jobs.create", params | {"idempotency_key": "another"})
    [detail] = refused.value.data["details"]
    assert (refused.value.kind, detail["path"]) == ("invalid_params", "payload.cwd")
    assert [job["status"] for job in (await app.call("jobs.list"))["jobs"]] == ["queued"]
