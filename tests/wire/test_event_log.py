"""The event log, and the events that are left when old ones are deleted."""

from tests.in_process_app import InProcessApp


async def test_pruning_leaves_no_gap_where_the_clock_was_set_back(app: InProcessApp) -> None:
    """A client that resumes within a gap would miss events without a resync."""
    day_ms = 24 * 3600 * 1000
    app.clock.wall_ms += 30 * day_ms
    await app.call("jobs.create", {"type": "test.echo"})
    app.clock.wall_ms -= 30 * day_ms
    await app.call("jobs.create", {"type": "test.echo"})
    app.outbox.log.prune(app.clock.now_ms() + 8 * day_ms, 100)
    await app.call("jobs.create", {"type": "test.echo"})
    left = [seq for seq, *_ in app.outbox.log.after(0, 1_000)]
    assert left == list(range(left[0], app.outbox.log.window()[1] + 1))
