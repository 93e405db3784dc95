"""Calendar files in the real process: the secret address does not leak, a large file does not block the process."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.calendar.ics.harness import OWNER, day, vcalendar, vevent
from tests.calendar.outputs import collect_outputs
from tests.conftest import StartRawClient
from tests.fakes.ics import PRIVATE, FakeIcs
from tests.process.raw_client import RawClient

EVENTS = 10_000


def connect(wire: RawClient, address: str) -> str:
    """Connects an account; returns its id."""
    account = wire.call("calendar.accounts.create", provider="ics", email=OWNER, credentials={"address": address})
    account_id: str = account["account_id"]
    return account_id


def sync(wire: RawClient, account_id: str, status: str = "succeeded") -> dict[str, Any]:
    """Syncs an account; returns the job once it has this status."""
    job = wire.call("calendar.accounts.sync", account_id=account_id)
    return dict(wire.until_job(job["job_id"], status))


@pytest.mark.parametrize("run_env", ["dev", "prod"])
def test_the_address_is_found_nowhere_after_successes_and_failures(
    raw_client: StartRawClient, data_dir: Path, tmp_path: Path, run_env: str
) -> None:
    responses: list[Any] = []
    local = tmp_path / PRIVATE / "calendar.ics"
    local.parent.mkdir()
    local.write_bytes(vcalendar(vevent(f"DTSTART:{day(-5)}T100000Z", "SUMMARY:Local")))
    remote = vcalendar(vevent(f"DTSTART:{day(-5)}T100000Z", "SUMMARY:Remote"))
    with FakeIcs(body=remote) as server, raw_client(RUN_ENV=run_env) as wire:
        wire.initialize(secrets={"key": "A" * 43 + "="})
        ids = [connect(wire, address) for address in (server.address, str(local))]
        for account_id in ids:
            sync(wire, account_id)
        for address in (f"https://a≠b/{PRIVATE}", f"ftp://x/{PRIVATE}", f"{PRIVATE}.ics", f"/none/{PRIVATE}.ics"):
            credentials = {"address": address}
            refused = wire.call("calendar.accounts.create", provider="ics", email=OWNER, credentials=credentials)
            assert "error" in refused
            responses.append(refused)
        server.redirects = {server.address.removeprefix(server.url): f"/{PRIVATE}/round"}
        server.redirects[f"/{PRIVATE}/round"] = f"http://calendar.invalid/{PRIVATE}"
        sync(wire, ids[0], "failed")
        server.redirects, server.status = {}, 404
        local.unlink()
        failed = [sync(wire, account_id, "failed") for account_id in ids]
        outputs = collect_outputs(wire, responses, failed[0]["job_id"], data_dir)
    assert b"Remote" in outputs["sidecar.db"], "text that is not secret is found"
    assert [name for name, text in outputs.items() if PRIVATE.encode() in text] == []


def test_an_account_is_connected_renamed_synced_and_deleted_and_survives_a_kill(
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


def test_the_process_responds_while_it_reads_a_file_of_ten_thousand_events(
    raw_client: StartRawClient, tmp_path: Path
) -> None:
    path = tmp_path / "large.ics"
    events = (
        vevent(
            f"DTSTART;TZID=Europe/Berlin:{day(number % 300 - 150)}T100000",
            "DURATION:PT1H",
            f"SUMMARY:Meeting {number}",
            uid=f"{number}@example.com",
        )
        for number in range(EVENTS)
    )
    path.write_bytes(vcalendar(*events))
    with raw_client() as wire:
        wire.initialize()
        account_id = connect(wire, str(path))
        job = wire.call("calendar.accounts.sync", account_id=account_id)
        responses = 0
        while (job := wire.call("jobs.get", job_id=job["job_id"]))["status"] in ("queued", "running"):
            responses += 1
        assert responses > 100
        assert (job["status"], job["result"]["added"]) == ("succeeded", EVENTS)


def test_a_sync_that_waits_for_a_slow_server_can_be_cancelled(raw_client: StartRawClient) -> None:
    with FakeIcs(body=vcalendar(vevent(f"DTSTART:{day(-5)}T100000Z"))) as server, raw_client() as wire:
        wire.initialize()
        account_id = connect(wire, server.address)
        sync(wire, account_id)
        release = server.hold()
        requests = len(server.requests)
        job = wire.call("calendar.accounts.sync", account_id=account_id)
        server.wait_for(requests + 1)
        wire.call("jobs.cancel", job_id=job["job_id"])
        assert wire.until_job(job["job_id"], "cancelled")["status"] == "cancelled"
        release()
        assert wire.call("calendar.accounts.get", account_id=account_id)["status"] == "active"
