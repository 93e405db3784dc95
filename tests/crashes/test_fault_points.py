"""kill -9 before and after every operation that changes, stores or reports a job."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from tests.crashes.cases import nightly
from tests.crashes.invariants import recover
from tests.crashes.recovering_client import FAR_FUTURE, CrashTolerantClient, RecoveringClient
from tests.crashes.runner import RECOVERY_WAITS
from tests.process.raw_client import wait_until

BURST: Final = ("crash.once", "crash.repeatable", "crash.flaky")
PASSINGS: Final = [pytest.param((1,), id="first"), nightly((1, 2, 3), id="three")]
"""The passings of a point at which a sidecar dies, one sidecar after the other on the same database."""

POINTS: Final = {
    "journal": ("journal.enqueue", "journal.claim", "journal.finish", "journal.retry_later", "journal.request_cancel"),
    "worker": ("worker.execute", "worker.run_handler", "worker.store_outcome_durably"),
    "commit": ("unit_of_work.commit", "unit_of_work.committed", "database.begin", "database.commit"),
    "wire": ("responses.on_commit", "outbox.notify", "outbox.on_commit", "event_log.append", "writer.flush"),
}
"""The operations by layer."""
SIDES: Final = ("before", "after")


def run_until_killed(client: RecoveringClient, *arguments: str) -> None:
    """Runs a sidecar with jobs of each kind until it is killed."""
    with client.sidecar(*arguments):
        client.repeat_creates()
        later = client.create("crash.once", "crash.repeatable", run_at=FAR_FUTURE)
        client.create(*BURST, *BURST, *BURST)
        (waiting,) = client.create("crash.waiting")
        if client.read_until(lambda: all(key in client.job_ids for key in later)):
            for key in later:
                client.cancel(key)
        if client.read_until(lambda: client.status(waiting) == "running"):
            client.cancel(waiting)
        client.expect_killed()


@pytest.mark.parametrize(
    ("points", "passings"),
    [
        *(pytest.param(points, (1,), id=layer) for layer, points in POINTS.items()),
        *(nightly((point,), (1, 2, 3), id=point) for points in POINTS.values() for point in points),
    ],
)
def test_a_kill_before_or_after_an_operation_loses_repeats_and_invents_nothing(
    client: RecoveringClient, points: tuple[str, ...], passings: tuple[int, ...]
) -> None:
    for point in points:
        for side in SIDES:
            for nth in passings:
                run_until_killed(client, "--point", f"{point}:{side}", "--nth", str(nth))
    recover(client)


@pytest.mark.parametrize("passings", PASSINGS)
@pytest.mark.parametrize("point", ["handler:start", "handler:middle", "handler:end", "writer.torn"])
def test_a_kill_inside_a_handler_or_a_line_loses_repeats_and_invents_nothing(
    client: RecoveringClient, point: str, passings: tuple[int, ...]
) -> None:
    for nth in passings:
        run_until_killed(client, "--point", point, "--nth", str(nth))
    recover(client)


@pytest.mark.parametrize("first", [1, *(nightly(first) for first in range(7, 30, 6))])
def test_a_kill_between_any_two_steps_of_the_loop_loses_repeats_and_invents_nothing(
    client: RecoveringClient, first: int
) -> None:
    """The loop steps at every `await` that waits, about 160 times in one run of the sidecar."""
    for nth in range(first, 151, 35):
        run_until_killed(client, "--point", "loop.step", "--nth", str(nth))
    recover(client)


def leave_orphans(client: RecoveringClient) -> None:
    """Runs a sidecar that dies in the middle of jobs of each kind."""
    with client.sidecar("--point", "handler:middle"):
        client.create(*BURST, *BURST, "crash.repeatable")
        client.expect_killed()


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(
    ("point", "passings"),
    [
        ("journal.requeue_after_crash", (1,)),
        ("database.commit", (1,)),
        nightly("worker.recover", (1,)),
        nightly("unit_of_work.committed", (1,)),
        nightly("journal.requeue_after_crash", (1, 2, 3)),
        nightly("journal.finish", (1, 2, 3)),
        nightly("outbox.notify", (1,)),
    ],
)
def test_a_kill_during_the_recovery_from_a_crash_does_not_count(
    client: RecoveringClient, point: str, passings: tuple[int, ...], side: str
) -> None:
    for nth in passings:
        leave_orphans(client)
        with client.sidecar("--boot", "--point", f"{point}:{side}", "--nth", str(nth)):
            client.expect_killed()
    recover(client)


@contextmanager
def slow_recovery(client: RecoveringClient) -> Iterator[CrashTolerantClient]:
    """Yields a sidecar whose recovery from a crash waits for a cancel; then cancels a job that the crash left running.

    It asserts that the job ends as cancelled and the sidecar with 0, and that another sidecar recovers.
    """
    with client.sidecar() as raw:
        raw.call("claude.sessions.create", title="So that the recovery looks for processes of Claude")
        assert client.quit() == 0
    leave_orphans(client)
    with client.sidecar("--condition", "slow_recovery") as raw:
        wait_until(lambda: RECOVERY_WAITS in raw.errors.read_text("utf-8"))
        running = [key for key in client.job_ids if client.status(key) == "running"]
        assert len(running) == 7
        yield raw
        client.cancel(running[0])
        assert client.read_until(client.all_final), "the sidecar ended"
        assert client.status(running[0]) == "cancelled"
        assert client.quit() == 0
    recover(client)


def test_a_cancel_during_the_recovery_from_a_crash_wins(client: RecoveringClient) -> None:
    with slow_recovery(client):
        pass  # what it asserts in the end is the test


def test_a_request_during_the_recovery_from_a_crash_can_need_what_was_not_in_use_yet(client: RecoveringClient) -> None:
    with slow_recovery(client) as raw:
        assert raw.call("calendar.accounts.list") == {"accounts": []}


def test_a_job_that_dies_with_each_process_is_recovered_three_times_and_then_fails(client: RecoveringClient) -> None:
    with client.sidecar("--point", "handler:start"):
        client.create("crash.repeatable")
        client.expect_killed()
    for _ in range(3):
        with client.sidecar("--boot", "--point", "handler:start"):
            client.expect_killed()
    recover(client)
    (job,) = client.jobs.values()
    assert (job["status"], job["error"]["kind"], job["recoveries"]) == ("failed", "recovery_limit", 3)
    assert client.step_log.read_text() == f"{job['job_id']} 1 start\n" * 4


@pytest.mark.parametrize("passings", PASSINGS)
@pytest.mark.parametrize("side", SIDES)
def test_a_kill_while_a_job_is_snoozed_loses_nothing(
    client: RecoveringClient, side: str, passings: tuple[int, ...]
) -> None:
    for nth in passings:
        with client.sidecar("--point", f"journal.snooze:{side}", "--nth", str(nth)):
            client.create(*["crash.snoozing"] * 3, *BURST)
            client.expect_killed()
    recover(client)


@pytest.mark.parametrize(
    ("point", "passings"),
    [
        ("journal.requeue_after_shutdown:after", (1,)),
        ("journal.finish:after", (1,)),
        ("app.end:before", (1,)),
        nightly("journal.requeue_after_shutdown:before", (1, 2, 3)),
        nightly("journal.requeue_after_shutdown:after", (1, 2, 3)),
        nightly("journal.finish:before", (1,)),
        nightly("app.end:after", (1,)),
    ],
)
def test_a_kill_during_the_shutdown_loses_nothing(
    client: RecoveringClient, point: str, passings: tuple[int, ...]
) -> None:
    for nth in passings:
        with client.sidecar("--point", point, "--nth", str(nth)) as raw:
            waiting = client.create("crash.waiting", "crash.holding", "crash.waiting", "crash.holding")
            for key in waiting:
                assert client.read_until(lambda: client.status(key) == "running")  # noqa: B023 - called before the next
            raw.close_stdin()
            client.expect_killed()
    recover(client)
