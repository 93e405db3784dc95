"""A refused account of each service: it is tried again at a slower pace, and works again by itself."""

import pytest

from tests.accounts.harness import Connector

HOUR_S = 3_600
DAY_S = 24 * HOUR_S


async def test_one_refusal_slows_an_account_down_and_it_comes_back_by_itself(connector: Connector) -> None:
    connector.refuse(401)
    job = await connector.sync("failed")
    account = await connector.account()
    assert (account["status"], account["reason"]) == ("retrying", connector.token_reason)
    assert (job["error"]["kind"], job["error"]["hint"] in account["hint"]) == ("account_refused", True)
    assert "2026-11-23T09:00" < account["next_try_at"] < "2026-11-23T09:16", "an hour later, on the schedule's grid"
    assert (await connector.schedule())["next_run_at"] == account["next_try_at"]
    assert await connector.wait(HOUR_S // 2) == []
    connector.refuse(None)
    [sync] = await connector.wait(HOUR_S)
    assert sync["status"] == "succeeded"
    account = await connector.account()
    assert (account["status"], account["reason"], account["hint"], account["next_try_at"]) == ("active", *[None] * 3)
    assert connector.updates() == [("active", None)]
    assert len(await connector.wait(HOUR_S)) == 1, "at its usual pace again"


async def test_a_second_look_confirms_a_refusal_and_the_account_still_comes_back_by_itself(
    connector: Connector,
) -> None:
    connector.refuse(401)
    await connector.sync("failed")
    [sync] = await connector.wait(2 * HOUR_S)
    assert sync["error"]["kind"] == "needs_reauth"
    account = await connector.account()
    assert (account["status"], account["reason"]) == ("needs_reauth", connector.token_reason)
    assert "2026-11-23T16:00" < account["next_try_at"] < "2026-11-23T16:16", "six hours later"
    assert connector.updates() == [("needs_reauth", connector.token_reason)]
    [sync] = await connector.wait(7 * HOUR_S)
    assert (sync["status"], await connector.state()) == ("failed", ("needs_reauth", connector.token_reason))
    connector.refuse(None)
    [sync] = await connector.wait(7 * HOUR_S)
    assert (sync["status"], await connector.state()) == ("succeeded", ("active", None))


async def test_syncs_by_hand_confirm_nothing_and_do_not_postpone_the_next_try(connector: Connector) -> None:
    connector.refuse(401)
    await connector.sync("failed")
    before = await connector.account()
    for _ in range(5):
        connector.app.clock.advance(60)
        await connector.sync("failed")
    after = await connector.account()
    assert {**after, "updated_at": None} == {**before, "updated_at": None}
    assert connector.updates() == [("retrying", connector.token_reason)], "told once"
    assert (await connector.schedule())["next_run_at"] == before["next_try_at"]


async def test_a_denied_network_has_its_own_reason_and_the_account_follows_when_it_is_allowed(
    connector: Connector,
) -> None:
    connector.refuse(403)
    await connector.sync("failed")
    account = await connector.account()
    assert (account["status"], account["reason"]) == ("retrying", "access_denied")
    assert "VPN" in account["hint"]
    for _ in range(3):  # a night without the VPN
        await connector.wait(7 * HOUR_S)
    status = "needs_reauth" if connector.service == "ics" else "retrying"  # an ics address is the credential itself
    assert await connector.state() == (status, "access_denied")
    connector.refuse(None)
    await connector.wait(7 * HOUR_S)
    assert await connector.state() == ("active", None)


@pytest.mark.parametrize("status", [404, 410])
async def test_an_address_where_nothing_is_found_for_a_night_comes_back(connector: Connector, status: int) -> None:
    connector.refuse(status)
    job = await connector.app.call(f"{connector.domain}.accounts.sync", {"account_id": connector.account_id})
    if connector.service == "google_calendar":  # its address is ours; the job fails, and the next one is on time
        await connector.app.until(lambda app: [one for one in app.named("jobs.updated") if one["job"]["error"]])
        await connector.app.call("jobs.cancel", {"job_id": job["job_id"]})
    else:
        await connector.app.until_job(job["job_id"], "failed")
        assert await connector.state() == ("retrying", "address_rejected")
        for _ in range(2):
            await connector.wait(7 * HOUR_S)
        assert await connector.state() == ("needs_reauth", "address_rejected")
    connector.refuse(None)
    await connector.wait(7 * HOUR_S)
    assert await connector.state() == ("active", None)


async def test_another_reason_begins_anew(connector: Connector) -> None:
    connector.refuse(403)
    await connector.sync("failed")
    connector.refuse(401)
    await connector.wait(2 * HOUR_S)
    assert await connector.state() == ("retrying", connector.token_reason)


async def test_an_account_that_is_connected_again_is_synced_at_once_and_at_its_usual_pace(
    connector: Connector,
) -> None:
    if connector.service == "ics":
        pytest.skip("an address is connected again as a new account")
    usual = (await connector.schedule())["next_run_at"]
    connector.refuse(401)
    await connector.sync("failed")
    connector.refuse(None)
    connector.app.received.clear()
    assert await connector.connect() == connector.account_id
    await connector.app.until(
        lambda app: [one for one in app.named("jobs.updated") if one["job"]["status"] == "succeeded"]
    )
    assert (await connector.state(), connector.updates()) == (("active", None), [("active", None)])
    assert (await connector.schedule())["next_run_at"] == usual


async def test_a_refused_account_is_deleted_like_any_other(connector: Connector) -> None:
    connector.refuse(401)
    await connector.sync("failed")
    await connector.app.call(f"{connector.domain}.accounts.delete", {"account_id": connector.account_id})
    assert (await connector.app.call(f"{connector.domain}.accounts.list"))["accounts"] == []
    assert (await connector.app.call("jobs.schedules.list"))["schedules"] == []
    assert connector.updates()[-2:] == [("deleting", None), ("deleted", None)]


async def test_without_a_schedule_no_next_try_is_promised(connector: Connector) -> None:
    schedule_id = (await connector.schedule())["schedule_id"]
    await connector.app.call("jobs.schedules.update", {"schedule_id": schedule_id, "enabled": False})
    connector.refuse(401)
    await connector.sync("failed")
    assert (await connector.account())["next_try_at"] is None
    assert await connector.wait(DAY_S) == []


async def test_a_postponed_try_survives_a_restart_and_a_clock_that_is_set_back(connector: Connector) -> None:
    connector.refuse(401)
    await connector.sync("failed")
    next_try_at = (await connector.account())["next_try_at"]
    await connector.app.features.get("atlassian").run()
    await connector.app.features.get("calendar").run()
    assert await connector.wait(0) == []
    assert (await connector.schedule())["next_run_at"] == next_try_at
    connector.app.clock.moved_ms -= 1000 * DAY_S
    connector.app.look_for_jobs()
    await connector.app.run_pending()
    assert (await connector.schedule())["next_run_at"] < "2026-11-22T08:16"
