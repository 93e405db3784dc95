"""Google accounts in the real process: secrets do not leak, and a kill loses and duplicates nothing."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.calendar.google.harness import REDIRECT, spec_violations
from tests.calendar.outputs import collect_outputs
from tests.conftest import StartRawClient
from tests.fakes.google import ADA, FakeGoogle
from tests.fakes.google_oauth import CLIENT_SECRET
from tests.process.raw_client import PATIENCE_S, ROOT, RawClient

EVENTS = 1_000
PAGES = 4


def at(days: float) -> dict[str, str]:
    """Returns the time this number of days from now, as Google writes it."""
    return {"dateTime": (datetime.now(UTC) + timedelta(days=days)).isoformat()}


@pytest.fixture
def cloud() -> Iterator[FakeGoogle]:
    """A Google with the machine's clock and a calendar of Ada, half of whose meetings are past."""
    with FakeGoogle() as google:
        google.calendars.add_calendar(ADA, ADA, summary="Ada", entry={"primary": True})
        for number in range(EVENTS):
            days = (number - EVENTS / 2) / 5
            google.calendars.add(ADA, summary=f"Meeting {number}", start=at(days), end=at(days + 0.02))
        google.calendars.max_page_size = EVENTS // PAGES
        yield google
    assert google.calendars.violations == []
    assert spec_violations(google) == []


def sign_in(wire: RawClient) -> dict[str, Any]:
    """Performs a complete sign-in, and returns the account."""
    started = wire.call("calendar.oauth.google.start", redirect_uri=REDIRECT)
    answer = httpx.get(started["authorization_url"])
    wire.call("calendar.oauth.google.callback", url=answer.headers["location"])
    account: dict[str, Any] = wire.call("calendar.oauth.google.complete", state=started["state"])
    return account


def first_job(wire: RawClient) -> str:
    """Returns the id of the newest sync."""
    job_id: str = wire.call("jobs.list", type="calendar.sync")["jobs"][0]["job_id"]
    return job_id


def test_no_token_or_code_is_leaked_by_successes_and_failures(
    raw_client: StartRawClient, cloud: FakeGoogle, data_dir: Path
) -> None:
    responses: list[Any] = []
    with raw_client(**cloud.environment, RUN_ENV="dev") as wire:
        wire.initialize(secrets={"key": "A" * 43 + "="})
        account = sign_in(wire)
        responses.append(account)
        wire.until_job(first_job(wire), "succeeded")
        cloud.oauth.rotates = True
        cloud.oauth.expire_access_tokens()
        again = wire.call("calendar.accounts.sync", account_id=account["account_id"])
        wire.until_job(again["job_id"], "succeeded")
        cloud.refuse("/token", 400)
        cloud.faults[-1].body = json.dumps({"error": "invalid_grant", "error_description": "hunter2"}).encode()
        started = wire.call("calendar.oauth.google.start", redirect_uri=REDIRECT)
        location = httpx.get(started["authorization_url"]).headers["location"]
        responses.append(wire.call("calendar.oauth.google.callback", url=location))
        refused = wire.call("calendar.oauth.google.complete", state=started["state"])
        assert refused["error"]["data"]["kind"] == "sign_in_expired"
        responses.append(refused)
        cloud.oauth.revoke_user(ADA)
        failing = wire.call("calendar.accounts.sync", account_id=account["account_id"])
        wire.until_job(failing["job_id"], "failed")
        outputs = collect_outputs(wire, responses, failing["job_id"], data_dir)
    assert b"Meeting 500" in outputs["sidecar.db"], "text that is not secret is found"
    secrets = [*cloud.oauth.issued, CLIENT_SECRET, "hunter2"]
    assert len(cloud.oauth.issued) > 5
    assert [(name, secret) for name, text in outputs.items() for secret in secrets if secret.encode() in text] == []


