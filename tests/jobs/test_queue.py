"""The queue from the client's side, with the real connection, database and worker."""

import contextlib
import json
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from pydantic import BaseModel
from sidecar_protocol.entities import Job
from sidecar_protocol.jobs import JobLogLine, Jobs

from sidecar.commandline.client import RemoteError
from sidecar.jobs import service
from tests.conftest import StartSidecar
from tests.in_process_app import InProcessApp, ManualClock

AT = "2026-11-23T08:00:00.000Z"
LATER = "2026-11-23T08:01:00.000Z"


def check_encoding(model: type[BaseModel], value: dict[str, Any]) -> None:
    """Checks that the JSON from SQLite equals that of the model: the same fields with the same types."""
    parsed = model.model_validate(value)
    assert set(value) == set(model.model_fields)
    assert json.loads(parsed.model_dump_json()) == value


async def create(app: InProcessApp, job_type: str = "test.echo", **params: Any) -> str:
    """Returns the id of a new job."""
    created = await app.call("jobs.create", {"type": job_type, **params})
    job_id: str = created["job"]["job_id"]
    return job_id


async def log_messages(app: InProcessApp, job_id: str) -> list[str]:
    """Returns the messages of a job's log."""
    page = await app.remote(Jobs).list_log(job_id=job_id)
    return [line.message for line in page.lines]


async def test_a_created_job_is_returned_and_listed_with_its_params(app: InProcessApp) -> None:
    created = await app.call(
        "jobs.create",
        {"type": "test.echo", "payload": {"text": "é\u2028"}, "priority": -5, "run_at": "2026-11-23T09:01:00+01:00"},
    )
    job_id = created["job"]["job_id"]
    assert created == {
        "job": {
            "job_id": job_id,
            "type": "test.echo",
            "status": "queued",
            "created_at": AT,
            "updated_at": AT,
            "started_at": None,
            "finished_at": None,
            "run_at": LATER,
            "priority": -5,
            "attempt": 0,
            "max_attempts": 1,
            "recoveries": 0,
            "waiting_for": None,
            "schedule_id": None,
            "progress": 0.0,
            "message": None,
            "cancel_requested": False,
            "payload": {"text": "é\u2028"},
            "result": None,
            "error": None,
            "version": 1,
        },
        "deduplicated": False,
    }
    assert await app.call("jobs.get", {"job_id": job_id}) == created["job"]
    assert await app.call("jobs.list") == {"jobs": [created["job"]], "next_cursor": None}
    check_encoding(Job, created["job"])


@pytest.mark.parametrize(
    ("params", "paths"),
    [
        ({"type": "test.flood", "payload": {}}, ["payload.steps"]),
        ({"type": "test.flood", "payload": {"steps": "many"}}, ["payload.steps"]),
        ({"type": "test.echo", "payload": {"text": "x", "colour": 1}}, ["payload.colour"]),
        ({"type": "test.fail", "payload": {"how": "well"}}, ["payload.how"]),
        ({"type": "test.echo", "payload": [1]}, ["payload"]),
        ({"type": "test.echo", "priority": 101}, ["priority"]),
        ({"type": "test.echo", "priority": 1.5}, ["priority"]),
        ({"type": "test.echo", "run_at": "tomorrow"}, ["run_at"]),
        ({"type": "test.echo", "run_at": "2026-11-23T08:00:00"}, ["run_at"]),
        ({"type": "test.echo", "idempotency_key": ""}, ["idempotency_key"]),
        ({"type": ""}, ["type"]),
        ({}, ["type"]),
    ],
)
async def test_invalid_params_are_refused_with_their_paths(
    app: InProcessApp, params: dict[str, Any], paths: list[str]
) -> None:
    with pytest.raises(RemoteError) as refused:
        await app.call("jobs.create", params)
    assert (refused.value.code, refused.value.kind) == (-32602, "invalid_params")
    assert [detail["path"] for detail in refused.value.data["details"]] == paths
    assert await app.call("jobs.list") == {"jobs": [], "next_cursor": None}


async def test_an_unknown_type_is_refused_with_a_list_of_the_known_ones(app: InProcessApp) -> None:
    with pytest.raises(RemoteError) as refused:
        await create(app, "test.nonsense")
    assert (refused.value.code, refused.value.kind) == (4042, "unknown_job_type")
    assert "test.echo, test.fail, test.flood" in refused.value.data["hint"]


async def test_a_too_large_payload_is_refused_and_creates_no_job(app: InProcessApp) -> None:
    with pytest.raises(RemoteError) as caught:
        await create(app, payload={"text": "\u0001" * 600_000})  # six bytes each in JSON
    assert (caught.value.code, caught.value.kind) == (4132, "payload_too_large")
    assert (await app.call("jobs.list"))["jobs"] == []


