"""The outbox: durable notifications are never lost, ephemeral ones are coalesced, a slow client gets `events.lag`."""

from typing import Any

import pytest
from sidecar_protocol.claude.runs import ClaudeDelta
from sidecar_protocol.events import Events
from sidecar_protocol.jobs import JobProgress
from sidecar_protocol.system import ProcessState, SystemState

from sidecar.commandline.client import Received, RemoteError
from sidecar.wire.event_log import LOG_ROWS, PRUNE_EVERY
from sidecar.wire.outbox import COALESCE_BYTES, LAG_BYTES, MAX_COALESCED_CHARS, RESUME_BYTES
from tests.conftest import StartSidecar
from tests.handlers import Echo
from tests.loopback import EIGHT_O_CLOCK, Loopback

AT = "2026-11-23T08:00:00.000Z"
NEXT_YEAR = EIGHT_O_CLOCK + 365 * 24 * 3600 * 1000


def progress(rig: Loopback, job_id: str, fraction: float) -> None:
    rig.outbox.notify(JobProgress(job_id=job_id, progress=fraction, message=None))


def delta(rig: Loopback, offset: int, text: str, job_id: str = "j") -> None:
    rig.outbox.notify(ClaudeDelta(session_id="s", job_id=job_id, message_id="m", offset=offset, text=text))


async def create(rig: Loopback, number: int = 1, **payload: Any) -> list[str]:
    """Creates jobs one after another and returns their ids."""
    call = ("jobs.create", {"type": "test.echo", "payload": payload})
    answers = [(await rig.burst(call))[0].result for _ in range(number)]
    return [answer["job"]["job_id"] for answer in answers]


def seqs(received: list[Received]) -> list[int]:
    return [one.params["seq"] for one in received if "seq" in one.params]


async def replay(rig: Loopback, after_seq: int) -> list[Received]:
    """Replays everything after a seq, page by page."""
    found: list[Received] = []
    events = rig.remote(Events)
    while True:
        page = await events.replay(after_seq=after_seq, limit=1_000)
        if not page.events:
            return found
        found += [Received(one.method, one.params) for one in page.events]
        after_seq = found[-1].params["seq"]


async def test_a_durable_notification_has_its_seq_its_time_and_the_whole_object(rig: Loopback) -> None:
    (job_id,) = await create(rig, text="x")
    job = await rig.call("jobs.get", {"job_id": job_id})
    log = await rig.call("jobs.log.list", {"job_id": job_id})
    assert rig.received == [
        Received("jobs.updated", {"seq": 1, "at": AT, "job": job}),
        Received("jobs.log_added", {"seq": 2, "at": AT, "line": log["lines"][0]}),
    ]


async def test_sent_notifications_are_replayed_unchanged(rig: Loopback) -> None:
    await create(rig, 5)
    assert await replay(rig, 0) == rig.received
    assert await replay(rig, 4) == rig.received[4:]
    page = await rig.call("events.replay", {"after_seq": 2, "limit": 3})
    assert [one["params"]["seq"] for one in page["events"]] == [3, 4, 5]
    assert (page["latest_seq"], page["truncated"], page["epoch"]) == (10, False, rig.outbox.log.epoch())
    beyond = await rig.call("events.replay", {"after_seq": 10_000})
    assert (beyond["events"], beyond["truncated"]) == ([], False)


async def test_seq_increases_without_gaps_across_restarts_and_the_epoch_stays(rig: Loopback) -> None:
    await create(rig, 3)
    epoch = rig.outbox.log.epoch()
    rig.close()
    again = Loopback(rig.database.path)
    opened = await again.initialize()
    assert opened["events"] == {"epoch": epoch, "oldest_seq": 1, "latest_seq": 6, "resume": "ok"}
    await create(again, 2)
    assert seqs(again.received) == [7, 8, 9, 10]
    again.close()
    another = Loopback(rig.database.path.with_name("another.db"))
    assert (await another.initialize())["events"]["epoch"] != epoch
    another.close()


async def test_seq_increases_even_if_the_whole_log_was_pruned(rig: Loopback) -> None:
    await create(rig, 3)
    rig.outbox.log.prune(NEXT_YEAR, 100)
    rig.database.commit()
    assert rig.outbox.log.window() == (7, 6)
    await create(rig)
    assert seqs(rig.received)[-2:] == [7, 8]
    page = await rig.call("events.replay", {"after_seq": 5})
    assert (page["truncated"], len(page["events"])) == (True, 2)
    assert (await rig.call("events.replay", {"after_seq": 6}))["truncated"] is False


