"""Addresses of sites: several of one site, sites that moved, and errors that an address is not to blame for."""

import pytest
from sidecar_protocol.atlassian import AtlassianAccount

from sidecar.commandline.client import RemoteError
from tests.atlassian.harness import AtlassianHarness
from tests.fakes.atlassian import FakeSite, Response, html

SERVICES = ["jira", "confluence"]


async def error_of(harness: AtlassianHarness, method: str, **params: object) -> RemoteError:
    """Returns the error of a call."""
    with pytest.raises(RemoteError) as caught:
        await harness.call(method, params)
    return caught.value


async def connection_error(harness: AtlassianHarness, service: str = "jira", **params: object) -> RemoteError:
    """Returns the error of a connection, which must store nothing more."""
    before = len((await harness.call(f"{service}.accounts.list"))["accounts"])
    with pytest.raises(RemoteError) as caught:
        await harness.connect(service, **params)
    assert len((await harness.call(f"{service}.accounts.list"))["accounts"]) == before
    return caught.value


async def stored(harness: AtlassianHarness, account: AtlassianAccount) -> AtlassianAccount:
    """Returns the account as it is now."""
    accounts = (await harness.jira.list_accounts()).accounts
    return next(one for one in accounts if one.account_id == account.account_id)


UNREADABLE_IDS = [
    Response(503, {}),
    Response(500, b"Oops"),
    html(404, "Not found"),
    html(200, "Welcome"),
    Response(403, {}),
    Response(302, b"", {"Location": "https://id.atlassian.com/login"}),
    Response(302, b"", {"Location": "https://example.com/"}),
    Response(200, {"cloudId": "../../evil"}),
    Response(200, []),
]


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("answer", UNREADABLE_IDS)
async def test_a_mistyped_token_is_not_blamed_on_the_address_if_the_sites_id_cannot_be_read(
    harness: AtlassianHarness, service: str, answer: Response
) -> None:
    harness.site.fail("tenant_info", answer, times=99)
    error = await connection_error(harness, service, api_token="mistyped")
    assert (error.data["kind"], "token" in error.data["hint"]) == ("credentials_rejected", True)


@pytest.mark.parametrize("answer", UNREADABLE_IDS)
async def test_a_token_that_works_at_the_site_is_accepted_without_the_sites_id_which_a_sync_reads_later(
    harness: AtlassianHarness, answer: Response
) -> None:
    harness.site.fail("tenant_info", answer, times=99)
    account = await harness.connect()
    await harness.sync(account)
    harness.site.faults.clear()
    await harness.sync(account)
    error = await connection_error(harness, base_url=harness.site.other_url)
    assert error.data["details"] == [{"account_id": account.account_id}]
    count = len(harness.site.requests_to("tenant_info"))
    await harness.sync(account)
    assert len(harness.site.requests_to("tenant_info")) == count, "it is known now"


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("scoped", [True, False])
async def test_a_network_that_the_site_does_not_allow_is_not_blamed_on_the_token(
    harness: AtlassianHarness, service: str, scoped: bool
) -> None:
    token = harness.site.token(harness.ada, scoped=scoped)
    harness.site.refusal = Response(403, {"errorMessages": ["Die IP-Adresse ist nicht zugelassen."]})
    error = await connection_error(harness, service, api_token=token)
    assert (error.data["kind"], "VPN" in error.data["hint"]) == ("access_denied", True)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("scoped", [True, False])
async def test_a_site_is_connected_once_by_whichever_of_its_addresses(
    harness: AtlassianHarness, service: str, scoped: bool
) -> None:
    token = harness.site.token(harness.ada, scoped=scoped)
    first = await harness.connect(service, api_token=token)
    error = await connection_error(harness, service, base_url=harness.site.other_url)
    assert (error.data["kind"], error.data["details"]) == ("account_exists", [{"account_id": first.account_id}])
    other = "confluence" if service == "jira" else "jira"
    await harness.connect(other, base_url=harness.site.other_url)


async def test_two_users_of_a_site_can_be_connected(harness: AtlassianHarness) -> None:
    await harness.connect()
    grace = harness.site.user("grace")
    await harness.connect(
        base_url=harness.site.other_url, email=grace.email, api_token=harness.site.token(grace, "graces-token")
    )
    assert len((await harness.jira.list_accounts()).accounts) == 2