@pytest.mark.parametrize("method", ["jobs.get", "jobs.cancel", "jobs.log.list"])
async def test_a_job_that_does_not_exist_is_not_found(app: InProcessApp, method: str) -> None:
    with pytest.raises(RemoteError) as refused:
        await app.call(method, {"job_id": "unknown"})
    assert (refused.value.code, refused.value.kind) == (4041, "job_not_found")


async def test_the_same_idempotency_key_creates_one_job(app: InProcessApp) -> None:
    jobs = app.remote(Jobs)
    first = await jobs.create(type="test.echo", payload={"text": "first"}, idempotency_key="k")
    second = await jobs.create(type="test.echo", payload={"text": "first"}, priority=3, idempotency_key="k")
    other = await jobs.create(type="test.echo", idempotency_key="K")
    assert (first.deduplicated, second.deduplicated, other.deduplicated) == (False, True, False)
    assert second.job == first.job
    assert other.job.job_id != first.job.job_id
    assert await log_messages(app, first.job.job_id) == []
    async with app.working():
        await app.until(lambda app: len(app.named("jobs.updated")) >= 4)
    again = await jobs.create(type="test.echo", payload={"text": "first"}, idempotency_key="k")
    assert (again.deduplicated, again.job.status) == (True, "succeeded")


@pytest.mark.parametrize(
    ("job_type", "payload"),
    [("test.echo", {"text": "second"}), ("test.echo", {}), ("test.fail", {}), ("test.hang", None)],
)
async def test_an_idempotency_key_of_another_job_is_refused(
    app: InProcessApp, job_type: str, payload: dict[str, Any] | None
) -> None:
    jobs = app.remote(Jobs)
    await jobs.create(type="test.echo", payload={"text": "first"}, idempotency_key="k")
    with pytest.raises(RemoteError) as refused:
        await jobs.create(type=job_type, payload=payload, idempotency_key="k")
    assert (refused.value.code, refused.value.kind) == (4098, "idempotency_key_reused")
    assert len((await jobs.list()).jobs) == 1


async def test_the_same_idempotency_key_in_one_burst_creates_one_job(app: InProcessApp) -> None:
    call = ("jobs.create", {"type": "test.echo", "idempotency_key": "k"})
    created = [answer.result for answer in await app.burst(call, call, call)]
    assert [one["deduplicated"] for one in created] == [False, True, True]
    assert len({one["job"]["job_id"] for one in created}) == 1


async def test_jobs_run_by_priority_and_then_by_age(app: InProcessApp) -> None:
    names = {}
    for name, priority in (("a", 0), ("b", -1), ("c", 5), ("d", 0), ("e", 5)):
        names[await create(app, priority=priority)] = name
        app.clock.advance(0.001)
    async with app.working():
        await app.until(lambda app: len(app.named("jobs.updated")) == 15)
    started = [one["job"] for one in app.named("jobs.updated") if one["job"]["status"] == "running"]
    assert [names[job["job_id"]] for job in started] == ["c", "e", "a", "d", "b"]


async def test_a_job_does_not_start_before_its_run_at(app: InProcessApp) -> None:
    job_id = await create(app, run_at=LATER)
    async with app.working():
        await app.until_job(await create(app), "succeeded")
        assert (await app.call("jobs.get", {"job_id": job_id}))["status"] == "queued"
        app.clock.advance(60)
        app.look_for_jobs()
        done = await app.until_job(job_id, "succeeded")
    assert done["started_at"] == LATER


async def test_a_job_with_a_past_run_at_runs_in_the_real_process(sidecar: StartSidecar) -> None:
    async with sidecar() as client:
        await client.initialize("tests")
        created = await client.remote(Jobs).create(type="maintenance.backup", run_at="2026-01-01T00:00:00.000Z")
        updated = await client.until("jobs.updated")
        while updated["job"]["status"] != "succeeded":
            updated = await client.until("jobs.updated")
        assert updated["job"]["job_id"] == created.job.job_id
        assert updated["job"]["result"]["size_bytes"] > 0


async def test_a_job_that_is_due_before_the_workers_next_look_starts_on_time(sidecar: StartSidecar) -> None:
    async with sidecar() as client:
        await client.initialize("tests")
        jobs = client.remote(Jobs)
        await jobs.create(type="maintenance.backup", run_at="2999-01-01T00:00:00.000Z")
        await jobs.create(type="maintenance.backup", run_at="2999-01-02T00:00:00.000Z")  # does not wake the worker
        soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat(timespec="milliseconds")
        created = await jobs.create(type="maintenance.backup", run_at=soon)
        with anyio.fail_after(30):  # left to itself, the worker would look in a minute
            while (job := (await client.until("jobs.updated"))["job"])["status"] != "succeeded":
                pass
        assert job["job_id"] == created.job.job_id


