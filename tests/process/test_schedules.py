"""Schedules of the real process: each time has one row, over kill -9, restarts and a clock that steps."""

import shutil
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sidecar.paths import schema_dir
from sidecar.storage.migrations import open_database
from tests.conftest import StartRawClient
from tests.process.raw_client import MODIFIED_SIDECAR, RawClient, line
from tests.process.test_clock import set_clock

STEPPED = (*MODIFIED_SIDECAR, "stepped")
HOUR_MS = 3_600_000


def create(wire: RawClient, **params: Any) -> str:
    """Creates a schedule that is due each hour; returns its id."""
    schedule = {"title": "Stand-up", "type": "test.echo", "payload": {"text": "a"}, "period_s": 3_600} | params
    schedule_id: str = wire.call("jobs.schedules.create", **schedule)["schedule_id"]
    return schedule_id


def recorded(wire: RawClient, schedule_id: str) -> list[dict[str, Any]]:
    """Returns the record of a schedule, the first time first."""
    listed = wire.call("jobs.schedules.runs.list", schedule_id=schedule_id, limit=500)["runs"]
    return sorted(listed, key=lambda run: run["scheduled_for"])


def until_over(wire: RawClient, schedule_id: str, count: int) -> list[dict[str, Any]]:
    """Waits until this many times are recorded and none of their jobs goes on; returns them."""
    runs: list[dict[str, Any]] = []
    while len(runs) < count or any(run["status"] in ("queued", "running") for run in runs):
        wire.call("jobs.queue.wake")
        runs = recorded(wire, schedule_id)
    return runs


@pytest.mark.parametrize("seen", [None, "jobs.schedule_updated", "running", "succeeded", "ended"])
def test_a_kill_neither_loses_nor_doubles_a_time(raw_client: StartRawClient, seen: str | None) -> None:
    with raw_client(command=STEPPED) as wire:
        wire.initialize()
        schedule_id = create(wire)
        wire.until("jobs.schedule_updated")
        set_clock(wire.data_dir, 3 * HOUR_MS)
        wire.send(line("jobs.queue.wake", "woken"))
        if seen is not None:
            wire.answer("woken")
        if seen in ("running", "succeeded"):
            while wire.until("jobs.updated")["job"]["status"] != seen:
                pass
        elif seen == "ended":
            while wire.until("jobs.schedule_run_ended")["run"]["status"] != "succeeded":
                pass
        elif seen == "jobs.schedule_updated":
            wire.until(seen)
        wire.process.kill()
    with raw_client(command=STEPPED) as wire:
        wire.initialize()
        runs = until_over(wire, schedule_id, 3)
        set_clock(wire.data_dir, 4 * HOUR_MS)
        runs = until_over(wire, schedule_id, 4)
        jobs = wire.call("jobs.list", type="test.echo", limit=100)["jobs"]
        told = [params["run"]["run_id"] for params in ended(wire)]
    times = [run["scheduled_for"] for run in runs]
    assert times == sorted(set(times))
    assert [run["status"] for run in runs[:2]] == ["missed", "missed"]
    assert runs[3]["status"] == "succeeded"
    assert sorted(job["job_id"] for job in jobs) == sorted(run["job_id"] for run in runs[2:])
    assert len(told) == len(set(told)), "told once, over both processes"
    assert {run["run_id"] for run in runs[1:]} == set(told), "of the two that were missed together, the newer"


def ended(wire: RawClient) -> list[Any]:
    """Returns the logged notifications about ends, those of the killed process too."""
    events = wire.call("events.replay", after_seq=0, limit=1_000)["events"]
    return [event["params"] for event in events if event["method"] == "jobs.schedule_run_ended"]


@pytest.mark.parametrize(
    ("zone", "at", "before", "after"),
    [
        # At 02:30, which the change of the clocks skips in spring and repeats in autumn.
        ("Europe/Berlin", 2, "2027-03-27T12:00:00Z", ["2027-03-28T01:30", "2027-03-29T00:30"]),
        ("Europe/Berlin", 2, "2027-10-30T12:00:00Z", ["2027-10-31T00:30", "2027-11-01T01:30"]),
        ("America/New_York", 2, "2027-03-13T12:00:00Z", ["2027-03-14T07:30", "2027-03-15T06:30"]),
        ("America/New_York", 1, "2027-11-06T12:00:00Z", ["2027-11-07T05:30", "2027-11-08T06:30"]),
        ("Australia/Sydney", 2, "2027-10-02T12:00:00Z", ["2027-10-02T16:30", "2027-10-03T15:30"]),
        ("Australia/Sydney", 2, "2027-04-02T20:00:00Z", ["2027-04-03T15:30", "2027-04-04T16:30"]),
    ],
)
def test_both_changes_of_the_clocks_give_one_job_a_day(
    raw_client: StartRawClient, zone: str, at: int, before: str, after: list[str]
) -> None:
    def set_to(wire: RawClient, moment: str) -> None:
        set_clock(wire.data_dir, round((datetime.fromisoformat(moment).timestamp() - time.time()) * 1000))

    rule = f"FREQ=DAILY;BYHOUR={at};BYMINUTE=30"
    with raw_client(command=STEPPED) as wire:
        wire.initialize()
        set_to(wire, before)
        schedule_id = create(wire, period_s=None, rrule=rule, time_zone=zone)
        set_to(wire, f"{after[0]}:01Z")
        until_over(wire, schedule_id, 1)
        set_to(wire, after[0].replace(":30", ":59") + ":00Z")
        until_over(wire, schedule_id, 1)
        wire.process.kill()
    with raw_client(command=STEPPED) as wire:
        wire.initialize()
        set_to(wire, f"{after[1]}:01Z")
        runs = until_over(wire, schedule_id, 2)
    assert [(run["scheduled_for"][:16], run["status"]) for run in runs] == [(one, "succeeded") for one in after]


def test_the_schedules_of_an_earlier_version_are_carried_over(data_dir: Path, raw_client: StartRawClient) -> None:
    data_dir.mkdir()
    path, folder = data_dir / "sidecar.db", data_dir.parent / "earlier"
    (folder / "migrations").mkdir(parents=True)
    for migration in sorted((schema_dir() / "migrations").glob("*.sql")):
        if migration.name < "0025":
            shutil.copy(migration, folder / "migrations")
    with closing(open_database(path, folder, 0, lambda size: b"7" * size)) as connection:
        connection.execute(
            """
            INSERT INTO job_schedules (schedule_id, type, payload_json, period_s, offset_ms, enabled, next_run_at)
            VALUES ('maintenance.backup', 'maintenance.backup', '{"keep":7}', 7200, 5000, 0, '2026-11-23T08:00:05.000Z')
            """
        )
    with raw_client() as wire:
        wire.initialize()
        kept = next(
            one for one in wire.call("jobs.schedules.list")["schedules"] if one["schedule_id"] == "maintenance.backup"
        )
    expected = {"payload": {"keep": 7}, "period_s": 7200, "enabled": False, "fixed": True, "misfire_policy": "run_once"}
    assert {name: kept[name] for name in expected} == expected
    assert kept["next_run_at"] == "2026-11-23T08:00:05.000Z"
