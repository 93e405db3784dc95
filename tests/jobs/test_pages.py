"""`jobs.list` and `jobs.log.list`: pages, filters and cursors."""

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from sidecar_protocol.jobs import Jobs

from sidecar.commandline.client import RemoteError
from sidecar.storage.database import PAGE_BYTES
from tests.in_process_app import InProcessApp

STATUSES = ("queued", "running", "succeeded", "failed", "cancelled", "interrupted")


def fill(app: InProcessApp, number: int) -> list[str]:
    """Creates jobs of all statuses and two types, three per millisecond; returns their ids, newest first."""
    rows = []
    with app.database.write():
        for index in range(number):
            job_id = f"job-{index:05d}"
            at = f"2026-11-23T08:00:00.{index // 3:03d}Z"
            app.database.execute(
                "INSERT INTO jobs (job_id, type, status, created_at, updated_at) VALUES (?, ?, ?, ?, ?)",
                (job_id, "test.echo" if index % 2 else "test.fail", STATUSES[index % 6], at, at),
            )
            rows.append((at, job_id))
    app.database.commit()
    return [job_id for _, job_id in sorted(rows, reverse=True)]


async def all_pages(app: InProcessApp, method: str, field: str, **params: Any) -> list[list[dict[str, Any]]]:
    """Returns all pages, following the cursors."""
    pages = []
    while True:
        page = await app.call(method, params)
        pages.append(page[field])
        if page["next_cursor"] is None:
            return pages
        params["cursor"] = page["next_cursor"]


@pytest.mark.parametrize("limit", [1, 7, 50, 99, 100, 101])
async def test_pages_show_every_job_once_newest_first(app: InProcessApp, limit: int) -> None:
    ids = fill(app, 100)
    pages = await all_pages(app, "jobs.list", "jobs", limit=limit)
    assert [job["job_id"] for page in pages for job in page] == ids
    assert {len(page) for page in pages[:-1]} <= {limit}
    assert pages[-1]


async def test_an_empty_or_exactly_full_page_has_no_next_cursor(app: InProcessApp) -> None:
    assert await app.call("jobs.list") == {"jobs": [], "next_cursor": None}
    fill(app, 50)
    page = await app.call("jobs.list", {"limit": 50})
    assert (len(page["jobs"]), page["next_cursor"]) == (50, None)


@pytest.mark.parametrize("status", [None, *STATUSES])
@pytest.mark.parametrize("job_type", [None, "test.echo", "test.unknown"])
async def test_filters_apply_to_every_page(app: InProcessApp, status: str | None, job_type: str | None) -> None:
    ids = fill(app, 60)
    filters = {name: value for name, value in (("status", status), ("type", job_type)) if value is not None}
    pages = await all_pages(app, "jobs.list", "jobs", limit=4, **filters)
    found = [job for page in pages for job in page]
    assert all(job[name] == value for job in found for name, value in filters.items())
    everything = [job for page in await all_pages(app, "jobs.list", "jobs") for job in page]
    assert [job["job_id"] for job in everything] == ids
    assert found == [job for job in everything if all(job[name] == value for name, value in filters.items())]


async def test_the_newest_job_is_the_one_that_was_created_last_even_if_the_clock_was_set_back(
    app: InProcessApp,
) -> None:
    ids = []
    for back_ms in (0, 1, 3_600_000):
        app.clock.wall_ms -= back_ms
        ids.append((await app.call("jobs.create", {"type": "test.echo"}))["job"]["job_id"])
    pages = await all_pages(app, "jobs.list", "jobs", limit=1)
    assert [job["job_id"] for page in pages for job in page] == ids[::-1]


async def test_jobs_created_between_two_pages_do_not_change_the_second(app: InProcessApp) -> None:
    ids = fill(app, 20)
    first = await app.call("jobs.list", {"limit": 10})
    for _ in range(5):
        await app.call("jobs.create", {"type": "test.echo"})
    second = await app.call("jobs.list", {"limit": 10, "cursor": first["next_cursor"]})
    assert [job["job_id"] for job in [*first["jobs"], *second["jobs"]]] == ids