@pytest.mark.parametrize("pages", range(PAGES + 1))
def test_a_process_killed_during_a_sync_loses_and_duplicates_nothing(
    raw_client: StartRawClient, cloud: FakeGoogle, pages: int
) -> None:
    """Kills it during the first sync, and then during a full read that adds and removes events."""
    with raw_client(**cloud.environment) as wire:
        wire.initialize()
        cloud.hold("/events", after=pages)
        account = sign_in(wire)
        if pages < PAGES:
            cloud.wait_for("/events", pages + 1)
        else:
            wire.until_job(first_job(wire), "succeeded")
        wire.process.kill()
    cloud.hold("/events")()
    check_after(raw_client, cloud, account["account_id"])
    cloud.calendars.expire_tokens(ADA)
    for number in range(0, EVENTS, 10):
        del cloud.calendars.calendars[ADA].rows[f"event{number + 1:06}"]
        cloud.calendars.add(ADA, summary=f"Added {number}", start=at(-number / 10), end=at(-number / 10 + 0.01))
    with raw_client(**cloud.environment) as wire:
        wire.initialize()
        before = len(cloud.listings())
        cloud.hold("/events", after=1 + pages)  # the first response is 410
        wire.call("calendar.accounts.sync", account_id=account["account_id"])
        if pages < PAGES:
            cloud.wait_for("/events", before + pages + 2)
            assert len(stored(wire)) >= EVENTS, "no event disappears meanwhile"
        else:
            wire.until_job(first_job(wire), "succeeded")
        wire.process.kill()
    cloud.hold("/events")()
    check_after(raw_client, cloud, account["account_id"])


def check_after(raw_client: StartRawClient, cloud: FakeGoogle, account_id: str) -> None:
    """Checks after another sync that the table has Google's events, and the feed the past ones."""
    with raw_client(**cloud.environment) as wire:
        wire.initialize()
        job = wire.call("calendar.accounts.sync", account_id=account_id)
        wire.until_job(job["job_id"], "succeeded")
        expected = {key: row.resource for key, row in cloud.calendars.calendars[ADA].rows.items() if not row.gone}
        found = stored(wire)
        assert len(found) == len(set(found))
        assert set(found) == set(expected)
        now = datetime.now(UTC) - timedelta(minutes=5)
        past = {key for key, it in expected.items() if datetime.fromisoformat(it["end"]["dateTime"]) < now}
        feed = pages_of(wire, "activity.events.list", source="google_calendar")
        objects = [it["object_id"] for it in feed]
        assert len(objects) == len(set(objects))
        assert past <= set(objects) <= set(expected)


def stored(wire: RawClient) -> list[str]:
    """Returns the ids of all stored events."""
    start, end = ("2020-01-01T00:00:00Z", "2040-01-01T00:00:00Z")
    return [it["event_id"] for it in pages_of(wire, "calendar.events.list", start=start, end=end)]


def pages_of(wire: RawClient, method: str, **params: Any) -> list[dict[str, Any]]:
    """Returns all entries of a paged list."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = wire.call(method, **params, limit=500, **cursor)
        found += page["events"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def test_the_fake_can_be_controlled_by_other_programs(raw_client: StartRawClient) -> None:
    command = [sys.executable, "-m", "tests.fakes.google", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as fake:
        assert fake.stdin is not None
        assert fake.stdout is not None
        url = fake.stdout.readline().strip()
        environment = FakeGoogle.environment_of(url)
        with raw_client(**environment) as wire:
            wire.initialize()
            post(url, "consent", error="access_denied")
            assert sign_in(wire)["error"]["data"]["kind"] == "sign_in_denied"
            post(url, "consent", email=ADA)
            account = sign_in(wire)
            wire.until_job(first_job(wire), "succeeded")
            soon = time.time() + 3 * 86_400
            assert {"Standup", "Planning"} <= {it["title"] for it in week(wire, soon)}
            added = post(url, "events", calendar_id=ADA, summary="By hand", start=at(1), end=at(1.1))
            post(url, "expire", calendar_id=ADA)
            job = wire.call("calendar.accounts.sync", account_id=account["account_id"])
            wire.until_job(job["job_id"], "succeeded")
            assert added["id"] in {it["event_id"] for it in week(wire, soon)}
            post(url, "cancel", calendar_id=ADA, event_id=added["id"])
            post(url, "revoke", email=ADA)
            job = wire.call("calendar.accounts.sync", account_id=account["account_id"])
            assert wire.until_job(job["job_id"], "failed")["error"]["kind"] == "needs_reauth"
        fake.stdin.close()
        assert fake.wait(PATIENCE_S) == 0


def week(wire: RawClient, until: float) -> list[dict[str, Any]]:
    """Returns the events of the ten days before a time."""
    start, end = (datetime.fromtimestamp(moment, UTC).isoformat() for moment in (until - 10 * 86_400, until))
    return pages_of(wire, "calendar.events.list", start=start, end=end)


def post(url: str, what: str, **fields: Any) -> Any:
    """Controls the fake by HTTP."""
    return httpx.post(f"{url}/fake/{what}", json=fields).json()