async def test_the_log_keeps_ten_thousand_rows_and_a_week(rig: Loopback) -> None:
    with rig.database.write():
        for _ in range(LOG_ROWS + 10):
            rig.outbox.log.append(AT, "jobs.updated", b'"job":{}')
    for _ in range(PRUNE_EVERY // 2):
        await create(rig)
    oldest, latest = rig.outbox.log.window()
    assert latest - oldest + 1 <= LOG_ROWS + PRUNE_EVERY
    assert oldest > 1
    rig.clock.advance(8 * 24 * 3600)
    for _ in range(PRUNE_EVERY // 2):
        await create(rig)
    assert (
        rig.outbox.log.window()[0] >= oldest + PRUNE_EVERY
    )  # more events are pruned than added until no old ones are left
    rig.outbox.log.prune(rig.clock.now_ms(), 100_000)
    assert rig.outbox.log.window()[0] > latest


async def test_a_reconnecting_client_gets_missed_events_before_new_ones(rig: Loopback) -> None:
    await create(rig, 4)
    missed, epoch = rig.received[3:], rig.outbox.log.epoch()
    rig.close()
    again = Loopback(rig.database.path)
    opened = await again.initialize(resume={"epoch": epoch, "after_seq": 3})
    assert opened["events"]["resume"] == "ok"
    await again.settle()
    await create(again)
    assert [one for one in again.received if "seq" in one.params][: len(missed)] == missed
    assert seqs(again.received) == [4, 5, 6, 7, 8, 9, 10]
    again.close()


@pytest.mark.parametrize(("epoch", "after_seq"), [("another", 3), (None, 9), (None, 0)])
async def test_a_client_whose_missed_events_were_pruned_gets_a_resync(
    rig: Loopback, epoch: str | None, after_seq: int
) -> None:
    await create(rig, 4)
    rig.outbox.log.prune(NEXT_YEAR, 100) if after_seq == 0 else None
    own = rig.outbox.log.epoch()
    rig.close()
    again = Loopback(rig.database.path)
    opened = await again.initialize(resume={"epoch": epoch or own, "after_seq": after_seq})
    assert opened["events"]["resume"] == "resync"
    assert [one.method for one in again.received] == ["system.state", "events.resync"]
    await create(again)
    assert seqs(again.received) == [9, 10]
    again.close()


async def test_requests_are_served_while_thousands_of_missed_events_are_sent(
    rig: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidecar.wire.outbox.PUSH_S", -1.0)  # the time of an iteration is always up
    with rig.database.write():
        for _ in range(3_000):
            rig.outbox.log.append(AT, "jobs.updated", b'"job":{}')
    epoch = rig.outbox.log.epoch()
    rig.close()
    again = Loopback(rig.database.path)
    await again.initialize(resume={"epoch": epoch, "after_seq": 0})
    assert len(seqs(again.received)) < 3_000
    await again.call("jobs.list")
    assert len(seqs(again.received)) < 3_000
    await again.until(lambda again: len(seqs(again.received)) == 3_000)
    assert seqs(again.received) == list(range(1, 3_001))
    again.close()


async def test_a_client_gets_a_resync_if_events_were_pruned_before_they_were_sent(rig: Loopback) -> None:
    with rig.database.write():
        for _ in range(5):
            rig.outbox.log.append(AT, "jobs.updated", b'"job":{}')
        rig.outbox.log.prune(NEXT_YEAR, 3)
    await create(rig)
    assert [one.method for one in rig.received if one.method.startswith("events.")] == ["events.resync"]
    assert seqs(rig.received) == [4, 5, 6, 7]


async def test_rolled_back_changes_are_not_sent(rig: Loopback) -> None:
    def queue_and_fail() -> None:
        with rig.database.write():
            rig.job_queue.journal.queue(Echo())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        queue_and_fail()
    await create(rig)
    assert seqs(rig.received) == [1, 2]


async def test_notifications_that_a_client_opted_out_of_are_logged_but_not_sent(rig: Loopback) -> None:
    again = Loopback(rig.database.path.with_name("another.db"))
    await again.initialize(capabilities={"opt_out": ["jobs.log_added", "system.state", "jobs.progress"]})
    await create(again, 2)
    progress(again, "j", 0.5)
    await again.settle()
    assert [(one.method, one.params["seq"]) for one in again.received] == [("jobs.updated", 1), ("jobs.updated", 3)]
    assert [one.method for one in await replay(again, 0)] == ["jobs.updated", "jobs.log_added"] * 2
    again.close()


async def test_nothing_is_sent_before_the_handshake(rig: Loopback) -> None:
    other = Loopback(rig.database.path.with_name("another.db"))
    progress(other, "j", 0.5)
    other.outbox.notify(SystemState(state=ProcessState.DEGRADED))
    other.job_queue.journal.queue(Echo())
    await other.settle()
    assert other.received == []
    await other.initialize()
    await other.settle()
    assert [one.method for one in other.received] == ["system.state"]
    other.close()


async def test_ephemeral_notifications_have_no_seq_and_the_latest_replaces_earlier_ones(rig: Loopback) -> None:
    for step in range(1, 101):
        progress(rig, "j", step / 100)
    await rig.settle()
    assert rig.received == [Received("jobs.progress", {"job_id": "j", "progress": 1.0, "message": None})]


async def test_progress_is_sent_at_most_ten_times_a_second_for_each_job(rig: Loopback) -> None:
    for step in range(1, 101):
        progress(rig, "a", step / 100)
        progress(rig, "b", step / 100)
        await rig.settle()
        rig.clock.advance(0.02)
        await rig.settle()
    rig.clock.advance(0.1)
    await rig.settle()
    for job_id in ("a", "b"):
        sent = [one["progress"] for one in rig.named("jobs.progress") if one["job_id"] == job_id]
        assert 19 <= len(sent) <= 22  # in two seconds
        assert sent == sorted(sent)
        assert sent[-1] == 1.0


async def test_progress_stays_within_its_rate_while_durable_notifications_are_sent_faster(rig: Loopback) -> None:
    (job_id,) = await create(rig)
    for step in range(1, 101):
        progress(rig, job_id, step / 100)
        rig.job_queue.journal.log(job_id, "info", f"step {step}")
        await rig.settle()
        rig.clock.advance(0.01)
        await rig.settle()
    assert len(rig.named("jobs.log_added")) == 101
    assert len(rig.named("jobs.progress")) <= 11
    rig.clock.advance(0.1)
    await rig.settle()
    assert rig.named("jobs.progress")[-1]["progress"] == 1.0


async def test_no_progress_follows_the_end_of_its_job(rig: Loopback) -> None:
    async with rig.working():
        made = await rig.call("jobs.create", {"type": "test.flood", "payload": {"steps": 50}})
        job_id = made["job"]["job_id"]
        await rig.until_job(job_id, "succeeded")
    rig.clock.advance(1)
    await rig.settle()
    methods = [(one.method, one.params.get("job", {}).get("status")) for one in rig.received]
    end = methods.index(("jobs.updated", "succeeded"))
    assert "jobs.progress" in [method for method, _ in methods[:end]]
    assert "jobs.progress" not in [method for method, _ in methods[end:]]


async def test_a_rate_limit_causes_no_needless_commits(rig: Loopback) -> None:
    commits = 0
    on_commit = rig.wire.on_commit

    def counted(failure: Exception | None) -> None:
        nonlocal commits
        commits += 1
        on_commit(failure)

    rig.wire.on_commit = counted  # type: ignore[method-assign]
    progress(rig, "j", 0.1)
    await rig.settle()
    progress(rig, "j", 0.2)
    commits = 0
    await rig.settle()
    assert commits <= 2
    rig.clock.advance(0.1)
    await rig.settle()
    assert [one["progress"] for one in rig.named("jobs.progress")] == [0.1, 0.2]


async def test_appended_text_is_coalesced_and_never_lost(rig: Loopback) -> None:
    words = [f"w{number} " for number in range(200)]
    offset = 0
    for word in words:
        delta(rig, offset, word)
        offset += len(word)
        await rig.settle()
        rig.clock.advance(0.001)
    rig.clock.advance(1)
    await rig.settle()
    sent = rig.named("claude.delta")
    assert len(sent) < 200
    assert "".join(one["text"] for one in sent) == "".join(words)
    assert [one["offset"] for one in sent] == [sum(len(one["text"]) for one in sent[:n]) for n in range(len(sent))]


async def test_unread_text_that_is_too_long_is_dropped_and_the_offset_shows_the_gap(rig: Loopback) -> None:
    rig.wire.host_reads = False
    rig.wire.notify("filler", b'{"x":"%s"}' % (b"x" * COALESCE_BYTES))
    for number in range(3):
        delta(rig, number * (MAX_COALESCED_CHARS // 2 + 1), "x" * (MAX_COALESCED_CHARS // 2 + 1))
        await rig.settle()
    rig.wire.host_reads = True
    rig.unit_of_work.request_commit()
    await rig.settle()
    (sent,) = rig.named("claude.delta")
    assert len(sent["text"]) + sent["offset"] == 3 * (MAX_COALESCED_CHARS // 2 + 1)
    assert sent["offset"] > 0


async def test_notifications_keep_their_order(rig: Loopback) -> None:
    (job_id,) = await create(rig)
    rig.received.clear()
    delta(rig, 0, "a", job_id)
    await rig.settle()
    delta(rig, 1, "b", job_id)
    rig.job_queue.journal.log(job_id, "info", "between")
    delta(rig, 2, "c", job_id)
    await rig.settle()
    rig.clock.advance(1)
    await rig.settle()
    sent = [one.params.get("text") or one.params["line"]["message"] for one in rig.received]
    assert "".join(sent).replace("between", "|") in ("abc|", "ab|c")


async def test_a_client_that_does_not_read_gets_every_durable_notification_by_replay(rig: Loopback) -> None:
    rig.wire.host_reads = False
    epoch_start = rig.outbox.log.window()[1]
    call = b'{"jsonrpc":"2.0","method":"jobs.create","params":{"type":"test.echo","payload":{"text":"%s"}}}\n'
    for _ in range(1_500):
        rig.send(call % (b"x" * 10_000))
    assert rig.outbox.lagged
    assert LAG_BYTES < rig.wire.pending_bytes < LAG_BYTES + 100_000
    rig.wire.host_reads = True
    rig.unit_of_work.request_commit()
    await rig.until(lambda rig: rig.named("events.lag"))
    await create(rig)
    (lagged,) = rig.named("events.lag")
    pushed = seqs(rig.received)
    assert pushed == [*range(epoch_start + 1, lagged["from_seq"]), *range(lagged["to_seq"] + 1, 3_003)]
    assert lagged["dropped"] == lagged["to_seq"] - lagged["from_seq"] + 1
    everything = await replay(rig, 0)
    assert seqs(everything) == list(range(1, 3_003))
    assert [one for one in everything if one.params["seq"] in set(pushed)] == [
        one for one in rig.received if "seq" in one.params
    ]


async def test_ephemeral_notifications_are_coalesced_while_the_client_is_behind(rig: Loopback) -> None:
    rig.wire.host_reads = False
    rig.wire.notify("filler", b'{"x":"%s"}' % (b"x" * (COALESCE_BYTES + 1)))
    for step in range(50):
        progress(rig, "j", step / 50)
        rig.clock.advance(0.2)
        await rig.settle()
    assert rig.wire.pending_bytes < COALESCE_BYTES + 100
    rig.wire.host_reads = True
    rig.unit_of_work.request_commit()
    await rig.settle()
    assert [one["progress"] for one in rig.named("jobs.progress")] == [0.98]
    assert RESUME_BYTES < COALESCE_BYTES < LAG_BYTES


@pytest.mark.parametrize(
    "params", [{}, {"after_seq": -1}, {"after_seq": 0, "limit": 0}, {"after_seq": 0, "limit": 1_001}]
)
async def test_invalid_replay_params_are_refused(rig: Loopback, params: dict[str, int]) -> None:
    with pytest.raises(RemoteError) as refused:
        await rig.call("events.replay", params)
    assert refused.value.kind == "invalid_params"


async def test_a_replay_of_large_events_is_paged(rig: Loopback) -> None:
    await create(rig, 3, text="x" * 3_000_000)
    page = await rig.call("events.replay", {"after_seq": 0})
    assert [one["params"]["seq"] for one in page["events"]] == [1, 2]
    assert seqs(await replay(rig, 0)) == [1, 2, 3, 4, 5, 6]


async def test_a_restarted_process_continues_after_the_events_of_the_killed_one(sidecar: StartSidecar) -> None:
    async with sidecar() as client:
        first = (await client.initialize("tests"))["events"]
        await client.call("jobs.create", {"type": "maintenance.backup", "run_at": "2999-01-01T00:00:00Z"})
        client.process.kill()
    async with sidecar() as client:
        opened = await client.initialize("tests", resume={"epoch": first["epoch"], "after_seq": first["latest_seq"]})
        assert opened["events"]["resume"] == "ok"
        assert (await client.until("jobs.updated"))["seq"] == first["latest_seq"] + 1
