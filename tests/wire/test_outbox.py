"""The outbox: durable notifications are never lost, ephemeral ones are coalesced, a slow client gets `events.lag`."""

from typing import Any

import pytest
from sidecar_protocol.claude.runs import ClaudeDelta
from sidecar_protocol.events import Events
from sidecar_protocol.jobs import JobProgress
from sidecar_protocol.system.lifecycle import ProcessState, SystemState

from sidecar.commandline.client import Received, RemoteError
from sidecar.wire.event_log import LOG_ROWS, PRUNE_EVERY
from sidecar.wire.outbox import COALESCE_BYTES, LAG_BYTES, MAX_COALESCED_CHARS, RESUME_BYTES
from tests.conftest import StartSidecar
from tests.handlers import Echo
from tests.in_process_app import EIGHT_O_CLOCK, InProcessApp

AT = "2026-11-23T08:00:00.000Z"
NEXT_YEAR = EIGHT_O_CLOCK + 365 * 24 * 3600 * 1000


def progress(app: InProcessApp, job_id: str, fraction: float) -> None:
    app.outbox.notify(JobProgress(job_id=job_id, progress=fraction, message=None))


def delta(app: InProcessApp, offset: int, text: str, job_id: str = "j") -> None:
    app.outbox.notify(ClaudeDelta(session_id="s", job_id=job_id, message_id="m", offset=offset, text=text))


async def create(app: InProcessApp, number: int = 1, **payload: Any) -> list[str]:
    """Creates jobs one after another, each with a line in its log; returns their ids."""
    call = ("jobs.create", {"type": "test.echo", "payload": payload})
    job_ids = []
    for _ in range(number):
        job_ids.append((await app.burst(call))[0].result["job"]["job_id"])
        app.job_queue.journal.log(job_ids[-1], "info", "created")
        await app.run_pending()
    return job_ids


def seqs(received: list[Received]) -> list[int]:
    return [one.params["seq"] for one in received if "seq" in one.params]


async def replay(app: InProcessApp, after_seq: int) -> list[Received]:
    """Replays everything after a seq, page by page."""
    found: list[Received] = []
    events = app.remote(Events)
    while True:
        page = await events.replay(after_seq=after_seq, limit=1_000)
        if not page.events:
            return found
        found += [Received(one.method, one.params) for one in page.events]
        after_seq = found[-1].params["seq"]


async def test_a_durable_notification_has_its_seq_its_time_and_the_whole_object(app: InProcessApp) -> None:
    (job_id,) = await create(app, text="x")
    job = await app.call("jobs.get", {"job_id": job_id})
    log = await app.call("jobs.log.list", {"job_id": job_id})
    assert app.received == [
        # Only a read says that a due job waits for a slot: the notification is sent before the worker looks.
        Received("jobs.updated", {"seq": 1, "at": AT, "job": {**job, "waiting_for": None}}),
        Received("jobs.log_added", {"seq": 2, "at": AT, "line": log["lines"][0]}),
    ]


async def test_sent_notifications_are_replayed_unchanged(app: InProcessApp) -> None:
    await create(app, 5)
    assert await replay(app, 0) == app.received
    assert await replay(app, 4) == app.received[4:]
    page = await app.call("events.replay", {"after_seq": 2, "limit": 3})
    assert [one["params"]["seq"] for one in page["events"]] == [3, 4, 5]
    assert (page["latest_seq"], page["truncated"], page["epoch"]) == (10, False, app.outbox.log.epoch())
    beyond = await app.call("events.replay", {"after_seq": 10_000})
    assert (beyond["events"], beyond["truncated"]) == ([], True), "that event was of another database"


async def test_seq_increases_without_gaps_across_restarts_and_the_epoch_stays(app: InProcessApp) -> None:
    await create(app, 3)
    epoch = app.outbox.log.epoch()
    app.close()
    again = InProcessApp(app.database.path)
    opened = await again.initialize()
    assert opened["events"] == {"epoch": epoch, "oldest_seq": 1, "latest_seq": 6, "resume": "ok"}
    await create(again, 2)
    assert seqs(again.received) == [7, 8, 9, 10]
    again.close()
    another = InProcessApp(app.database.path.with_name("another.db"))
    assert (await another.initialize())["events"]["epoch"] != epoch
    another.close()