async def test_a_job_that_is_due_soon_starts_on_time_though_the_clock_was_set_forward(app: InProcessApp) -> None:
    await create(app, run_at="2999-01-01T00:00:00.000Z")
    async with app.working():
        await app.run_pending()
        app.clock.advance(24 * 3600)  # the worker's timer did not run meanwhile
        job_id = await create(app, run_at="2026-11-24T08:00:01.000Z")
        await app.run_pending()
        app.clock.advance(1)
        await app.until_job(job_id, "succeeded")


async def test_a_queued_job_is_cancelled_at_once(app: InProcessApp) -> None:
    job_id = await create(app)
    app.clock.advance(1)
    cancelled = await app.call("jobs.cancel", {"job_id": job_id})
    assert cancelled["status"] == "cancelled"
    assert cancelled["cancel_requested"] is True
    assert cancelled["finished_at"] == "2026-11-23T08:00:01.000Z"
    assert await app.call("jobs.cancel", {"job_id": job_id}) == cancelled  # a second cancel changes nothing
    assert [one["job"]["status"] for one in app.named("jobs.updated")] == ["queued", "cancelled"]
    async with app.working():
        await app.until_job(await create(app), "succeeded")
    assert (await app.call("jobs.get", {"job_id": job_id})) == cancelled
    assert await log_messages(app, job_id) == ["Cancel requested"]


async def test_a_running_job_is_cancelled_at_its_next_checkpoint(app: InProcessApp) -> None:
    async with app.working():
        job_id = await create(app, "test.hang")
        await app.until(lambda app: "hanging" in [one["line"]["message"] for one in app.named("jobs.log_added")])
        requested = await app.call("jobs.cancel", {"job_id": job_id})
        assert (requested["status"], requested["cancel_requested"]) == ("running", True)
        ended = await app.until_job(job_id, "cancelled")
        assert (ended["error"], ended["result"], ended["cancel_requested"]) == (None, None, True)
    assert await log_messages(app, job_id) == ["Started", "hanging", "Cancel requested", "Cancelled"]


async def test_cancelling_a_finished_job_changes_nothing(app: InProcessApp) -> None:
    async with app.working():
        done = await app.until_job(await create(app, payload={"text": "hello"}), "succeeded")
    assert await app.call("jobs.cancel", {"job_id": done["job_id"]}) == done
    assert (done["result"], done["progress"], done["version"]) == ({"text": "hello"}, 1.0, 3)
    assert await log_messages(app, done["job_id"]) == ["Started", "Succeeded"]


async def test_each_snapshot_of_a_job_has_a_higher_version(app: InProcessApp) -> None:
    async with app.working():
        job_id = await create(app, "test.flood", payload={"steps": 3})
        await app.until_job(job_id, "succeeded")
    versions = [one["job"]["version"] for one in app.named("jobs.updated")]
    assert versions == sorted(set(versions))
    for one in app.named("jobs.updated"):
        check_encoding(Job, one["job"])


@pytest.mark.parametrize(
    ("how", "error"),
    [
        (
            "job_failed",
            {
                "kind": "test_failure",
                "message": "It did not work.",
                "hint": "Try something else.",
                "retryable": True,
                "details": {"tries": 3},
            },
        ),
        (
            "large",
            {
                "kind": "result_too_large",
                "message": "The result is larger than 4 MiB.",
                "hint": None,
                "retryable": False,
                "details": None,
            },
        ),
    ],
)
async def test_a_failed_job_has_its_error_and_logs_it(app: InProcessApp, how: str, error: dict[str, Any]) -> None:
    async with app.working():
        failed = await app.until_job(await create(app, "test.fail", payload={"how": how}), "failed")
    assert (failed["error"], failed["message"], failed["result"]) == (error, error["message"], None)
    check_encoding(Job, failed)
    page = await app.call("jobs.log.list", {"job_id": failed["job_id"]})
    assert [(one["level"], one["message"]) for one in page["lines"]][-1] == ("error", f"Failed: {error['message']}")
    for line in page["lines"]:
        check_encoding(JobLogLine, line)


