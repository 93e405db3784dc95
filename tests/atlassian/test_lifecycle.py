"""Accounts over restarts, of the old backend, with keys that are missing, and without a network."""

from base64 import b64encode
from pathlib import Path

import pytest
from sidecar_protocol.jira import SyncJira

from sidecar.settings import read_settings
from tests.atlassian.harness import Desk, open_desk
from tests.fakes.atlassian import FakeSite
from tests.in_process_app import EIGHT_O_CLOCK, ManualClock
from tests.old_backend import insert, old_database

KEY, OTHER_KEY = (b64encode(bytes([one]) * 32).decode() for one in (1, 2))
STAMPS = {"created_at": "2025-03-01T09:00:00Z", "updated_at": "2025-03-01T09:00:00Z"}


def old_account(folder: Path, site: FakeSite, base_url: str) -> None:
    """A database as the old backend left it, with Ada's account."""
    folder.mkdir(parents=True)
    token = next(iter(site.tokens))
    with old_database(folder) as old:
        row = {"account_id": "old", "service": "jira", "org": "example", "base_url": base_url, **STAMPS}
        insert(old, "atlassian_accounts", email="ada@example.com", api_token=token, **row)
        insert(old, "sync_state", connector="jira", cursor="2025-03-01 09:00", last_sync_at=STAMPS["created_at"])


@pytest.mark.parametrize("path", ["", "/", "/jira/your-work"])
async def test_an_account_of_the_old_backend_goes_on(
    data_dir: Path, site: FakeSite, clock: ManualClock, path: str
) -> None:
    site.jira.create(site.user("ada"), "Engine")
    old_account(data_dir, site, site.url + path)
    async with open_desk(data_dir / "sidecar.db", site, clock) as desk:
        (account,) = (await desk.jira.list_accounts()).accounts
        assert len((await desk.call("jobs.schedules.list"))["schedules"]) == 1
        await desk.sync(account)
        (account,) = (await desk.jira.list_accounts()).accounts
        assert (account.base_url, account.display_name) == (site.url, "Ada")
        event = (await desk.feed.list_events()).events[0]
        assert event.url == f"{site.url}/browse/PROJ-1"


async def test_an_old_address_that_is_none_asks_for_its_user(
    data_dir: Path, site: FakeSite, clock: ManualClock
) -> None:
    old_account(data_dir, site, "http://jira.example.com")
    async with open_desk(data_dir / "sidecar.db", site, clock) as desk:
        (account,) = (await desk.jira.list_accounts()).accounts
        job = await desk.sync(account, ends="failed")
        assert (job["error"]["kind"], site.requests) == ("site_address_invalid", [])
        assert desk.status() == [("jira", "needs_reauth", "site_address_invalid")]


async def test_a_restart_goes_on_where_the_last_life_has_stopped(
    data_dir: Path, site: FakeSite, clock: ManualClock
) -> None:
    for number in range(3):
        site.jira.create(site.user("ada"), f"Task {number}")
    async with open_desk(data_dir / "sidecar.db", site, clock) as desk:
        account = await desk.connect()
        await desk.sync(account)
    clock.advance(3600)
    site.jira.create(site.user("ada"), "Task 3")
    async with open_desk(data_dir / "sidecar.db", site, clock) as desk:
        job = await desk.sync(account)
        assert job["result"]["read"] == 1
        assert len(await desk.types()) == 4


async def test_a_deletion_that_was_interrupted_is_finished_by_the_next_start(
    data_dir: Path, site: FakeSite, clock: ManualClock
) -> None:
    site.jira.create(site.user("ada"), "Engine")
    async with open_desk(data_dir / "sidecar.db", site, clock) as desk:
        account = await desk.connect()
        await desk.sync(account)
        with desk.database.write():
            desk.database.execute("UPDATE atlassian_accounts SET status = 'deleting'")
    async with open_desk(data_dir / "sidecar.db", site, clock) as desk:
        assert ((await desk.jira.list_accounts()).accounts, await desk.types()) == ([], [])
        assert desk.database.rows("SELECT count(*) FROM atlassian_objects") == [(0,)]


async def life(desk: Desk, key: str | None) -> None:
    """Shake hands with this key."""
    await desk.initialize(**({"secrets": {"key": key}} if key else {}))


async def test_without_the_hosts_key_syncs_wait_and_nobody_is_asked_for_a_new_token(
    data_dir: Path, site: FakeSite, clock: ManualClock
) -> None:
    first = Desk(data_dir / "sidecar.db", site, clock)
    await life(first, KEY)
    async with first.working():
        account = await first.connect()
        await first.sync(account)
    first.close()
    asked = len(site.requests)
    clock.advance(60)
    second = Desk(data_dir / "sidecar.db", site, clock)
    await life(second, None)
    async with second.working():
        job = await second.put_off(account, "approval")
        assert (job["status"], len(site.requests)) == ("queued", asked)
        assert second.status()[-1:] in ([], [("jira", "active", None)])
    second.close()
    third = Desk(data_dir / "sidecar.db", site, clock)
    await life(third, OTHER_KEY)
    clock.advance(301)
    async with third.working():
        job = await third.sync(account, ends="failed")
        assert job["error"]["details"] == {"reason": "secret_unreadable"}
        assert third.status()[-1] == ("jira", "needs_reauth", "secret_unreadable")
    third.close()


async def test_offline_a_sync_waits_for_the_network(desk: Desk) -> None:
    account = await desk.connect()
    await desk.sync(account)
    with desk.database.write():
        desk.database.execute("UPDATE atlassian_accounts SET base_url = 'http://127.0.0.1:9'")
    job = await desk.put_off(account, "network")
    assert (job["status"], job["message"]) == ("queued", "Jira's sign-in: the server could not be reached.")


async def test_a_sync_of_an_account_that_is_gone_says_so(desk: Desk) -> None:
    made = await desk.call("jobs.create", {"type": "jira.sync", "payload": {"account_id": "nobody"}})
    job = await desk.until_job(made["job"]["job_id"], "failed")
    assert (job["error"]["kind"], job["payload"]) == ("account_gone", {"account_id": "nobody", "full": False})
    assert SyncJira(account_id="a").lock_key() == "account:a"
    assert desk.clock.now_ms() == EIGHT_O_CLOCK


@pytest.mark.parametrize("address", ["http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:65535"])
def test_the_gateways_address_may_be_moved_to_this_machine(tmp_path: Path, address: str) -> None:
    settings = read_settings({"APP_DATA_DIR": str(tmp_path), "ATLASSIAN_GATEWAY_URL": address})
    assert settings.atlassian_gateway == address.rstrip("/")


@pytest.mark.parametrize(
    "address", ["https://evil.example.com", "http://127.0.0.1.example.com:80", "http://10.0.0.1:1"]
)
def test_and_nowhere_else_since_tokens_are_sent_there(tmp_path: Path, address: str) -> None:
    with pytest.raises(ValueError, match="ATLASSIAN_GATEWAY_URL must be an address on this machine"):
        read_settings({"APP_DATA_DIR": str(tmp_path), "ATLASSIAN_GATEWAY_URL": address})
    assert read_settings({"APP_DATA_DIR": str(tmp_path)}).atlassian_gateway == "https://api.atlassian.com"
