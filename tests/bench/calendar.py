"""Sync of large calendars: `python -m tests.bench.calendar [--calendars 50] [--events 100000] [--json]`.

Measures a first sync, an incremental sync of 100 changes and a page of a month's events against the fake Google, at a
tenth of the size and at the full size; the last two must not grow.  If gcal_sync is installed (`uv run --with gcal_sync
python -m tests.bench.calendar`), it syncs the same calendars into memory for comparison.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, Final

import httpx
import psutil

from tests.calendar.google.harness import REDIRECT
from tests.fakes.google import ADA, FakeGoogle
from tests.process.raw_client import RawClient

CHANGES: Final = 100
DAY_RANGE: Final = (-170, 390)
"""First and last day of the events, relative to today; inside the window of a sync."""
JOB_TIMEOUT_S: Final = 600.0


def fill(google: FakeGoogle, calendars: int, events: int) -> None:
    """Adds calendars with meetings of one hour, spread evenly."""
    now = google.now().replace(microsecond=0)
    for number in range(calendars):
        name = ADA if number == 0 else f"team{number}@example.com"
        google.calendars.add_calendar(name, ADA, summary=name, entry={"primary": number == 0, "selected": True})
        for index in range(events // calendars):
            start = now + timedelta(days=DAY_RANGE[0] + index * (DAY_RANGE[1] - DAY_RANGE[0]) / (events // calendars))
            google.calendars.add(name, **meeting(start, f"Meeting {index} of {name}"))


def meeting(start: datetime, title: str) -> dict[str, Any]:
    """Returns an event of realistic size."""
    return {
        "summary": title,
        "description": "Agenda: review, status, next steps, open questions. " * 4,
        "location": "Room 4",
        "start": {"dateTime": start.isoformat(), "timeZone": "Europe/Berlin"},
        "end": {"dateTime": (start + timedelta(hours=1)).isoformat(), "timeZone": "Europe/Berlin"},
        "organizer": {"email": ADA, "self": True},
        "attendees": [{"email": f"guest{number}@example.com", "responseStatus": "accepted"} for number in range(4)],
        "htmlLink": "https://www.google.com/calendar/event?eid=abcdefghijklmnopqrstuvwxyz",
    }


@contextmanager
def serving(calendars: int, events: int) -> Iterator[str]:
    """Runs a filled fake in its own process; yields its URL."""
    command = [sys.executable, "-m", "tests.bench.calendar", "--serve", str(calendars), str(events)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as fake:
        assert fake.stdout is not None
        assert fake.stdin is not None
        try:
            yield fake.stdout.readline().strip()
        finally:
            fake.stdin.close()


def change(url: str, calendars: int) -> None:
    """Adds CHANGES new events, spread over all calendars."""
    start = datetime.now(UTC) + timedelta(days=1)
    with httpx.Client() as client:
        for number in range(CHANGES):
            name = ADA if number % calendars == 0 else f"team{number % calendars}@example.com"
            body = {"calendar_id": name, **meeting(start, f"New {number}")}
            client.post(f"{url}/fake/events", json=body).raise_for_status()


def sidecar_figures(url: str, calendars: int, rounds: int) -> dict[str, float]:
    """Returns the figures of the sidecar, in milliseconds."""
    environment: dict[str, Any] = {**FakeGoogle.environment_of(url)}
    with tempfile.TemporaryDirectory() as folder, RawClient(Path(folder) / "data", **environment) as wire:
        wire.initialize()
        process = psutil.Process(wire.process.pid)
        started = wire.call("calendar.oauth.google.start", redirect_uri=REDIRECT)
        location = httpx.get(started["authorization_url"]).headers["location"]
        wire.call("calendar.oauth.google.callback", url=location)
        account = wire.call("calendar.oauth.google.complete", state=started["state"])
        job_id = wire.call("jobs.list", type="calendar.sync")["jobs"][0]["job_id"]
        first = wire.until_job(job_id, "succeeded", "failed", patience_s=JOB_TIMEOUT_S)
        figures = {"first_sync_ms": _duration_ms(first), "first_sync_cpu_ms": _cpu_ms(process)}
        assert first["status"] == "succeeded", first
        walls, cpus, months = [], [], []
        for _ in range(rounds):
            change(url, calendars)
            before = _cpu_ms(process)
            job = wire.call("calendar.accounts.sync", account_id=account["account_id"])
            ended = wire.until_job(job["job_id"], "succeeded", "failed", patience_s=JOB_TIMEOUT_S)
            assert ended["result"]["added"] == CHANGES, ended
            walls.append(_duration_ms(ended))
            cpus.append(_cpu_ms(process) - before)
            months.append(_month_page_ms(wire))
        figures |= {"changes_ms": median(walls), "changes_cpu_ms": median(cpus), "month_page_ms": median(months)}
        figures["rss_mib"] = process.memory_info().rss / 2**20
        wire.close_stdin()
        wire.exit_code()
    return figures


def _month_page_ms(wire: RawClient) -> float:
    """Measures the first page of a month of one calendar."""
    now = datetime.now(UTC)
    started = time.perf_counter()
    start, end = (moment.isoformat() for moment in (now, now + timedelta(days=30)))
    page = wire.call("calendar.events.list", start=start, end=end, calendar_id=ADA, limit=100)
    assert page["events"]
    return (time.perf_counter() - started) * 1_000


def _duration_ms(job: dict[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(job[name]) for name in ("started_at", "finished_at"))
    return (ended - began).total_seconds() * 1_000


def _cpu_ms(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system) * 1_000


async def gcal_sync_figures(url: str, calendars: int, rounds: int) -> dict[str, float]:
    """Measures the same syncs with gcal_sync, into its in-memory store."""
    import aiohttp  # type: ignore[import-not-found]
    from gcal_sync.api import GoogleCalendarService  # type: ignore[import-not-found]
    from gcal_sync.auth import AbstractAuth  # type: ignore[import-not-found]
    from gcal_sync.sync import CalendarEventSyncManager  # type: ignore[import-not-found]

    token = _token(url)

    class Auth(AbstractAuth):  # type: ignore[misc]
        async def async_get_access_token(self) -> str:
            return token

    async with aiohttp.ClientSession() as session:
        service = GoogleCalendarService(Auth(session, f"{url}/calendar/v3"))
        names = [ADA, *(f"team{number}@example.com" for number in range(1, calendars))]
        managers = [CalendarEventSyncManager(service, calendar_id=name) for name in names]
        walls = []
        for _ in range(rounds + 1):
            started, cpu = time.perf_counter(), time.process_time()
            for manager in managers:
                await manager.run()
            walls.append(((time.perf_counter() - started) * 1_000, (time.process_time() - cpu) * 1_000))
            change(url, calendars)
    return {
        "first_sync_ms": walls[0][0],
        "first_sync_cpu_ms": walls[0][1],
        "changes_ms": median(wall for wall, _ in walls[1:]),
        "changes_cpu_ms": median(cpu for _, cpu in walls[1:]),
    }


def _token(url: str) -> str:
    """Returns an access token of the fake."""
    found: str = httpx.post(f"{url}/fake/token", json={"email": ADA}).json()["access_token"]
    return found


def measure(calendars: int, events: int, rounds: int) -> dict[str, Any]:
    """Measures at a tenth of the size and at the full size."""
    report: dict[str, Any] = {"calendars": calendars, "sizes": {}}
    for size in (events // 10, events):
        with serving(calendars, size) as url:
            found = {"sidecar": sidecar_figures(url, calendars, rounds)}
            if find_spec("gcal_sync") is not None:
                found["gcal_sync"] = asyncio.run(gcal_sync_figures(url, calendars, rounds))
            report["sizes"][str(size)] = found
    if find_spec("gcal_sync") is None:
        report["note"] = "gcal_sync is not installed; uv run --with gcal_sync python -m tests.bench.calendar"
    return report


def main(arguments: list[str]) -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.calendar", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--calendars", type=int, default=50)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", nargs=2, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        with FakeGoogle() as google:
            fill(google, *options.serve)
            print(google.url, flush=True)
            sys.stdin.read()
        return 0
    report = measure(options.calendars, options.events, options.rounds)
    if options.json:
        print(json.dumps(report, indent=2))
        return 0
    for size, found in report["sizes"].items():
        for program, figures in found.items():
            text = ", ".join(f"{name} {value:,.1f}" for name, value in figures.items())
            print(f"{int(size):,} events, {program}: {text}")
    if "note" in report:
        print(report["note"])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
