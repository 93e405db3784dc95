"""The Google sign-in, and each way in which it can fail."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sidecar_protocol.calendar.google_sign_in import SignInStatus

from sidecar.commandline.client import RemoteError
from tests.calendar.google.harness import REDIRECT, GoogleHarness, google_harness, tables
from tests.fakes.google import ADA, FakeGoogle
from tests.fakes.google_oauth import CLIENT_ID, Consent, OAuthError
from tests.in_process_app import ManualClock


async def refused(call: Any) -> tuple[str, dict[str, Any]]:
    """Returns the kind and the data of the error that the call raises."""
    with pytest.raises(RemoteError) as caught:
        await call
    return caught.value.data["kind"], caught.value.data


async def test_a_sign_in_connects_an_account_lists_its_calendars_and_queues_its_first_sync(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    google.calendars.add_calendar("team@example.com", ADA, summary="Team", entry={"selected": False})
    account = await harness.sign_in()
    assert (account.provider, account.email, account.status) == ("google", ADA, "active")
    assert (await harness.accounts.list_providers()).providers[0].available
    found = (await harness.calendars.list_calendars(account_id=account.account_id)).calendars
    assert [(one.name, one.is_primary, one.selected) for one in found] == [("Ada", True, True), ("Team", False, False)]
    [job] = (await harness.call("jobs.list"))["jobs"]
    assert (job["type"], job["payload"]) == ("calendar.sync", {"account_id": account.account_id, "full": False})
    [update] = harness.named("accounts.updated")
    assert (update["service"], update["account_id"], update["status"]) == (
        "google_calendar",
        account.account_id,
        "active",
    )


async def test_the_authorization_url_requests_minimal_scopes_pkce_and_a_refresh_token(harness: GoogleHarness) -> None:
    started = await harness.oauth.start(redirect_uri=REDIRECT, login_hint="bob@example.com")
    query = {name: values[0] for name, values in parse_qs(urlsplit(started.authorization_url).query).items()}
    scopes = query.pop("scope").split()
    assert sorted(scope.rpartition("/")[2] for scope in scopes) == [
        "calendar.calendarlist.readonly",
        "calendar.events.readonly",
        "openid",
        "userinfo.email",
    ]
    assert len(query.pop("code_challenge")) == 43
    assert query == {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": REDIRECT,
        "state": started.state,
        "access_type": "offline",
        "prompt": "consent",
        "code_challenge_method": "S256",
        "login_hint": "bob@example.com",
    }


@pytest.mark.parametrize(
    "uri",
    [
        "https://127.0.0.1:80/x",
        "http://example.com:80/",
        "http://127.0.0.1/",
        "urn:ietf:wg:oauth:2.0:oob",
        "http://127.0.0.1:80/?a=b",
        "http://127.0.0.1:99999/",
        "http://[::1",
    ],
)
async def test_a_redirect_uri_must_be_on_loopback(harness: GoogleHarness, uri: str) -> None:
    kind, data = await refused(harness.oauth.start(redirect_uri=uri))
    assert (kind, data["details"][0]["path"]) == ("invalid_params", "redirect_uri")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("access_denied", "sign_in_denied"),
        ("admin_policy_enforced", "sign_in_blocked"),
        ("org_internal", "sign_in_blocked"),
        ("redirect_uri_mismatch", "sign_in_failed"),
        ("deleted_client", "google_client_rejected"),
        ("hunter2 <script>", "sign_in_failed"),
    ],
)
async def test_each_error_of_googles_page_has_a_kind_and_a_hint(
    harness: GoogleHarness, google: FakeGoogle, error: str, kind: str
) -> None:
    google.oauth.consent = Consent(error=error)
    state = await harness.consent()
    found, data = await refused(harness.oauth.complete(state=state))
    assert found == kind
    assert data["hint"]
    assert "hunter2" not in str(data)
    assert (await refused(harness.oauth.complete(state=state)))[0] == "sign_in_used"
    assert (await harness.calendars.list_accounts()).accounts == []


async def test_a_foreign_state_is_unknown_and_one_without_a_redirect_incomplete(
    harness: GoogleHarness,
) -> None:
    started = await harness.oauth.start(redirect_uri=REDIRECT)
    assert (await refused(harness.oauth.callback(state="foreign", code="x")))[0] == "sign_in_unknown"
    assert (await refused(harness.oauth.complete(state="foreign")))[0] == "sign_in_unknown"
    assert (await refused(harness.oauth.complete(state=started.state)))[0] == "sign_in_incomplete"
    for params in ({}, {"url": "http://[::1"}, {"url": f"{REDIRECT}?code=1"}, {"state": started.state}):
        assert (await refused(harness.oauth.callback(**params)))[0] == "invalid_params"
    returned = await harness.oauth.callback(state=started.state, error="access_denied")
    assert returned.status is SignInStatus.REFUSED


async def test_a_sign_in_expires_after_ten_minutes(harness: GoogleHarness, clock: ManualClock) -> None:
    started = await harness.oauth.start(redirect_uri=REDIRECT)
    state = await harness.consent()
    clock.advance(601)
    assert (await refused(harness.oauth.callback(state=started.state, code="x")))[0] == "sign_in_expired"
    assert (await refused(harness.oauth.complete(state=state)))[0] == "sign_in_expired"


async def test_a_sign_in_can_be_used_once(harness: GoogleHarness) -> None:
    state = await harness.consent()
    assert (await refused(harness.oauth.callback(state=state, code="another")))[0] == "sign_in_used"
    await harness.oauth.complete(state=state)
    assert (await refused(harness.oauth.complete(state=state)))[0] == "sign_in_used"
    assert (await refused(harness.oauth.callback(state=state, code="x")))[0] == "sign_in_used"


async def test_completing_a_sign_in_twice_at_once_connects_one_account(harness: GoogleHarness) -> None:
    state = await harness.consent()
    call = ("calendar.oauth.google.complete", {"state": state})
    answers = await harness.burst(call, call)
    assert sorted(answer.error is None for answer in answers) == [False, True]
    assert len((await harness.calendars.list_accounts()).accounts) == 1


async def test_a_sign_in_survives_a_restart_and_its_secrets_are_encrypted(
    data_dir: Path, google: FakeGoogle, clock: ManualClock
) -> None:
    async with google_harness(data_dir / "sidecar.db", google, clock) as harness:
        state = await harness.consent()
        [(verifier, code)] = tables(harness, "SELECT verifier, code FROM calendar_sign_ins")
        assert verifier.startswith("enc:v1:")
        assert code.startswith("enc:v1:")
    async with google_harness(data_dir / "sidecar.db", google, clock) as later:
        assert (await later.oauth.complete(state=state)).email == ADA
        assert tables(later, "SELECT verifier, code, stage FROM calendar_sign_ins") == [("", None, "done")]


async def test_a_grant_without_calendar_permission_is_revoked_and_creates_no_account(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    google.oauth.consent = Consent(unticked=frozenset({"calendar.events.readonly"}))
    kind, data = await refused(harness.sign_in())
    assert kind == "sign_in_scope_missing"
    assert "ticked" in data["hint"]
    assert (await harness.calendars.list_accounts()).accounts == []
    assert [grant.alive for grant in google.oauth.grants] == [False]


async def test_a_grant_without_permission_is_not_revoked_if_the_account_is_connected(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    await harness.connect()
    google.oauth.consent = Consent(unticked=frozenset({"calendar.events.readonly"}))
    assert (await refused(harness.sign_in()))[0] == "sign_in_scope_missing"
    assert google.oauth.grants[0].alive, "revoking a grant revokes the user's other grants as well"


async def test_signing_in_again_reconnects_the_same_account(harness: GoogleHarness, google: FakeGoogle) -> None:
    first = await harness.connect()
    google.oauth.revoke_user(ADA)
    google.oauth.consent = Consent(email="Ada@Example.com")
    again = await harness.sign_in()
    assert again.account_id == first.account_id
    assert len((await harness.calendars.list_accounts()).accounts) == 1
    assert (await harness.sync(first.account_id))["status"] == "succeeded"


async def test_an_account_is_reconnected_by_its_id_with_its_address_as_hint(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    account = await harness.connect()
    google.oauth.consent = Consent(email="bob@example.com")
    again = await harness.sign_in(account_id=account.account_id)
    assert (again.account_id, again.email) == (account.account_id, ADA)
    assert (await refused(harness.oauth.start(redirect_uri=REDIRECT, account_id="unknown")))[0] == ("account_not_found")


async def test_reconnecting_an_account_as_another_user_is_rejected(harness: GoogleHarness, google: FakeGoogle) -> None:
    account = await harness.connect()
    started = await harness.oauth.start(redirect_uri=REDIRECT, account_id=account.account_id)
    async with httpx.AsyncClient() as browser:
        answer = await browser.get(started.authorization_url.replace("ada%40", "bob%40"))
    await harness.oauth.callback(url=answer.headers["location"])
    kind, data = await refused(harness.oauth.complete(state=started.state))
    assert kind == "sign_in_account_mismatch"
    assert ADA in data["hint"]
    assert [grant.alive for grant in google.oauth.grants] == [True, False]


async def test_without_a_client_id_the_error_names_the_settings(app: Any) -> None:
    kind, data = await refused(app.call("calendar.oauth.google.start", {"redirect_uri": REDIRECT}))
    assert kind == "google_client_missing"
    assert "Desktop" in data["hint"]
    [provider] = [one for one in (await app.call("calendar.providers.list"))["providers"] if one["id"] == "google"]
    assert (provider["available"], "GOOGLE_CLIENT_ID" in provider["reason"]) == (False, True)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (OAuthError(401, "invalid_client"), "google_client_rejected"),
        (OAuthError(400, "invalid_request", "client_secret is missing."), "google_client_rejected"),
        (OAuthError(400, "invalid_grant"), "sign_in_expired"),
        (OAuthError(400, "redirect_uri_mismatch"), "sign_in_failed"),
    ],
)
async def test_each_error_of_the_token_endpoint_has_a_kind(
    harness: GoogleHarness, google: FakeGoogle, answer: OAuthError, kind: str
) -> None:
    import json

    state = await harness.consent()
    google.refuse("/token", answer.status)
    google.faults[-1].body = json.dumps(answer.body).encode()
    assert (await refused(harness.oauth.complete(state=state)))[0] == kind


async def test_a_sign_in_can_be_completed_again_after_google_was_unreachable(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    state = await harness.consent()
    google.refuse("/token", 503)
    kind, data = await refused(harness.oauth.complete(state=state))
    assert (kind, data["retryable"]) == ("service_unreachable", True)
    assert (await harness.oauth.complete(state=state)).email == ADA


async def test_without_an_id_token_the_address_is_requested(harness: GoogleHarness, google: FakeGoogle) -> None:
    google.oauth.gives_id_token = False
    assert (await harness.sign_in()).email == ADA
    assert "/v1/userinfo" in [asked.path for asked in google.requests]


async def test_a_sign_in_succeeds_even_if_the_calendars_cannot_be_listed(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    google.refuse("/calendarList", 403, "forbidden")
    account = await harness.sign_in()
    assert (await harness.calendars.list_calendars(account_id=account.account_id)).calendars == []
    await harness.sync(account.account_id)
    assert len((await harness.calendars.list_calendars(account_id=account.account_id)).calendars) == 1
