"""kill -9 before and after everything that moves a job, at each of its first passings."""

from typing import Final

import pytest

from tests.crashes.acknowledged import FAR, Witness
from tests.crashes.invariants import recover

BURST: Final = ("crash.once", "crash.again", "crash.flaky")
PASSINGS: Final = (1, 2, 3)

POINTS: Final = [
    *("journal.queue", "journal.claim", "journal.finish", "journal.retry_later", "journal.request_cancel"),
    *("worker.execute", "worker.verdict", "worker.settle", "app.committed", "database.begin", "database.commit"),
    *(
        "unit_of_work.commit",
        "dispatcher.on_commit",
        "outbox.notify",
        "outbox.on_commit",
        "event_log.append",
        "writer.flush",
    ),
]


def live(witness: Witness, *arguments: str) -> None:
    """A life that does some of everything until it is killed."""
    with witness.life(*arguments):
        witness.ask_again()
        later = witness.create("crash.once", "crash.again", run_at=FAR)
        witness.create(*BURST, *BURST, *BURST)
        (waiting,) = witness.create("crash.waiting")
        if witness.until(lambda: all(key in witness.acknowledged for key in later)):
            for key in later:
                witness.cancel(key)
        if witness.until(lambda: witness.status(waiting) == "running"):
            witness.cancel(waiting)
        witness.until_killed()


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_before_or_after_this_loses_repeats_and_invents_nothing(witness: Witness, point: str) -> None:
    for side in ("before", "after"):
        for nth in PASSINGS:
            live(witness, "--point", f"{point}:{side}", "--nth", str(nth))
    recover(witness)


@pytest.mark.parametrize("point", ["handler:start", "handler:middle", "handler:end", "writer.torn"])
def test_a_kill_inside_a_handler_or_a_line_does_neither(witness: Witness, point: str) -> None:
    for nth in PASSINGS:
        live(witness, "--point", point, "--nth", str(nth))
    recover(witness)


@pytest.mark.parametrize("first", range(1, 30, 6))
def test_a_kill_between_any_two_steps_of_the_loop_does_neither(witness: Witness, first: int) -> None:
    """The loop steps at every `await` that waits; a life as above has about 160 of them."""
    for nth in range(first, 151, 35):
        live(witness, "--point", "loop.step", "--nth", str(nth))
    recover(witness)


def leave_orphans(witness: Witness) -> None:
    """A life that ends in the middle of jobs of each kind."""
    with witness.life("--point", "handler:middle"):
        witness.create(*BURST, *BURST, "crash.again")
        witness.until_killed()


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize(
    ("name", "passings"),
    [
        ("worker.recover", (1,)),
        ("app.committed", (1,)),
        ("journal.recover", PASSINGS),
        ("journal.finish", PASSINGS),
        ("database.commit", (1,)),
        ("outbox.notify", (1,)),
    ],
)
def test_a_kill_while_a_crash_is_being_recovered_from_counts_for_nothing(
    witness: Witness, name: str, passings: tuple[int, ...], side: str
) -> None:
    for nth in passings:
        leave_orphans(witness)
        with witness.life("--boot", "--point", f"{name}:{side}", "--nth", str(nth)):
            witness.until_killed()
    recover(witness)


def test_a_cancel_that_comes_while_a_crash_is_being_recovered_from_wins(witness: Witness) -> None:
    leave_orphans(witness)
    with witness.life("--oddity", "patient"):
        running = [key for key in witness.acknowledged if witness.status(key) == "running"]
        assert len(running) == 7
        for key in running:
            witness.cancel(key)
        assert witness.until(witness.all_final), "the sidecar ended"
        assert {witness.status(key) for key in running} == {"cancelled"}
        assert witness.quit() == 0
    recover(witness)


def test_a_job_that_dies_with_the_process_each_time_is_recovered_three_times_and_then_fails(witness: Witness) -> None:
    with witness.life("--point", "handler:start"):
        witness.create("crash.again")
        witness.until_killed()
    for _ in range(3):
        with witness.life("--boot", "--point", "handler:start"):
            witness.until_killed()
    recover(witness)
    (job,) = witness.jobs.values()
    assert (job["status"], job["error"]["kind"], job["recoveries"]) == ("failed", "recovery_limit", 3)
    assert witness.ledger.read_text() == f"{job['job_id']} 1 start\n" * 4


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_kill_while_a_job_is_put_off_loses_nothing(witness: Witness, side: str) -> None:
    for nth in PASSINGS:
        with witness.life("--point", f"journal.snooze:{side}", "--nth", str(nth)):
            witness.create(*["crash.snoozing"] * 3, *BURST)
            witness.until_killed()
    recover(witness)


@pytest.mark.parametrize(
    ("point", "passings"),
    [
        ("journal.put_back:before", PASSINGS),
        ("journal.put_back:after", PASSINGS),
        ("journal.finish:before", (1,)),
        ("journal.finish:after", (1,)),
        ("app.end:before", (1,)),
        ("app.end:after", (1,)),
    ],
)
def test_a_kill_during_the_shutdown_loses_nothing(witness: Witness, point: str, passings: tuple[int, ...]) -> None:
    for nth in passings:
        with witness.life("--point", point, "--nth", str(nth)) as wire:
            waiting = witness.create("crash.waiting", "crash.holding", "crash.waiting", "crash.holding")
            for key in waiting:
                assert witness.until(lambda: witness.status(key) == "running")  # noqa: B023 - called before the next
            wire.close_stdin()
            witness.until_killed()
    recover(witness)
