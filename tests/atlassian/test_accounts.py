"""Connecting a site, changing the account and deleting it: credentials are checked first and never shown."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from sidecar_protocol.atlassian import AtlassianAccount, AtlassianScope

from sidecar.commandline.client import RemoteError
from tests.atlassian.harness import Desk
from tests.fakes.atlassian import Response, html
from tests.in_process_app import PATIENCE_S

SERVICES = ["jira", "confluence"]


def kind(error: pytest.ExceptionInfo[RemoteError]) -> str:
    """The word that clients branch on."""
    return str(error.value.data["kind"])


@pytest.mark.parametrize("service", SERVICES)
async def test_an_account_is_stored_once_the_site_has_taken_its_token(desk: Desk, service: str) -> None:
    account = await desk.connect(service, scope="watched", token_expires_at="2027-01-01T00:00:00Z")
    assert account == AtlassianAccount.model_validate(
        {
            "account_id": account.account_id,
            "service": service,
            "org": "Example",
            "base_url": desk.site.url,
            "email": "ada@example.com",
            "status": "active",
            "display_name": "Ada",
            "scope": "watched",
            "token_expires_at": "2027-01-01T00:00:00.000Z",
            "created_at": "2026-11-23T08:00:00.000Z",
            "updated_at": "2026-11-23T08:00:00.000Z",
        }
    )
    await desk.sync(account)
    listed = await (desk.jira if service == "jira" else desk.confluence).list_accounts()
    assert [one.account_id for one in listed.accounts] == [account.account_id]
    assert listed.accounts[0].last_sync_at == "2026-11-23T08:00:00.000Z"
    assert desk.status() == [(service, "active", None)]


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("sends_login_reason", [True, False])
async def test_a_wrong_token_is_refused_and_nothing_is_stored(
    desk: Desk, service: str, sends_login_reason: bool
) -> None:
    desk.site.sends_login_reason = sends_login_reason
    with pytest.raises(RemoteError) as error:
        await desk.connect(service, api_token="not-the-token")
    assert kind(error) == "credentials_rejected"
    assert "not-the-token" not in str(error.value.data)
    assert (await desk.call(f"{service}.accounts.list"))["accounts"] == []


@pytest.mark.parametrize("service", SERVICES)
async def test_a_token_with_scopes_is_taken_by_the_gateway_and_links_keep_the_site(desk: Desk, service: str) -> None:
    desk.site.jira.create(desk.ada, "Engine")
    desk.site.confluence.create(desk.ada, "Minutes")
    account = await desk.connect(service, api_token=desk.site.token(desk.ada, scoped=True))
    desk.site.requests.clear()
    await desk.sync(account)
    assert desk.site.requests
    assert all(one.by_gateway for one in desk.site.requests)
    event = (await desk.feed.list_events()).events[0]
    assert event.url is not None
    assert event.url.startswith(f"{desk.site.url}/{'browse' if service == 'jira' else 'wiki'}/")


async def test_the_cloud_id_is_asked_for_without_the_token(desk: Desk) -> None:
    await desk.connect(api_token=desk.site.token(desk.ada, scoped=True))
    assert ["authorization" in one.headers for one in desk.site.requests_to("tenant_info")] == [False]


async def test_one_token_may_serve_both_products(desk: Desk) -> None:
    jira, confluence = await desk.connect("jira"), await desk.connect("confluence")
    assert jira.account_id != confluence.account_id
    assert (await desk.call("jira.accounts.list"))["accounts"][0]["service"] == "jira"


@pytest.mark.parametrize("twice", [{}, {"email": "ADA@example.com"}, {"path": "/jira/your-work?x=1"}])
async def test_a_site_and_address_are_connected_once(desk: Desk, twice: dict[str, str]) -> None:
    account = await desk.connect()
    more: dict[str, Any] = {"email": twice["email"]} if "email" in twice else {}
    with pytest.raises(RemoteError) as error:
        await desk.connect(base_url=desk.site.url + twice.get("path", ""), **more)
    assert kind(error) == "atlassian_account_exists"
    assert error.value.data["details"] == [{"account_id": account.account_id}]


@pytest.mark.parametrize("address", ["http://example.atlassian.net", "ftp://x", "https://", "https://ada:pw@x.net"])
async def test_an_address_that_is_none_is_refused_without_being_asked(desk: Desk, address: str) -> None:
    with pytest.raises(RemoteError) as error:
        await desk.connect(base_url=address)
    assert kind(error) == "site_address_invalid"
    assert "pw" not in str(error.value.data) + str(error.value)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (html(200, "Welcome to my blog"), "site_address_invalid"),
        (html(404, "Not found"), "site_address_invalid"),
        (Response(503, {}), "site_unavailable"),
        (Response(429, {}, {"Retry-After": "600"}), "site_unavailable"),
        (Response(302, b"", {"Location": "https://new.atlassian.net/"}), "site_unavailable"),
    ],
    ids=["html", "404", "503", "429", "moved"],
)
async def test_a_site_that_cannot_say_is_told_apart_from_one_that_says_no(
    desk: Desk, answer: Response, expected: str
) -> None:
    desk.site.fail("myself", answer, times=9)
    with pytest.raises(RemoteError) as error:
        await desk.connect()
    assert kind(error) == expected
    assert error.value.data.get("retry_after_ms") == (600_000 if answer.status == 429 else None)


@pytest.mark.parametrize("service", SERVICES)
async def test_deleting_an_account_leaves_nothing_of_it(desk: Desk, service: str) -> None:
    desk.site.jira.create(desk.ada, "Engine")
    desk.site.confluence.create(desk.ada, "Minutes")
    kept = await desk.connect("confluence" if service == "jira" else "jira")
    account = await desk.connect(service)
    await desk.sync(kept)
    await desk.sync(account)
    assert len(await desk.types()) == 2
    gone = await desk.call(f"{service}.accounts.delete", {"account_id": account.account_id})
    assert gone == {"account_id": account.account_id}
    assert [event.account_id for event in (await desk.feed.list_events()).events] == [kept.account_id]
    schedules = (await desk.call("jobs.schedules.list"))["schedules"]
    assert [one["payload"]["account_id"] for one in schedules] == [kept.account_id]
    for table in ("atlassian_accounts", "atlassian_objects"):
        rows = desk.database.rows(f"SELECT DISTINCT account_id FROM {table}")
        assert rows == [(kept.account_id,)]
    assert desk.position(account) is None
    assert desk.status()[-2:] == [(service, "deleting", None), (service, "deleted", None)]
    with pytest.raises(RemoteError) as error:
        await desk.call(f"{service}.accounts.sync", {"account_id": account.account_id})
    assert kind(error) == "atlassian_account_not_found"


async def test_an_account_can_be_deleted_in_the_middle_of_its_sync(desk: Desk) -> None:
    for number in range(300):
        desk.site.jira.create(desk.ada, f"Task {number}")
    account = await desk.connect()
    await desk.until(lambda _: desk.named("activity.changed"))
    await desk.jira.delete_account(account_id=account.account_id)
    await desk.settle()
    assert await desk.types() == []
    assert desk.database.rows("SELECT count(*) FROM atlassian_objects") == [(0,)]


async def test_confluences_accounts_are_made_changed_synced_and_deleted_alike(desk: Desk) -> None:
    token = next(iter(desk.site.tokens))
    account = await desk.confluence.create_account(
        org="Example", base_url=desk.site.url, email=desk.ada.email, api_token=token
    )
    account = await desk.confluence.update_account(account_id=account.account_id, org="Renamed")
    job = await desk.confluence.sync_account(account_id=account.account_id)
    await desk.until_job(job.job_id, "succeeded")
    assert [one.org for one in (await desk.confluence.list_accounts()).accounts] == ["Renamed"]
    await desk.confluence.delete_account(account_id=account.account_id)
    assert (await desk.confluence.list_accounts()).accounts == []


async def test_one_product_does_not_touch_the_others_account(desk: Desk) -> None:
    account = await desk.connect("jira")
    params = {"account_id": account.account_id}
    for method in ("sync", "delete", "update"):
        with pytest.raises(RemoteError) as error:
            await desk.call(f"confluence.accounts.{method}", params)
        assert kind(error) == "atlassian_account_not_found"


@pytest.mark.parametrize("service", SERVICES)
async def test_a_new_token_is_checked_before_it_replaces_the_old_one(desk: Desk, service: str) -> None:
    account = await desk.connect(service)
    params = {"account_id": account.account_id, "api_token": "wrong"}
    with pytest.raises(RemoteError) as error:
        await desk.call(f"{service}.accounts.update", params)
    assert kind(error) == "credentials_rejected"
    await desk.sync(account)


async def test_a_token_of_somebody_else_has_everything_read_anew(desk: Desk) -> None:
    grace = desk.site.user("grace")
    desk.site.jira.create(desk.ada, "Ada's")
    desk.site.jira.create(grace, "Grace's")
    account = await desk.connect()
    await desk.sync(account)
    grace.email = "ada@example.com"  # the address has changed hands
    del desk.site.tokens[next(iter(desk.site.tokens))]
    token = desk.site.token(grace, "graces-token")
    updated = await desk.jira.update_account(account_id=account.account_id, api_token=token)
    await desk.sync(account)
    assert updated.display_name == "Grace"
    assert await desk.events() == [("issue_created", "PROJ-2 Grace's", "About Grace's")]


async def test_the_end_of_a_token_is_told_ahead_of_time_and_once(desk: Desk) -> None:
    account = await desk.connect(token_expires_at="2026-12-10T00:00:00Z")
    await desk.sync(account)
    assert desk.status() == [("jira", "active", None)]
    desk.clock.advance(5 * 24 * 3600)
    await desk.sync(account)
    await desk.sync(account)
    assert desk.status()[1:] == [("jira", "active", "token_expires_soon")]
    later = "2027-12-01T00:00:00.000Z"
    renewed = await desk.jira.update_account(account_id=account.account_id, token_expires_at=later)
    assert renewed.token_expires_at == later
    await desk.sync(account)
    assert desk.status()[-1] == ("jira", "active", None)


async def test_a_scope_that_is_set_while_a_sync_runs_is_not_forgotten(desk: Desk) -> None:
    for number in range(150):
        desk.site.jira.create(desk.ada, f"Task {number}")
    issue = next(iter(desk.site.jira.issues.values()))
    desk.site.jira.comment(issue, desk.site.user("grace"), "Hers")
    account = await desk.connect()
    await desk.until(lambda _: desk.named("activity.changed"))  # it is under way
    await desk.jira.update_account(account_id=account.account_id, scope=AtlassianScope.WATCHED)
    await desk.until(lambda _: len(ended(desk)) == 2)
    assert (await desk.types()).count("issue_commented") == 1
    assert len(await desk.types()) == 151


def ended(desk: Desk) -> set[str]:
    """The syncs that have succeeded."""
    jobs = [one["job"] for one in desk.named("jobs.updated")]
    return {job["job_id"] for job in jobs if job["type"] == "jira.sync" and job["status"] == "succeeded"}


async def test_a_token_that_is_replaced_while_the_old_one_fails_stays(desk: Desk) -> None:
    account = await desk.connect()
    await desk.sync(account)
    old, renewed = desk.token(), desk.site.token(desk.ada, "the-renewed-token")
    loop = asyncio.get_running_loop()

    def replace(path: str) -> None:
        if path.endswith("search/jql") and not old.expired:
            old.expired = True
            update = desk.jira.update_account(account_id=account.account_id, api_token=renewed)
            asyncio.run_coroutine_threadsafe(_done(update), loop).result(PATIENCE_S)

    desk.site.before_request = replace
    job = await desk.put_off(account, "retry")
    assert job["error"]["kind"] == "token_replaced"
    desk.clock.advance(60)
    desk.look_for_jobs()
    await desk.until_job(job["job_id"], "succeeded")
    (account,) = (await desk.jira.list_accounts()).accounts
    assert (account.status.value, account.reason) == ("active", None)
    assert desk.status() == [("jira", "active", None)]


async def _done(asked: Awaitable[object]) -> object:
    return await asked


async def test_a_second_wish_to_sync_is_the_job_that_is_under_way(desk: Desk) -> None:
    account = await desk.connect()
    first = await desk.jira.sync_account(account_id=account.account_id)
    second = await desk.jira.sync_account(account_id=account.account_id)
    assert first.job_id == second.job_id


async def test_syncs_of_one_account_never_run_side_by_side(desk: Desk) -> None:
    desk.site.jira.create(desk.ada, "Engine")
    account = await desk.connect()
    full = await desk.jira.sync_account(account_id=account.account_id, full=True)
    await desk.until_job(full.job_id, "succeeded")
    jobs = [one["job"] for one in desk.named("jobs.updated") if one["job"]["type"] == "jira.sync"]
    running: set[str] = set()
    for job in jobs:
        running = running | {job["job_id"]} if job["status"] == "running" else running - {job["job_id"]}
        assert len(running) <= 1