async def test_seq_increases_even_if_the_whole_log_was_pruned(app: InProcessApp) -> None:
    await create(app, 3)
    app.outbox.log.prune(NEXT_YEAR, 100)
    app.database.commit()
    assert app.outbox.log.window() == (7, 6)
    await create(app)
    assert seqs(app.received)[-2:] == [7, 8]
    page = await app.call("events.replay", {"after_seq": 5})
    assert (page["truncated"], len(page["events"])) == (True, 2)
    assert (await app.call("events.replay", {"after_seq": 6}))["truncated"] is False


async def test_the_log_keeps_ten_thousand_rows_and_a_week(app: InProcessApp) -> None:
    with app.database.write():
        for _ in range(LOG_ROWS + 10):
            app.outbox.log.append(AT, "jobs.updated", b'"job":{}')
    for _ in range(PRUNE_EVERY // 2):
        await create(app)
    oldest, latest = app.outbox.log.window()
    assert latest - oldest + 1 <= LOG_ROWS + PRUNE_EVERY
    assert oldest > 1
    app.clock.advance(8 * 24 * 3600)
    for _ in range(PRUNE_EVERY // 2):
        await create(app)
    assert (
        app.outbox.log.window()[0] >= oldest + PRUNE_EVERY
    )  # more events are pruned than added until no old ones are left
    app.outbox.log.prune(app.clock.now_ms(), 100_000)
    assert app.outbox.log.window()[0] > latest


async def test_a_reconnecting_client_gets_missed_events_before_new_ones(app: InProcessApp) -> None:
    await create(app, 4)
    missed, epoch = app.received[3:], app.outbox.log.epoch()
    app.close()
    again = InProcessApp(app.database.path)
    opened = await again.initialize(resume={"epoch": epoch, "after_seq": 3})
    assert opened["events"]["resume"] == "ok"
    await again.run_pending()
    await create(again)
    assert [one for one in again.received if "seq" in one.params][: len(missed)] == missed
    assert seqs(again.received) == [4, 5, 6, 7, 8, 9, 10]
    again.close()


@pytest.mark.parametrize(("epoch", "after_seq"), [("another", 3), (None, 9), (None, 0)])
async def test_a_client_whose_missed_events_were_pruned_gets_a_resync(
    app: InProcessApp, epoch: str | None, after_seq: int
) -> None:
    await create(app, 4)
    app.outbox.log.prune(NEXT_YEAR, 100) if after_seq == 0 else None
    own = app.outbox.log.epoch()
    app.close()
    again = InProcessApp(app.database.path)
    opened = await again.initialize(resume={"epoch": epoch or own, "after_seq": after_seq})
    assert opened["events"]["resume"] == "resync"
    assert [one.method for one in again.received] == ["system.state", "events.resync"]
    await create(again)
    assert seqs(again.received) == [9, 10]
    again.close()


async def test_requests_are_served_while_thousands_of_missed_events_are_sent(
    app: InProcessApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidecar.wire.outbox.PUSH_S", -1.0)  # the time of an iteration is always up
    with app.database.write():
        for _ in range(3_000):
            app.outbox.log.append(AT, "jobs.updated", b'"job":{}')
    epoch = app.outbox.log.epoch()
    app.close()
    again = InProcessApp(app.database.path)
    await again.initialize(resume={"epoch": epoch, "after_seq": 0})
    assert len(seqs(again.received)) < 3_000
    await again.call("jobs.list")
    assert len(seqs(again.received)) < 3_000
    await again.until(lambda again: len(seqs(again.received)) == 3_000)
    assert seqs(again.received) == list(range(1, 3_001))
    again.close()


async def test_a_client_gets_a_resync_if_events_were_pruned_before_they_were_sent(app: InProcessApp) -> None:
    with app.database.write():
        for _ in range(5):
            app.outbox.log.append(AT, "jobs.updated", b'"job":{}')
        app.outbox.log.prune(NEXT_YEAR, 3)
    await create(app)
    assert [one.method for one in app.received if one.method.startswith("events.")] == ["events.resync"]
    assert seqs(app.received) == [4, 5, 6, 7]


async def test_rolled_back_changes_are_not_sent(app: InProcessApp) -> None:
    def queue_and_fail() -> None:
        with app.database.write():
            app.job_queue.journal.enqueue(Echo())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        queue_and_fail()
    await create(app)
    assert seqs(app.received) == [1, 2]


async def test_notifications_that_a_client_opted_out_of_are_logged_but_not_sent(app: InProcessApp) -> None:
    again = InProcessApp(app.database.path.with_name("another.db"))
    await again.initialize(capabilities={"opt_out": ["jobs.log_added", "system.state", "jobs.progress"]})
    await create(again, 2)
    progress(again, "j", 0.5)
    await again.run_pending()
    assert [(one.method, one.params["seq"]) for one in again.received] == [("jobs.updated", 1), ("jobs.updated", 3)]
    assert [one.method for one in await replay(again, 0)] == ["jobs.updated", "jobs.log_added"] * 2
    again.close()


async def test_nothing_is_sent_before_the_handshake(app: InProcessApp) -> None:
    other = InProcessApp(app.database.path.with_name("another.db"))
    progress(other, "j", 0.5)
    other.outbox.notify(SystemState(state=ProcessState.DRAINING))
    other.job_queue.journal.enqueue(Echo())
    await other.run_pending()
    assert other.received == []
    await other.initialize()
    await other.run_pending()
    assert [one.method for one in other.received] == ["system.state"]
    other.close()


async def test_ephemeral_notifications_have_no_seq_and_the_latest_replaces_earlier_ones(app: InProcessApp) -> None:
    for step in range(1, 101):
        progress(app, "j", step / 100)
    await app.run_pending()
    assert app.received == [Received("jobs.progress", {"job_id": "j", "progress": 1.0, "message": None})]


async def test_progress_is_sent_at_most_ten_times_a_second_for_each_job(app: InProcessApp) -> None:
    for step in range(1, 101):
        progress(app, "a", step / 100)
        progress(app, "b", step / 100)
        await app.run_pending()
        app.clock.advance(0.02)
        await app.run_pending()
    app.clock.advance(0.1)
    await app.run_pending()
    for job_id in ("a", "b"):
        sent = [one["progress"] for one in app.named("jobs.progress") if one["job_id"] == job_id]
        assert 19 <= len(sent) <= 22  # in two seconds
        assert sent == sorted(sent)
        assert sent[-1] == 1.0


async def test_progress_stays_within_its_rate_while_durable_notifications_are_sent_faster(app: InProcessApp) -> None:
    (job_id,) = await create(app)
    for step in range(1, 101):
        progress(app, job_id, step / 100)
        app.job_queue.journal.log(job_id, "info", f"step {step}")
        await app.run_pending()
        app.clock.advance(0.01)
        await app.run_pending()
    assert len(app.named("jobs.log_added")) == 101
    assert len(app.named("jobs.progress")) <= 11
    app.clock.advance(0.1)
    await app.run_pending()
    assert app.named("jobs.progress")[-1]["progress"] == 1.0


async def test_no_progress_follows_the_end_of_its_job(app: InProcessApp) -> None:
    async with app.working():
        made = await app.call("jobs.create", {"type": "test.flood", "payload": {"steps": 50}})
        job_id = made["job"]["job_id"]
        await app.until_job(job_id, "succeeded")
    app.clock.advance(1)
    await app.run_pending()
    methods = [(one.method, one.params.get("job", {}).get("status")) for one in app.received]
    end = methods.index(("jobs.updated", "succeeded"))
    assert "jobs.progress" in [method for method, _ in methods[:end]]
    assert "jobs.progress" not in [method for method, _ in methods[end:]]


async def test_a_rate_limit_causes_no_needless_commits(app: InProcessApp) -> None:
    commits = 0
    on_commit = app.wire.on_commit

    def counted(failure: Exception | None) -> None:
        nonlocal commits
        commits += 1
        on_commit(failure)

    app.wire.on_commit = counted  # type: ignore[method-assign]
    progress(app, "j", 0.1)
    await app.run_pending()
    progress(app, "j", 0.2)
    commits = 0
    await app.run_pending()
    assert commits <= 2
    app.clock.advance(0.1)
    await app.run_pending()
    assert [one["progress"] for one in app.named("jobs.progress")] == [0.1, 0.2]


async def test_appended_text_is_coalesced_and_never_lost(app: InProcessApp) -> None:
    words = [f"w{number} " for number in range(200)]
    offset = 0
    for word in words:
        delta(app, offset, word)
        offset += len(word)
        await app.run_pending()
        app.clock.advance(0.001)
    app.clock.advance(1)
    await app.run_pending()
    sent = app.named("claude.delta")
    assert len(sent) < 200
    assert "".join(one["text"] for one in sent) == "".join(words)
    assert [one["offset"] for one in sent] == [sum(len(one["text"]) for one in sent[:n]) for n in range(len(sent))]


async def test_unread_text_that_is_too_long_is_dropped_and_the_offset_shows_the_gap(app: InProcessApp) -> None:
    app.wire.host_reads = False
    app.wire.notify("filler", b'{"x":"%s"}' % (b"x" * COALESCE_BYTES))
    for number in range(3):
        delta(app, number * (MAX_COALESCED_CHARS // 2 + 1), "x" * (MAX_COALESCED_CHARS // 2 + 1))
        await app.run_pending()
    app.wire.host_reads = True
    app.unit_of_work.request_commit()
    await app.run_pending()
    (sent,) = app.named("claude.delta")
    assert len(sent["text"]) + sent["offset"] == 3 * (MAX_COALESCED_CHARS // 2 + 1)
    assert sent["offset"] > 0


async def test_notifications_keep_their_order(app: InProcessApp) -> None:
    (job_id,) = await create(app)
    app.received.clear()
    delta(app, 0, "a", job_id)
    await app.run_pending()
    delta(app, 1, "b", job_id)
    app.job_queue.journal.log(job_id, "info", "between")
    delta(app, 2, "c", job_id)
    await app.run_pending()
    app.clock.advance(1)
    await app.run_pending()
    sent = [one.params.get("text") or one.params["line"]["message"] for one in app.received]
    assert "".join(sent).replace("between", "|") in ("abc|", "ab|c")


async def test_a_client_that_does_not_read_gets_every_durable_notification_by_replay(app: InProcessApp) -> None:
    app.wire.host_reads = False
    epoch_start = app.outbox.log.window()[1]
    call = b'{"jsonrpc":"2.0","method":"jobs.create","params":{"type":"test.echo","payload":{"text":"%s"}}}\n'
    for _ in range(1_500):
        app.send(call % (b"x" * 10_000))
    assert app.outbox.lagged
    assert LAG_BYTES < app.wire.pending_bytes < LAG_BYTES + 100_000
    app.wire.host_reads = True
    app.unit_of_work.request_commit()
    await app.until(lambda app: app.named("events.lag"))
    await create(app)
    (lagged,) = app.named("events.lag")
    pushed = seqs(app.received)
    assert pushed == [*range(epoch_start + 1, lagged["from_seq"]), *range(lagged["to_seq"] + 1, 1_503)]
    assert lagged["dropped"] == lagged["to_seq"] - lagged["from_seq"] + 1
    everything = await replay(app, 0)
    assert seqs(everything) == list(range(1, 1_503))
    assert [one for one in everything if one.params["seq"] in set(pushed)] == [
        one for one in app.received if "seq" in one.params
    ]


async def test_ephemeral_notifications_are_coalesced_while_the_client_is_behind(app: InProcessApp) -> None:
    app.wire.host_reads = False
    app.wire.notify("filler", b'{"x":"%s"}' % (b"x" * (COALESCE_BYTES + 1)))
    for step in range(50):
        progress(app, "j", step / 50)
        app.clock.advance(0.2)
        await app.run_pending()
    assert app.wire.pending_bytes < COALESCE_BYTES + 100
    app.wire.host_reads = True
    app.unit_of_work.request_commit()
    await app.run_pending()
    assert [one["progress"] for one in app.named("jobs.progress")] == [0.98]
    assert RESUME_BYTES < COALESCE_BYTES < LAG_BYTES


@pytest.mark.parametrize(
    "params", [{}, {"after_seq": -1}, {"after_seq": 0, "limit": 0}, {"after_seq": 0, "limit": 1_001}]
)
async def test_invalid_replay_params_are_refused(app: InProcessApp, params: dict[str, int]) -> None:
    with pytest.raises(RemoteError) as refused:
        await app.call("events.replay", params)
    assert refused.value.kind == "invalid_params"


async def test_a_replay_of_large_events_is_paged(app: InProcessApp) -> None:
    await create(app, 3, text="x" * 3_000_000)
    page = await app.call("events.replay", {"after_seq": 0})
    assert [one["params"]["seq"] for one in page["events"]] == [1, 2]
    assert seqs(await replay(app, 0)) == [1, 2, 3, 4, 5, 6]


async def test_a_restarted_process_continues_after_the_events_of_the_killed_one(sidecar: StartSidecar) -> None:
    async with sidecar() as client:
        first = (await client.initialize("tests"))["events"]
        await client.call("jobs.create", {"type": "maintenance.backup", "run_at": "2999-01-01T00:00:00Z"})
        client.process.kill()
    async with sidecar() as client:
        opened = await client.initialize("tests", resume={"epoch": first["epoch"], "after_seq": first["latest_seq"]})
        assert opened["events"]["resume"] == "ok"
        assert (await client.until("jobs.updated"))["seq"] == first["latest_seq"] + 1
