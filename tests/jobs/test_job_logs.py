"""Limits of a job's log, and texts in it that cannot be stored as they are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sidecar.job_handler import JobFailed
from sidecar.jobs.running import LOG_FULL, MAX_LOG_BYTES, MAX_LOG_LINES
from tests.jobs.harness import JobsHarness, RepeatableJob


async def log_in_every_attempt(harness: JobsHarness, write: Callable[[Any], None]) -> list[Any]:
    """Returns the log of a job that calls `write` in each of its three attempts, and again after `jobs.retry`."""
    job_id = await harness.create_job("a", RepeatableJob)
    async with harness.working():
        for _ in range(2):
            for _ in range(3):
                run = await harness.handler.next_run("a")
                write(run.context)
                run.fail(JobFailed("Too much.", kind="busy", retryable=True))
                await harness.run_pending()
                await harness.pass_time(10)
            if (await harness.get_job(job_id))["attempt"] == 3:
                await harness.call("jobs.retry", {"job_id": job_id})
    return harness.database.rows("SELECT level, message, meta_json FROM job_events WHERE job_id = ?", (job_id,))


async def test_a_jobs_log_is_limited_in_lines_over_all_attempts(harness: JobsHarness) -> None:
    def write(context: Any) -> None:
        for number in range(MAX_LOG_LINES + 10):
            context.log(str(number))

    rows = await log_in_every_attempt(harness, write)
    assert MAX_LOG_LINES <= len(rows) <= MAX_LOG_LINES + 30
    assert [row for row in rows if row[1] == LOG_FULL] == [("warning", LOG_FULL, '{"truncated":true}')]
    assert [message for _, message, _ in rows[:2]] == ["Started", "0"]


async def test_a_jobs_log_is_limited_in_bytes_over_all_attempts(harness: JobsHarness) -> None:
    def write(context: Any) -> None:
        for _ in range(20):
            context.log("page", meta={"page": "x" * 60_000})

    rows = await log_in_every_attempt(harness, write)
    size = sum(len(message) + len(meta or "") for _, message, meta in rows)
    assert MAX_LOG_BYTES - 70_000 < size < MAX_LOG_BYTES + 10_000
    assert [row for row in rows if row[1] == LOG_FULL] == [("warning", LOG_FULL, '{"truncated":true}')]


async def test_a_truncated_line_counts_with_its_stored_size(harness: JobsHarness) -> None:
    job_id = await harness.create_job("a")
    async with harness.working():
        run = await harness.handler.next_run("a")
        run.context.log("x" * 2 * MAX_LOG_BYTES)
        run.context.log("page", meta={"page": "x" * 2 * MAX_LOG_BYTES})
        run.context.log("last")
        lines = (await harness.jobs.list_log(job_id=job_id)).lines
    assert [(line.message, line.meta) for line in lines[1:]] == [
        ("x" * 2_000, None),
        ("page", {"truncated": True}),
        ("last", None),
    ]


async def test_unencodable_messages_and_meta_do_not_fail_the_job(harness: JobsHarness) -> None:
    cycle: dict[str, object] = {}
    cycle["itself"] = cycle
    job_id = await harness.create_job("a")
    async with harness.working():
        run = await harness.handler.next_run("a")
        run.context.log("half a character: \ud83d")
        run.context.log("whole: \ud83d\ude00")
        run.context.log("cycle", meta=cycle)
        run.context.log("odd", meta={"object": Path("/x"), "number": float("nan")})
        run.context.log("half", meta={"sign": "\ud83d"})
        run.context.progress(float("nan"), "half a character: \ud83d")
        await harness.until(lambda harness: harness.named("jobs.progress"))
        run.succeed()
        await harness.until_updated(job_id, status="succeeded")
    lines = (await harness.jobs.list_log(job_id=job_id)).lines
    assert [(line.message, line.meta) for line in lines[1:-1]] == [
        ("half a character: \ufffd", None),
        ("whole: \U0001f600", None),
        ("cycle", {"itself": "..."}),
        ("odd", {"object": "/x", "number": None}),
        ("half", {"unreadable": True}),
    ]
    progress = {"job_id": job_id, "progress": None, "message": "half a character: \ufffd"}
    assert harness.named("jobs.progress") == [progress]
