"""A host that does not read: memory stays bounded, reading goes on, and nothing that matters is lost."""

import contextlib
import sqlite3
import time
from collections import Counter
from typing import Any

import psutil

from sidecar.wire.outbox import COALESCE_BYTES, LAG_BYTES
from tests.conftest import StartRawClient
from tests.process.raw_client import MODIFIED_SIDECAR, PATIENCE_S, RawClient, line
from tests.strict_json import parse

MIB = 1024 * 1024
PATIENT_LOOKS = 50_000
"""Each takes a fraction of a millisecond; the jobs of the test take a second in all."""
FLOOD = {"steps": 16, "logs": True, "size": 60_000}
"""About a mebibyte of events."""


def rss(wire: RawClient) -> int:
    return int(psutil.Process(wire.process.pid).memory_info().rss)


def in_order(wire: RawClient, after_seq: int) -> list[Any]:
    """Every durable notification after a seq, by replay."""
    found: list[Any] = []
    while events := wire.call("events.replay", after_seq=after_seq, limit=1_000)["events"]:
        found += events
        after_seq = found[-1]["params"]["seq"]
    return found


def test_twenty_thousand_answers_that_nobody_reads_cost_little_and_all_arrive(raw_client: StartRawClient) -> None:
    with raw_client() as wire:
        wire.initialize()
        for _ in range(200):
            wire.call("system.health")  # so that what is made once is made
        before = rss(wire)
        for start in range(0, 20_000, 1_000):
            wire.send(b"".join(line("system.health", number) for number in range(start, start + 1_000)))
        wire.send(line("jobs.create", "written", type="maintenance.backup", run_at="2999-01-01T00:00:00Z"))
        grown = rss(wire) - before
        answers = Counter(wire.next_answer()["id"] for _ in range(20_001))
        grown = max(grown, rss(wire) - before)
        assert answers == Counter([*range(20_000), "written"])
        assert grown < 20 * MIB


def test_reading_goes_on_while_writing_is_stuck(raw_client: StartRawClient) -> None:
    """What is asked by a host that does not read is done: its jobs run."""
    with raw_client(command=MODIFIED_SIDECAR) as wire:
        wire.initialize()
        wire.send(b"".join(line("rpc.discover", number) for number in range(50)))
        for start in range(0, 500, 50):
            wire.send(b"".join(line("jobs.create", f"job {start + n}", type="test.echo") for n in range(50)))
        wire.send(line("jobs.list", "last", status="queued", limit=1))
        answers = {}
        while "last" not in answers:
            answer = wire.next_answer()
            answers[answer["id"]] = answer
        assert len(answers) == 551
        last = answers["job 499"]["result"]["job"]["job_id"]
        # Asked, not waited for: what was told meanwhile may be among the events that are left to `events.replay`.
        for _ in range(PATIENT_LOOKS):
            job = wire.call("jobs.get", job_id=last)
            if job["status"] == "succeeded":
                break
        assert (job["type"], job["status"]) == ("test.echo", "succeeded")


def test_events_beyond_eight_mebibytes_become_one_lagged_and_can_be_replayed(raw_client: StartRawClient) -> None:
    with raw_client(command=MODIFIED_SIDECAR) as wire:
        start = wire.initialize()["events"]["latest_seq"]
        wire.send(b"".join(line("jobs.create", number, type="test.flood", payload=FLOOD) for number in range(16)))
        when_done(wire, 16)
        wire.send(line("events.replay", "first", after_seq=start, limit=1))
        latest = wire.answer("first")["result"]["latest_seq"]
        lagged = wire.until("events.lag")
        job = wire.call("jobs.create", type="test.echo")["job"]
        wire.until_job(job["job_id"], "succeeded")
        assert [one["method"] for one in wire.all_notifications].count("events.lag") == 1
        everything = in_order(wire, start)
        seqs = [one["params"]["seq"] for one in everything]
        assert seqs == list(range(start + 1, seqs[-1] + 1))
        assert start < lagged["from_seq"] <= lagged["to_seq"] == latest
        assert lagged["dropped"] == lagged["to_seq"] - lagged["from_seq"] + 1
        pushed = {one["params"]["seq"]: one for one in wire.all_notifications if "seq" in one["params"]}
        assert not set(pushed) & set(range(lagged["from_seq"], lagged["to_seq"] + 1))
        assert set(pushed) >= set(range(start + 1, lagged["from_seq"]))
        replayed = {one["params"]["seq"]: one for one in everything}
        assert all(replayed[seq] == {"method": one["method"], "params": one["params"]} for seq, one in pushed.items())


def when_done(wire: RawClient, number: int) -> None:
    """Wait for so many jobs by their rows: the host that this plays does not read what the sidecar says."""
    until = time.monotonic() + PATIENCE_S
    with contextlib.closing(sqlite3.connect(wire.data_dir / "sidecar.db")) as database:
        while database.execute("SELECT count(*) FROM jobs WHERE status = 'succeeded'").fetchone()[0] < number:
            assert time.monotonic() < until
            time.sleep(0.01)


def test_progress_that_nobody_reads_is_merged(raw_client: StartRawClient) -> None:
    with raw_client(command=MODIFIED_SIDECAR) as wire:
        wire.initialize()
        wire.send(b"".join(line("rpc.discover", number) for number in range(2 * COALESCE_BYTES // 100_000 + 10)))
        wire.send(line("jobs.create", "job", type="test.flood", payload={"steps": 5_000}))
        job_id = wire.answer("job")["result"]["job"]["job_id"]
        wire.until_job(job_id, "succeeded")
        told = [one for one in wire.notifications if one["method"] == "jobs.progress"]
        assert len(told) < 50
        assert LAG_BYTES > COALESCE_BYTES


def test_a_host_that_hangs_with_a_full_pipe_ends_the_process_with_74(raw_client: StartRawClient) -> None:
    with raw_client("impatient", command=MODIFIED_SIDECAR) as wire:
        wire.initialize()
        wire.send(b"".join(line("rpc.discover", number) for number in range(100)))
        assert wire.exit_code(10.0) == 74
        said = wire.remaining_bytes().split(b"\n")
        assert {parse(whole)["jsonrpc"] for whole in said[:-1]} == {"2.0"}  # after the line that was cut comes nothing
