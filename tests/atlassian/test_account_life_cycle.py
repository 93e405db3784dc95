"""Accounts after restarts, of the old backend, with missing keys, and without a network."""

from base64 import b64encode
from pathlib import Path

import pytest
from sidecar_protocol.jira import SyncJira

from sidecar.settings import read_settings
from tests.atlassian.harness import AtlassianHarness, open_harness
from tests.fakes.atlassian import FakeSite
from tests.in_process_app import EIGHT_O_CLOCK, ManualClock
from tests.old_backend import insert, old_database

KEY, OTHER_KEY = (b64encode(bytes([one]) * 32).decode() for one in (1, 2))
STAMPS = {"created_at": "2025-03-01T09:00:00Z", "updated_at": "2025-03-01T09:00:00Z"}


def old_account(folder: Path, site: FakeSite, base_url: str) -> None:
    """Creates a database of the old backend with Ada's account."""
    folder.mkdir(parents=True)
    token = next(iter(site.tokens))
    with old_database(folder) as old:
        row = {"account_id": "old", "service": "jira", "org": "example", "base_url": base_url, **STAMPS}
        insert(old, "atlassian_accounts", email="ada@example.com", api_token=token, **row)
        insert(old, "sync_state", connector="jira", cursor="2025-03-01 09:00", last_sync_at=STAMPS["created_at"])


@pytest.mark.parametrize("path", ["", "/", "/jira/your-work"])
async def test_an_account_of_the_old_backend_is_synced(
    data_dir: Path, site: FakeSite, clock: ManualClock, path: str
) -> None:
    site.jira.create(site.user("ada"), "Engine")
    old_account(data_dir, site, site.url + path)
    async with open_harness(data_dir / "sidecar.db", site, clock) as harness:
        (account,) = (await harness.jira.list_accounts()).accounts
        assert len((await harness.call("jobs.schedules.list"))["schedules"]) == 1
        await harness.sync(account)
        (account,) = (await harness.jira.list_accounts()).accounts
        assert (account.base_url, account.display_name) == (site.url, "Ada")
        event = (await harness.feed.list_events()).events[0]
        assert event.url == f"{site.url}/browse/PROJ-1"


async def test_an_invalid_address_of_the_old_backend_needs_its_user(
    data_dir: Path, site: FakeSite, clock: ManualClock
) -> None:
    old_account(data_dir, site, "http://jira.example.com")
    async with open_harness(data_dir / "sidecar.db", site, clock) as harness:
        (account,) = (await harness.jira.list_accounts()).accounts
        job = await harness.sync(account, ends="failed")
        assert (job["error"]["kind"], site.requests) == ("needs_reauth", [])
        assert harness.status_updates() == [("jira", "needs_reauth", "site_address_invalid")]


async def test_a_restart_continues_at_the_stored_cursor(data_dir: Path, site: FakeSite, clock: ManualClock) -> None:
    for number in range(3):
        site.jira.create(site.user("ada"), f"Task {number}")
    async with open_harness(data_dir / "sidecar.db", site, clock) as harness:
        account = await harness.connect()
        await harness.sync(account)
    clock.advance(3600)
    site.jira.create(site.user("ada"), "Task 3")
    async with open_harness(data_dir / "sidecar.db", site, clock) as harness:
        job = await harness.sync(account)
        assert job["result"]["read"] == 1
        assert len(await harness.event_types()) == 4


async def test_an_interrupted_deletion_is_finished_by_the_next_start(
    data_dir: Path, site: FakeSite, clock: ManualClock
) -> None:
    site.jira.create(site.user("ada"), "Engine")
    async with open_harness(data_dir / "sidecar.db", site, clock) as harness:
        account = await harness.connect()
        await harness.sync(account)
        with harness.database.write():
            harness.database.execute("UPDATE atlassian_accounts SET status = 'deleting'")
    async with open_harness(data_dir / "sidecar.db", site, clock) as harness:
        assert ((await harness.jira.list_accounts()).accounts, await harness.event_types()) == ([], [])
        assert harness.database.rows("SELECT count(*) FROM atlassian_objects") == [(0,)]


async def initialize(harness: AtlassianHarness, key: str | None) -> None:
    """Makes the handshake with this key."""
    await harness.initialize(**({"secrets": {"key": key}} if key else {}))


async def test_without_the_clients_key_syncs_wait_and_no_new_token_is_needed(
    data_dir: Path, site: FakeSite, clock: ManualClock
) -> None:
    first = AtlassianHarness(data_dir / "sidecar.db", site, clock)
    await initialize(first, KEY)
    async with first.working():
        account = await first.connect()
        await first.sync(account)
    first.close()
    requests = len(site.requests)
    clock.advance(60)
    second = AtlassianHarness(data_dir / "sidecar.db", site, clock)
    await initialize(second, None)
    async with second.working():
        job = await second.sync_until_snoozed(account, "approval")
        assert (job["status"], len(site.requests)) == ("queued", requests)
        assert second.status_updates()[-1:] in ([], [("jira", "active", None)])
    second.close()
    third = AtlassianHarness(data_dir / "sidecar.db", site, clock)
    await initialize(third, OTHER_KEY)
    clock.advance(301)
    async with third.working():
        job = await third.sync(account, ends="failed")
        assert job["error"]["details"] == {"reason": "secret_unreadable"}
        assert third.status_updates()[-1] == ("jira", "needs_reauth", "secret_unreadable")
    third.close()


async def test_offline_a_sync_waits_for_the_network(harness: AtlassianHarness) -> None:
    account = await harness.connect()
    await harness.sync(account)
    with harness.database.write():
        harness.database.execute("UPDATE atlassian_accounts SET base_url = 'http://127.0.0.1:9'")
    job = await harness.sync_until_snoozed(account, "network")
    assert (job["status"], job["message"]) == ("queued", "Jira's sign-in: the server could not be reached.")


async def test_a_sync_of_a_deleted_account_fails(harness: AtlassianHarness) -> None:
    created = await harness.call("jobs.create", {"type": "jira.sync", "payload": {"account_id": "unknown"}})
    job = await harness.until_job(created["job"]["job_id"], "failed")
    assert (job["error"]["kind"], job["payload"]) == ("account_not_found", {"account_id": "unknown", "full": False})
    assert SyncJira(account_id="a").lock_key() == "account:a"
    assert harness.clock.now_ms() == EIGHT_O_CLOCK


@pytest.mark.parametrize("address", ["http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:65535"])
def test_the_gateways_address_may_be_on_this_machine(tmp_path: Path, address: str) -> None:
    settings = read_settings({"APP_DATA_DIR": str(tmp_path), "ATLASSIAN_GATEWAY_URL": address})
    assert settings.atlassian_gateway == address.rstrip("/")


@pytest.mark.parametrize(
    "address", ["https://evil.example.com", "http://127.0.0.1.example.com:80", "http://10.0.0.1:1"]
)
def test_the_gateways_address_may_be_nowhere_else_since_tokens_are_sent_there(tmp_path: Path, address: str) -> None:
    with pytest.raises(ValueError, match="ATLASSIAN_GATEWAY_URL must be an address on this machine"):
        read_settings({"APP_DATA_DIR": str(tmp_path), "ATLASSIAN_GATEWAY_URL": address})
    assert read_settings({"APP_DATA_DIR": str(tmp_path)}).atlassian_gateway == "https://api.atlassian.com"
