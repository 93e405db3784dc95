"""A client that does not read: memory stays bounded, its requests are still served, and no durable event is lost."""

import contextlib
import sqlite3
from collections import Counter
from typing import Any

import psutil
from pydantic_core import to_json

from sidecar.wire.outbox import COALESCE_BYTES, LAG_BYTES
from tests.conftest import StartRawClient
from tests.process.raw_client import MODIFIED_SIDECAR, RawClient, line, wait_until
from tests.strict_json import parse

MIB = 1024 * 1024
POLLS = 50_000
"""Polls of `jobs.list`; each takes a fraction of a millisecond, the jobs a second in all."""
FLOOD = {"steps": 16, "logs": True, "size": 60_000}
"""About a mebibyte of events."""


def rss(client: RawClient) -> int:
    return int(psutil.Process(client.process.pid).memory_info().rss)


def replay_all(client: RawClient, after_seq: int) -> list[Any]:
    """Returns all durable notifications after a seq, by replay."""
    found: list[Any] = []
    while events := client.call("events.replay", after_seq=after_seq, limit=1_000)["events"]:
        found += events
        after_seq = found[-1]["params"]["seq"]
    return found


def test_twenty_thousand_unread_responses_take_little_memory_and_all_arrive(raw_client: StartRawClient) -> None:
    with raw_client() as client:
        client.initialize()
        for _ in range(200):
            client.call("system.health")  # warm up lazily created objects
        before = rss(client)
        for start in range(0, 20_000, 1_000):
            client.send(b"".join(line("system.health", number) for number in range(start, start + 1_000)))
        client.send(line("jobs.create", "written", type="maintenance.backup", run_at="2999-01-01T00:00:00Z"))
        grown = rss(client) - before
        answers = Counter(client.next_answer()["id"] for _ in range(20_001))
        grown = max(grown, rss(client) - before)
        assert answers == Counter([*range(20_000), "written"])
        assert grown < 20 * MIB


def test_requests_are_served_while_the_client_does_not_read(raw_client: StartRawClient) -> None:
    with raw_client(command=MODIFIED_SIDECAR) as client:
        client.initialize()
        client.send(b"".join(line("rpc.discover", number) for number in range(50)))
        for start in range(0, 500, 50):
            client.send(b"".join(line("jobs.create", f"job {start + n}", type="test.echo") for n in range(50)))
        client.send(line("jobs.list", "last", status="queued", limit=1))
        answers = {}
        while "last" not in answers:
            answer = client.next_answer()
            answers[answer["id"]] = answer
        assert len(answers) == 551
        last = answers["job 499"]["result"]["job"]["job_id"]
        # Polled: notifications sent meanwhile may be among those left to `events.replay`.
        for _ in range(POLLS):
            job = client.call("jobs.get", job_id=last)
            if job["status"] == "succeeded":
                break
        assert (job["type"], job["status"]) == ("test.echo", "succeeded")


def test_events_beyond_eight_mebibytes_become_one_events_lag_and_can_be_replayed(raw_client: StartRawClient) -> None:
    with raw_client(command=MODIFIED_SIDECAR) as client:
        start = client.initialize()["events"]["latest_seq"]
        client.send(b"".join(line("jobs.create", number, type="test.flood", payload=FLOOD) for number in range(16)))
        wait_until_succeeded(client, 16)
        client.send(line("events.replay", "first", after_seq=start, limit=1))
        latest = client.answer("first")["result"]["latest_seq"]
        lagged = client.until("events.lag")
        job = client.call("jobs.create", type="test.echo")["job"]
        client.until_job(job["job_id"], "succeeded")
        assert [one["method"] for one in client.all_notifications].count("events.lag") == 1
        everything = replay_all(client, start)
        seqs = [one["params"]["seq"] for one in everything]
        assert seqs == list(range(start + 1, seqs[-1] + 1))
        assert start < lagged["from_seq"] <= lagged["to_seq"] == latest
        assert lagged["dropped"] == lagged["to_seq"] - lagged["from_seq"] + 1
        pushed = {one["params"]["seq"]: one for one in client.all_notifications if "seq" in one["params"]}
        assert not set(pushed) & set(range(lagged["from_seq"], lagged["to_seq"] + 1))
        assert set(pushed) >= set(range(start + 1, lagged["from_seq"]))
        replayed = {one["params"]["seq"]: one for one in everything}
        assert all(replayed[seq] == {"method": one["method"], "params": one["params"]} for seq, one in pushed.items())


def wait_until_succeeded(client: RawClient, number: int) -> None:
    """Polls the database until `number` jobs have succeeded, since the client does not read."""
    sql = "SELECT count(*) >= ? FROM jobs WHERE status = 'succeeded'"
    with contextlib.closing(sqlite3.connect(client.data_dir / "sidecar.db")) as database:
        wait_until(lambda: database.execute(sql, (number,)).fetchone()[0])


def test_unread_progress_is_coalesced(raw_client: StartRawClient) -> None:
    with raw_client(command=MODIFIED_SIDECAR) as client:
        client.initialize()
        size = len(to_json(client.call("rpc.discover")))
        client.send(b"".join(line("rpc.discover", number) for number in range(2 * COALESCE_BYTES // size)))
        client.send(line("jobs.create", "job", type="test.flood", payload={"steps": 5_000}))
        job_id = client.answer("job")["result"]["job"]["job_id"]
        client.until_job(job_id, "succeeded")
        received = [one for one in client.notifications if one["method"] == "jobs.progress"]
        assert len(received) < 500  # some each second, for as long as the 5,000 steps take
        assert LAG_BYTES > COALESCE_BYTES


def test_a_client_that_hangs_with_a_full_pipe_ends_the_process_with_74(raw_client: StartRawClient) -> None:
    with raw_client("impatient", command=MODIFIED_SIDECAR) as client:
        client.initialize()
        client.send(b"".join(line("rpc.discover", number) for number in range(100)))
        assert client.exit_code() == 74
        lines = client.remaining_bytes().split(b"\n")
        assert {parse(whole)["jsonrpc"] for whole in lines[:-1]} == {"2.0"}  # nothing follows the line that was cut