async def test_a_bug_in_a_handler_is_reported_by_an_id_that_the_log_contains(
    app: InProcessApp, caplog: pytest.LogCaptureFixture
) -> None:
    async with app.working():
        failed = await app.until_job(await create(app, "test.fail", payload={"how": "bug"}), "failed")
        assert (await app.until_job(await create(app), "succeeded"))["result"] == {"text": ""}  # the worker still runs
    assert failed["error"]["kind"] == "internal"
    assert "hunter2" not in json.dumps(failed)
    (record,) = [one for one in caplog.records if one.message == "a job's handler failed"]
    assert vars(record)["error_id"] in failed["error"]["hint"]
    assert vars(record)["job_id"] == failed["job_id"]


async def test_stored_jobs_with_an_unknown_type_or_an_invalid_payload_fail(app: InProcessApp) -> None:
    unknown, invalid = await create(app), await create(app)
    with contextlib.closing(sqlite3.connect(app.database.path)) as other, other:
        other.execute("UPDATE jobs SET type = 'test.removed' WHERE job_id = ?", (unknown,))
        other.execute("UPDATE jobs SET payload_json = NULL WHERE job_id = ?", (invalid,))
    async with app.working():
        assert (await app.until_job(unknown, "failed"))["error"]["kind"] == "unknown_job_type"
        assert (await app.until_job(invalid, "failed"))["error"]["kind"] == "payload_invalid"


async def test_a_ninth_job_starts_when_one_of_eight_ends(app: InProcessApp) -> None:
    async with app.working():
        ids = [await create(app, "test.hang") for _ in range(10)]
        await app.until_job(ids[7], "running")
        await app.run_pending()
        assert len((await app.call("jobs.list", {"status": "running"}))["jobs"]) == 8
        await app.call("jobs.cancel", {"job_id": ids[0]})
        await app.until_job(ids[8], "running")


async def test_jobs_of_a_dead_process_end_before_any_job_is_claimed(app: InProcessApp) -> None:
    ids = [await create(app, "test.hang") for _ in range(3)]
    app.database.commit()
    with contextlib.closing(sqlite3.connect(app.database.path)) as other, other:
        other.execute("UPDATE jobs SET status = 'running', boot_id = 'an earlier process'")
        other.execute("UPDATE jobs SET cancel_requested_at = ? WHERE job_id = ?", (AT, ids[1]))
    waiting = await create(app, priority=100)
    async with app.working():
        await app.until_job(waiting, "succeeded")
    updates = [(one["job"]["job_id"], one["job"]["status"]) for one in app.named("jobs.updated")]
    assert updates[4:] == [
        (ids[0], "interrupted"),
        (ids[1], "cancelled"),
        (ids[2], "interrupted"),
        (waiting, "running"),
        (waiting, "succeeded"),
    ]
    assert (await app.call("jobs.get", {"job_id": ids[0]}))["error"]["kind"] == "crash"


async def test_a_stopped_worker_interrupts_its_jobs(app: InProcessApp) -> None:
    async with app.working():
        job_id = await create(app, "test.hang")
        await app.until_job(job_id, "running")
        assert await app.features.stop_work(1.0) == (1, True)
    interrupted = await app.until_job(job_id, "interrupted")
    assert (interrupted["error"]["kind"], interrupted["error"]["retryable"]) == ("shutdown", True)


async def test_the_manual_clock_runs_timers_when_they_are_due() -> None:
    clock = ManualClock()
    fired: list[float] = []
    clock.later(1.0, lambda: fired.append(clock.monotonic()))
    clock.advance(0.5)
    assert fired == []
    clock.advance(0.5)
    assert fired == [1.0]


async def test_a_log_is_paged_in_order_after_the_clock_was_set_back(app: InProcessApp) -> None:
    job_id = await create(app, run_at="2100-01-01T00:00:00Z")
    jobs = app.remote(Jobs)
    await jobs.retry(job_id=(await jobs.cancel(job_id=job_id)).job_id)
    first = await jobs.list_log(job_id=job_id, limit=1)
    app.clock.advance(-3_600)
    await app.call("jobs.cancel", {"job_id": job_id})
    rest = await jobs.list_log(job_id=job_id, cursor=first.next_cursor)
    assert [line.message for line in rest.lines][-1] == "Cancel requested"


async def test_the_queue_takes_no_more_than_its_limit_and_more_once_jobs_have_ended(
    app: InProcessApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_UNFINISHED_JOBS", 3)
    first, _, _ = [await create(app, idempotency_key=key) for key in ("first", "second", "third")]
    with pytest.raises(RemoteError) as full:
        await create(app)
    assert (full.value.kind, full.value.data["retryable"]) == ("queue_full", True)
    assert await create(app, idempotency_key="first") == first, "it exists"
    await app.call("jobs.cancel", {"job_id": first})
    await create(app)
    with pytest.raises(RemoteError):
        await create(app)