async def test_one_user_can_be_connected_at_two_sites(harness: AtlassianHarness) -> None:
    await harness.connect()
    with FakeSite(harness.clock.now_ms) as other:
        other.cloud_id = "99999999-2222-3333-4444-555555555555"
        await harness.connect(base_url=other.url, api_token=other.token(other.user("ada")))
    assert len((await harness.jira.list_accounts()).accounts) == 2


async def test_a_moved_site_is_named_and_its_new_address_makes_the_account_work_again(
    harness: AtlassianHarness,
) -> None:
    harness.site.jira.create(harness.ada, "Before")
    account = await harness.connect()
    await harness.sync(account)
    harness.site.move()
    job = await harness.sync(account, ends="failed")
    assert (job["error"]["details"], "new address" in job["error"]["hint"]) == ({"reason": "site_moved"}, True)
    assert (await stored(harness, account)).status.value == "retrying"
    harness.site.jira.create(harness.ada, "After")
    updated = await harness.jira.update_account(
        account_id=account.account_id, base_url=harness.site.other_url + "/jira/your-work"
    )
    assert (updated.status.value, updated.reason, updated.base_url) == ("active", None, harness.site.other_url)
    assert (updated.scope, updated.org, updated.email) == (account.scope, account.org, account.email)
    await harness.until(lambda _: harness.named("activity.changed")[-1]["updated"])
    events = (await harness.feed.list_events()).events
    assert sorted((one.title, one.url) for one in events) == [
        ("PROJ-1 Before", f"{harness.site.other_url}/browse/PROJ-1"),
        ("PROJ-2 After", f"{harness.site.other_url}/browse/PROJ-2"),
    ], "nothing is doubled, and all links lead to the new address"


async def test_a_new_address_and_a_new_token_can_be_given_together(harness: AtlassianHarness) -> None:
    account = await harness.connect(token_expires_at="2027-01-01T00:00:00Z")
    harness.site.move()
    token = harness.site.token(harness.ada, "a-new-token", scoped=True)
    params = {"account_id": account.account_id, "base_url": harness.site.other_url, "api_token": token}
    updated = await harness.call("jira.accounts.update", params)
    assert (updated["base_url"], updated["token_expires_at"]) == (harness.site.other_url, None)
    await harness.sync(account)


async def test_another_sites_address_is_refused_and_changes_nothing(harness: AtlassianHarness) -> None:
    harness.site.jira.create(harness.ada, "Mine")
    account = await harness.connect()
    await harness.sync(account)
    before = await stored(harness, account)
    with FakeSite(harness.clock.now_ms) as other:
        other.cloud_id = "99999999-2222-3333-4444-555555555555"
        other.tokens = harness.site.tokens
        params = {"account_id": account.account_id, "base_url": other.url}
        error = await error_of(harness, "jira.accounts.update", **params)
        assert (error.data["kind"], "another site" in error.message) == ("site_address_invalid", True)
        other.fail("tenant_info", Response(503, {}), times=99)
        error = await error_of(harness, "jira.accounts.update", **params)
        assert error.data["kind"] == "service_unreachable", "it is not known to be the same site"
    for address in ("http://jira.example.com", "https://"):
        error = await error_of(harness, "jira.accounts.update", account_id=account.account_id, base_url=address)
        assert error.data["kind"] == "site_address_invalid"
    assert await stored(harness, account) == before
    await harness.sync(account)
    assert await harness.event_types() == ["issue_created"]


async def test_an_update_cannot_connect_a_user_a_second_time(harness: AtlassianHarness) -> None:
    first = await harness.connect()
    grace = harness.site.user("grace")
    second = await harness.connect(email=grace.email, api_token=harness.site.token(grace, "graces-token"))
    harness.ada.email, ada_email = grace.email, harness.ada.email  # the address now belongs to Ada
    token = harness.site.token(harness.ada, "adas-second-token")
    error = await error_of(harness, "jira.accounts.update", account_id=second.account_id, api_token=token)
    assert (error.data["kind"], error.data["details"]) == ("account_exists", [{"account_id": first.account_id}])
    harness.ada.email = ada_email
