"""Connecting a site, changing the account and deleting it.  Credentials are checked first and never shown."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from sidecar_protocol.atlassian import AtlassianAccount, AtlassianScope

from sidecar.commandline.client import RemoteError
from tests.atlassian.harness import AtlassianHarness
from tests.fakes.atlassian import Response, html
from tests.in_process_app import PATIENCE_S

SERVICES = ["jira", "confluence"]


def kind(error: pytest.ExceptionInfo[RemoteError]) -> str:
    """Returns the error's kind."""
    return str(error.value.data["kind"])


@pytest.mark.parametrize("service", SERVICES)
async def test_an_account_is_stored_once_the_site_has_accepted_its_token(
    harness: AtlassianHarness, service: str
) -> None:
    account = await harness.connect(service, scope="watched", token_expires_at="2027-01-01T00:00:00Z")
    assert account == AtlassianAccount.model_validate(
        {
            "account_id": account.account_id,
            "service": service,
            "org": "Example",
            "base_url": harness.site.url,
            "email": "ada@example.com",
            "status": "active",
            "display_name": "Ada",
            "scope": "watched",
            "token_expires_at": "2027-01-01T00:00:00.000Z",
            "created_at": "2026-11-23T08:00:00.000Z",
            "updated_at": "2026-11-23T08:00:00.000Z",
        }
    )
    await harness.sync(account)
    listed = await (harness.jira if service == "jira" else harness.confluence).list_accounts()
    assert [one.account_id for one in listed.accounts] == [account.account_id]
    assert listed.accounts[0].last_sync_at == "2026-11-23T08:00:00.000Z"
    assert harness.status_updates() == [(service, "active", None)]


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("sends_login_reason", [True, False])
async def test_a_wrong_token_is_refused_and_nothing_is_stored(
    harness: AtlassianHarness, service: str, sends_login_reason: bool
) -> None:
    harness.site.sends_login_reason = sends_login_reason
    with pytest.raises(RemoteError) as error:
        await harness.connect(service, api_token="not-the-token")
    assert kind(error) == "credentials_rejected"
    assert "not-the-token" not in str(error.value.data)
    assert (await harness.call(f"{service}.accounts.list"))["accounts"] == []


@pytest.mark.parametrize("service", SERVICES)
async def test_a_token_with_scopes_works_through_the_gateway_and_links_point_to_the_site(
    harness: AtlassianHarness, service: str
) -> None:
    harness.site.jira.create(harness.ada, "Engine")
    harness.site.confluence.create(harness.ada, "Minutes")
    account = await harness.connect(service, api_token=harness.site.token(harness.ada, scoped=True))
    harness.site.requests.clear()
    await harness.sync(account)
    assert harness.site.requests
    assert all(one.by_gateway for one in harness.site.requests)
    event = (await harness.feed.list_events()).events[0]
    assert event.url is not None
    assert event.url.startswith(f"{harness.site.url}/{'browse' if service == 'jira' else 'wiki'}/")


async def test_the_cloud_id_is_requested_without_the_token(harness: AtlassianHarness) -> None:
    await harness.connect(api_token=harness.site.token(harness.ada, scoped=True))
    assert ["authorization" in one.headers for one in harness.site.requests_to("tenant_info")] == [False]


async def test_one_token_may_serve_both_products(harness: AtlassianHarness) -> None:
    jira, confluence = await harness.connect("jira"), await harness.connect("confluence")
    assert jira.account_id != confluence.account_id
    assert (await harness.call("jira.accounts.list"))["accounts"][0]["service"] == "jira"


@pytest.mark.parametrize("twice", [{}, {"email": "ADA@example.com"}, {"path": "/jira/your-work?x=1"}])
async def test_a_site_and_email_address_can_be_connected_only_once(
    harness: AtlassianHarness, twice: dict[str, str]
) -> None:
    account = await harness.connect()
    more: dict[str, Any] = {"email": twice["email"]} if "email" in twice else {}
    with pytest.raises(RemoteError) as error:
        await harness.connect(base_url=harness.site.url + twice.get("path", ""), **more)
    assert kind(error) == "account_exists"
    assert error.value.data["details"] == [{"account_id": account.account_id}]