async def test_a_page_of_large_jobs_ends_early(app: InProcessApp) -> None:
    fill(app, 6)
    with app.database.write():
        app.database.execute("UPDATE jobs SET result_json = ?", (json.dumps("x" * (PAGE_BYTES // 2)),))
    app.database.commit()
    pages = await all_pages(app, "jobs.list", "jobs")
    assert [len(page) for page in pages] == [1, 1, 1, 1, 1, 1]


def cursor(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "invalid",
    [
        "x",
        "!!!!",
        "é",
        "a" * 1_024,
        cursor(None),
        cursor([]),
        cursor(["2026-11-23T08:00:00.000Z"]),
        cursor([7, "job-1"]),
        cursor([2**63]),
        cursor({"0": 7}),
    ],
)
@pytest.mark.parametrize("method", ["jobs.list"])
async def test_an_invalid_cursor_is_refused(app: InProcessApp, method: str, invalid: str) -> None:
    with pytest.raises(RemoteError) as refused:
        await app.call(method, {"cursor": invalid})
    assert (refused.value.code, refused.value.kind) == (4001, "invalid_cursor")


@pytest.mark.parametrize("limit", [0, -1, 501, 2**53, 1.5, "5", True, None])
async def test_a_limit_is_an_integer_from_1_to_500(app: InProcessApp, limit: object) -> None:
    with pytest.raises(RemoteError) as refused:
        await app.call("jobs.list", {"limit": limit})
    assert [detail["path"] for detail in refused.value.data["details"]] == ["limit"]


async def test_a_jobs_log_is_paged_oldest_first(app: InProcessApp) -> None:
    jobs = app.remote(Jobs)
    created = await jobs.create(type="test.flood", payload={"steps": 20, "logs": True, "size": 5})
    job_id = created.job.job_id
    await jobs.create(type="test.flood", payload={"steps": 3, "logs": True})
    async with app.working():
        await app.until_job(job_id, "succeeded")
    whole = await jobs.list_log(job_id=job_id)
    expected = ["Started", *(f"step {step}" for step in range(1, 21)), "Succeeded"]
    assert ([line.message for line in whole.lines], whole.next_cursor) == (expected, None)
    assert whole.lines[1].meta == {"filler": "xxxxx"}
    first = await jobs.list_log(job_id=job_id, limit=5)
    rest = await jobs.list_log(job_id=job_id, cursor=first.next_cursor)
    assert [*first.lines, *rest.lines] == whole.lines
    assert rest.next_cursor is None


async def test_a_log_refuses_the_cursor_of_another_jobs_log(app: InProcessApp) -> None:
    jobs = app.remote(Jobs)
    one, other = await jobs.create(type="test.echo"), await jobs.create(type="test.echo")
    await jobs.cancel(job_id=other.job.job_id)
    await jobs.retry(job_id=other.job.job_id)
    page = await jobs.list_log(job_id=other.job.job_id, limit=1)
    with pytest.raises(RemoteError) as refused:
        await jobs.list_log(job_id=one.job.job_id, cursor=page.next_cursor)
    assert refused.value.data["kind"] == "invalid_cursor"


async def test_long_messages_and_large_meta_are_truncated(app: InProcessApp) -> None:
    job_id = (await app.call("jobs.create", {"type": "test.echo"}))["job"]["job_id"]
    app.job_queue.journal.log(job_id, "debug", "m" * 3_000, {"small": float("nan"), "path": object})
    app.job_queue.journal.log(job_id, "error", "", {"filler": "x" * 70_000})
    page = await app.call("jobs.log.list", {"job_id": job_id})
    (first, second) = page["lines"]
    assert (len(first["message"]), first["meta"]["small"], second["meta"]) == (2_000, None, {"truncated": True})


async def test_a_page_that_was_read_shows_a_new_job_with_the_rowid_of_a_deleted_one(app: InProcessApp) -> None:
    delayed = {"type": "test.echo", "payload": {"text": "x"}, "run_at": "2027-01-01T00:00:00Z"}
    first = (await app.call("jobs.create", delayed))["job"]["job_id"]
    assert (await app.call("jobs.list"))["jobs"][0]["job_id"] == first
    await app.call("jobs.cancel", {"job_id": first})
    assert app.job_queue.store.prune(("9999", ""), 10) == 1
    second = (await app.call("jobs.create", delayed))["job"]["job_id"]
    assert [job["job_id"] for job in (await app.call("jobs.list"))["jobs"]] == [second]


async def test_a_page_that_was_read_shows_that_the_queue_was_paused_since(app: InProcessApp) -> None:
    await app.call("jobs.create", {"type": "test.echo", "payload": {"text": "x"}})
    assert (await app.call("jobs.list"))["jobs"][0]["waiting_for"] == "capacity"
    await app.call("jobs.queue.pause")
    assert (await app.call("jobs.list"))["jobs"][0]["waiting_for"] == "pause"
