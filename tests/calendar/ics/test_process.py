"""The real process and a calendar's secret address: it is seen nowhere, and a large file holds nobody up."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.calendar.ics.harness import OWNER, day, vcalendar, vevent
from tests.calendar.traces import traces
from tests.conftest import StartRawClient
from tests.fakes.ics import PRIVATE, FakeIcs
from tests.process.raw_client import RawClient

EVENTS = 10_000


def connect(wire: RawClient, address: str) -> str:
    """A new account; its id."""
    account = wire.call("calendar.accounts.create", provider="ics", email=OWNER, credentials={"address": address})
    account_id: str = account["account_id"]
    return account_id


def sync(wire: RawClient, account_id: str, status: str = "succeeded", patience_s: float = 20.0) -> dict[str, Any]:
    """One sync, to this end; the job."""
    job = wire.call("calendar.accounts.sync", account_id=account_id)
    return dict(wire.until_job(job["job_id"], status, patience_s=patience_s))


@pytest.mark.parametrize("run_env", ["dev", "prod"])
def test_the_address_is_to_be_found_nowhere_after_all_that_can_happen(
    raw_client: StartRawClient, data_dir: Path, tmp_path: Path, run_env: str
) -> None:
    told: list[Any] = []
    here = tmp_path / PRIVATE / "calendar.ics"
    here.parent.mkdir()
    here.write_bytes(vcalendar(vevent(f"DTSTART:{day(-5)}T100000Z", "SUMMARY:Here")))
    there = vcalendar(vevent(f"DTSTART:{day(-5)}T100000Z", "SUMMARY:There"))
    with FakeIcs(body=there) as server, raw_client(RUN_ENV=run_env) as wire:
        wire.initialize(secrets={"key": "A" * 43 + "="})
        ids = [connect(wire, address) for address in (server.address, str(here))]
        for account_id in ids:
            sync(wire, account_id)
        for address in (f"https://a≠b/{PRIVATE}", f"ftp://x/{PRIVATE}", f"{PRIVATE}.ics", f"/none/{PRIVATE}.ics"):
            credentials = {"address": address}
            refused = wire.call("calendar.accounts.create", provider="ics", email=OWNER, credentials=credentials)
            assert "error" in refused
            told.append(refused)
        server.redirects = {server.address.removeprefix(server.url): f"/{PRIVATE}/round"}
        server.redirects[f"/{PRIVATE}/round"] = f"http://calendar.invalid/{PRIVATE}"
        sync(wire, ids[0], "failed")
        server.redirects, server.status = {}, 404
        here.unlink()
        failed = [sync(wire, account_id, "failed") for account_id in ids]
        places = traces(wire, told, failed[0]["job_id"], data_dir)
    assert b"There" in places["sidecar.db"], "what is not secret is found"
    assert [name for name, text in places.items() if PRIVATE.encode() in text] == []


def test_an_account_is_made_changed_synced_and_deleted_over_the_wire_and_outlives_a_restart(
    raw_client: StartRawClient,
) -> None:
    with FakeIcs(body=vcalendar(vevent(f"DTSTART:{day(-5)}T100000Z", "SUMMARY:Tea"))) as server:
        with raw_client() as wire:
            wire.initialize()
            described = {one["id"]: one for one in wire.call("calendar.providers.list")["providers"]}
            assert (described["ics"]["auth"], described["ics"]["available"]) == ("address", True)
            account_id = connect(wire, server.address)
            sync(wire, account_id)
            wire.process.kill()
        server.put(vcalendar(vevent(f"DTSTART:{day(-5)}T100000Z", "SUMMARY:Cake")))
        with raw_client() as wire:
            wire.initialize()
            sync(wire, account_id)
            now = datetime.now(UTC)
            span = {"start": f"{now - timedelta(days=10):%Y-%m-%dT00:00:00Z}", "end": f"{now:%Y-%m-%dT00:00:00Z}"}
            assert [it["title"] for it in wire.call("calendar.events.list", **span)["events"]] == ["Cake"]
            renamed = wire.call("calendar.accounts.update", account_id=account_id, display_name="Family")
            assert renamed["display_name"] == "Family"
            assert wire.call("calendar.accounts.delete", account_id=account_id)["revoked"] is False
            assert wire.call("calendar.accounts.list") == {"accounts": []}
            assert wire.call("calendar.events.list", **span)["events"] == []
            wire.close_stdin()
            assert wire.exit_code() == 0


def test_a_file_of_ten_thousand_events_holds_nobody_up(raw_client: StartRawClient, tmp_path: Path) -> None:
    path = tmp_path / "large.ics"
    parts = (
        vevent(
            f"DTSTART;TZID=Europe/Berlin:{day(number % 300 - 150)}T100000",
            "DURATION:PT1H",
            f"SUMMARY:Meeting {number}",
            uid=f"{number}@example.com",
        )
        for number in range(EVENTS)
    )
    path.write_bytes(vcalendar(*parts))
    with raw_client() as wire:
        wire.initialize()
        account_id = connect(wire, str(path))
        job = wire.call("calendar.accounts.sync", account_id=account_id)
        answered = 0
        while (job := wire.call("jobs.get", job_id=job["job_id"]))["status"] in ("queued", "running"):
            answered += 1
        assert answered > 100, "the loop answered all the while"
        assert (job["status"], job["result"]["added"]) == ("succeeded", EVENTS)


def test_a_sync_that_waits_for_a_slow_server_can_be_cancelled(raw_client: StartRawClient) -> None:
    with FakeIcs(body=vcalendar(vevent(f"DTSTART:{day(-5)}T100000Z"))) as server, raw_client() as wire:
        wire.initialize()
        account_id = connect(wire, server.address)
        sync(wire, account_id)
        release = server.hold()
        asked = len(server.requests)
        job = wire.call("calendar.accounts.sync", account_id=account_id)
        server.wait_for(asked + 1)
        wire.call("jobs.cancel", job_id=job["job_id"])
        assert wire.until_job(job["job_id"], "cancelled")["status"] == "cancelled"
        release()
        assert wire.call("calendar.accounts.get", account_id=account_id)["status"] == "active"