@pytest.mark.parametrize("address", ["http://example.atlassian.net", "ftp://x", "https://", "https://ada:pw@x.net"])
async def test_an_invalid_address_is_refused_without_a_request(harness: AtlassianHarness, address: str) -> None:
    with pytest.raises(RemoteError) as error:
        await harness.connect(base_url=address)
    assert kind(error) == "site_address_invalid"
    assert "pw" not in str(error.value.data) + str(error.value)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (html(200, "Welcome to my blog"), "site_address_invalid"),
        (html(404, "Not found"), "site_address_invalid"),
        (Response(503, {}), "service_unreachable"),
        (Response(429, {}, {"Retry-After": "600"}), "service_unreachable"),
        (Response(302, b"", {"Location": "https://new.atlassian.net/"}), "service_unreachable"),
    ],
    ids=["html", "404", "503", "429", "moved"],
)
async def test_an_unavailable_site_is_distinguished_from_one_that_rejects_the_token(
    harness: AtlassianHarness, response: Response, expected: str
) -> None:
    harness.site.fail("myself", response, times=9)
    with pytest.raises(RemoteError) as error:
        await harness.connect()
    assert kind(error) == expected
    assert error.value.data.get("retry_after_ms") == (600_000 if response.status == 429 else None)


@pytest.mark.parametrize("service", SERVICES)
async def test_deleting_an_account_removes_all_its_data(harness: AtlassianHarness, service: str) -> None:
    harness.site.jira.create(harness.ada, "Engine")
    harness.site.confluence.create(harness.ada, "Minutes")
    other = await harness.connect("confluence" if service == "jira" else "jira")
    account = await harness.connect(service)
    await harness.sync(other)
    await harness.sync(account)
    assert len(await harness.event_types()) == 2
    deleted = await harness.call(f"{service}.accounts.delete", {"account_id": account.account_id})
    assert deleted == {"account_id": account.account_id}
    assert [event.account_id for event in (await harness.feed.list_events()).events] == [other.account_id]
    schedules = (await harness.call("jobs.schedules.list"))["schedules"]
    assert [one["payload"]["account_id"] for one in schedules] == [other.account_id]
    for table in ("atlassian_accounts", "atlassian_objects"):
        rows = harness.database.rows(f"SELECT DISTINCT account_id FROM {table}")
        assert rows == [(other.account_id,)]
    assert harness.stored_cursor(account) is None
    assert harness.status_updates()[-2:] == [(service, "deleting", None), (service, "deleted", None)]
    with pytest.raises(RemoteError) as error:
        await harness.call(f"{service}.accounts.sync", {"account_id": account.account_id})
    assert kind(error) == "account_not_found"


async def test_an_account_can_be_deleted_during_its_sync(harness: AtlassianHarness) -> None:
    for number in range(300):
        harness.site.jira.create(harness.ada, f"Task {number}")
    account = await harness.connect()
    await harness.until(lambda _: harness.named("activity.changed"))
    await harness.jira.delete_account(account_id=account.account_id)
    await harness.run_pending()
    assert await harness.event_types() == []
    assert harness.database.rows("SELECT count(*) FROM atlassian_objects") == [(0,)]


async def test_confluence_accounts_are_created_updated_synced_and_deleted(harness: AtlassianHarness) -> None:
    token = next(iter(harness.site.tokens))
    account = await harness.confluence.create_account(
        org="Example", base_url=harness.site.url, email=harness.ada.email, api_token=token
    )
    account = await harness.confluence.update_account(account_id=account.account_id, org="Renamed")
    job = await harness.confluence.sync_account(account_id=account.account_id)
    await harness.until_job(job.job_id, "succeeded")
    assert [one.org for one in (await harness.confluence.list_accounts()).accounts] == ["Renamed"]
    await harness.confluence.delete_account(account_id=account.account_id)
    assert (await harness.confluence.list_accounts()).accounts == []


async def test_one_product_cannot_change_the_others_accounts(harness: AtlassianHarness) -> None:
    account = await harness.connect("jira")
    params = {"account_id": account.account_id}
    for method in ("sync", "delete", "update"):
        with pytest.raises(RemoteError) as error:
            await harness.call(f"confluence.accounts.{method}", params)
        assert kind(error) == "account_not_found"


@pytest.mark.parametrize("service", SERVICES)
async def test_a_new_token_is_checked_before_it_replaces_the_old_one(harness: AtlassianHarness, service: str) -> None:
    account = await harness.connect(service)
    params = {"account_id": account.account_id, "api_token": "wrong"}
    with pytest.raises(RemoteError) as error:
        await harness.call(f"{service}.accounts.update", params)
    assert kind(error) == "credentials_rejected"
    await harness.sync(account)


async def test_a_token_of_another_user_makes_the_sync_start_over(harness: AtlassianHarness) -> None:
    grace = harness.site.user("grace")
    harness.site.jira.create(harness.ada, "Ada's")
    harness.site.jira.create(grace, "Grace's")
    account = await harness.connect()
    await harness.sync(account)
    grace.email = "ada@example.com"  # the address now belongs to Grace
    del harness.site.tokens[next(iter(harness.site.tokens))]
    token = harness.site.token(grace, "graces-token")
    updated = await harness.jira.update_account(account_id=account.account_id, api_token=token)
    await harness.sync(account)
    assert updated.display_name == "Grace"
    assert await harness.events() == [("issue_created", "PROJ-2 Grace's", "About Grace's")]


async def test_the_client_is_warned_once_before_a_token_expires(harness: AtlassianHarness) -> None:
    account = await harness.connect(token_expires_at="2026-12-10T00:00:00Z")
    await harness.sync(account)
    assert harness.status_updates() == [("jira", "active", None)]
    harness.clock.advance(5 * 24 * 3600)
    await harness.sync(account)
    await harness.sync(account)
    assert harness.status_updates()[1:] == [("jira", "active", "token_expires_soon")]
    later = "2027-12-01T00:00:00.000Z"
    renewed = await harness.jira.update_account(account_id=account.account_id, token_expires_at=later)
    assert renewed.token_expires_at == later
    await harness.sync(account)
    assert harness.status_updates()[-1] == ("jira", "active", None)


async def test_a_scope_set_during_a_sync_takes_effect(harness: AtlassianHarness) -> None:
    for number in range(150):
        harness.site.jira.create(harness.ada, f"Task {number}")
    issue = next(iter(harness.site.jira.issues.values()))
    harness.site.jira.comment(issue, harness.site.user("grace"), "Hers")
    account = await harness.connect()
    await harness.until(lambda _: harness.named("activity.changed"))  # it is running
    await harness.jira.update_account(account_id=account.account_id, scope=AtlassianScope.WATCHED)
    await harness.until(lambda _: len(succeeded_syncs(harness)) == 2)
    assert (await harness.event_types()).count("issue_commented") == 1
    assert len(await harness.event_types()) == 151


def succeeded_syncs(harness: AtlassianHarness) -> set[str]:
    """Returns the ids of the syncs that have succeeded."""
    jobs = [one["job"] for one in harness.named("jobs.updated")]
    return {job["job_id"] for job in jobs if job["type"] == "jira.sync" and job["status"] == "succeeded"}


async def test_a_token_replaced_while_the_old_one_fails_is_kept(harness: AtlassianHarness) -> None:
    account = await harness.connect()
    await harness.sync(account)
    old, renewed = harness.token(), harness.site.token(harness.ada, "the-renewed-token")
    loop = asyncio.get_running_loop()

    def replace(path: str) -> None:
        if path.endswith("search/jql") and not old.expired:
            old.expired = True
            update = harness.jira.update_account(account_id=account.account_id, api_token=renewed)
            asyncio.run_coroutine_threadsafe(_wait_for(update), loop).result(PATIENCE_S)

    harness.site.before_request = replace
    job = await harness.sync_until_snoozed(account, "retry")
    assert job["error"]["kind"] == "sign_in_replaced"
    harness.clock.advance(60)
    harness.look_for_jobs()
    await harness.until_job(job["job_id"], "succeeded")
    (account,) = (await harness.jira.list_accounts()).accounts
    assert (account.status.value, account.reason) == ("active", None)
    assert harness.status_updates() == [("jira", "active", None)]


async def _wait_for(call: Awaitable[object]) -> object:
    return await call


async def test_a_second_request_to_sync_returns_the_unfinished_job(harness: AtlassianHarness) -> None:
    account = await harness.connect()
    first = await harness.jira.sync_account(account_id=account.account_id)
    second = await harness.jira.sync_account(account_id=account.account_id)
    assert first.job_id == second.job_id


async def test_syncs_of_one_account_never_run_concurrently(harness: AtlassianHarness) -> None:
    harness.site.jira.create(harness.ada, "Engine")
    account = await harness.connect()
    full = await harness.jira.sync_account(account_id=account.account_id, full=True)
    await harness.until_job(full.job_id, "succeeded")
    jobs = [one["job"] for one in harness.named("jobs.updated") if one["job"]["type"] == "jira.sync"]
    running: set[str] = set()
    for job in jobs:
        running = running | {job["job_id"]} if job["status"] == "running" else running - {job["job_id"]}
        assert len(running) <= 1
