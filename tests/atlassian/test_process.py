"""The real process beside a site: kill -9 during a sync, and the files and messages that must not contain a token."""

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.atlassian.harness import Checker
from tests.conftest import StartRawClient
from tests.fakes.atlassian import FakeSite, Request
from tests.process.raw_client import RawClient

ISSUES = 260
"""Three batches, two of which are fetched at once."""


@pytest.fixture
def live_site() -> Iterator[FakeSite]:
    """A site on the machine's clock."""
    with FakeSite() as site:
        site.check = Checker()
        yield site
        assert site.violations == []


def connect(client: RawClient, site: FakeSite, service: str, token: str) -> Any:
    """Connects Ada's account; returns it or the error."""
    ada = site.user("ada")
    return client.call(f"{service}.accounts.create", org="Example", base_url=site.url, email=ada.email, api_token=token)


def feed(client: RawClient) -> Counter[tuple[str, str]]:
    """Returns type and title of the feed's events, with their number."""
    found: Counter[tuple[str, str]] = Counter()
    cursor: dict[str, str] = {}
    while True:
        page = client.call("activity.events.list", limit=500, **cursor)
        found.update((event["event_type"], event["title"]) for event in page["events"])
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


@pytest.mark.parametrize("service", ["jira", "confluence"])
def test_kill_9_during_a_sync_loses_and_duplicates_nothing(
    raw_client: StartRawClient, live_site: FakeSite, service: str
) -> None:
    ada = live_site.user("ada")
    token = live_site.token(ada)
    for number in range(ISSUES):
        live_site.jira.comment(live_site.jira.create(ada, f"Task {number}"), ada, "Done")
    for number in range(ISSUES // 4):
        live_site.confluence.edit(live_site.confluence.create(ada, f"Page {number}"), ada)
    live_site.confluence.max_page_size = 20
    live_site.jira.max_page_size = 90
    with raw_client() as client:
        client.initialize()
        client.call("jobs.queue.pause")
        account_id = connect(client, live_site, service, token)["account_id"]
        client.call("jobs.queue.resume")
        kill_after(live_site, client, 3)
        client.remaining_bytes()
    starts = 1
    while True:
        starts += 1
        with raw_client() as client:
            kill_after(live_site, client, 2 + 2 * starts)  # each process gets a little further
            try:
                client.initialize()
                done: Any = {"error": {"kind": "recovery_limit"}}
                while (done["error"] or {}).get("kind") == "recovery_limit":
                    job = client.call(f"{service}.accounts.sync", account_id=account_id)
                    done = client.until_job(job["job_id"], "succeeded", "failed")
            except (EOFError, AssertionError, BrokenPipeError):
                assert client.exit_code() == -9
                continue
            live_site.on_request = lambda _: None
            assert done["status"] == "succeeded", done["error"]
            titles = [f"{issue.key} {issue.fields['summary']}" for issue in live_site.jira.issues.values()]
            expected = {
                "jira": {(kind, title): 1 for title in titles for kind in _JIRA},
                "confluence": {(kind, f"Page {n}"): 1 for n in range(ISSUES // 4) for kind in _WIKI},
            }
            assert feed(client) == Counter(expected[service])
            break
    assert starts > 3


_JIRA = ("issue_created", "issue_commented")
_WIKI = ("page_created", "page_edited")


def kill_after(site: FakeSite, client: RawClient, requests: int) -> None:
    """Kills the process at this request, counted from now."""
    left = [requests]

    def count(_: Request) -> None:
        left[0] -= 1
        if left[0] == 0:
            client.process.kill()

    site.on_request = count


def test_tokens_appear_in_no_file_and_no_message(
    raw_client: StartRawClient, live_site: FakeSite, data_dir: Path
) -> None:
    ada = live_site.user("ada")
    classic, scoped = live_site.token(ada), live_site.token(ada, scoped=True)
    wrong, renewed = "ATATT3x-wrong-hunter2", live_site.token(ada, "ATATT3x-renewed-hunter2")
    live_site.jira.create(ada, "Engine")
    live_site.confluence.create(ada, "Minutes")
    messages: list[Any] = []
    with raw_client(RUN_ENV="dev", ATLASSIAN_GATEWAY_URL=live_site.url) as client:
        client.initialize()
        jira = connect(client, live_site, "jira", classic)
        confluence = connect(client, live_site, "confluence", scoped)
        messages += [
            jira,
            confluence,
            connect(client, live_site, "jira", wrong),
            connect(client, live_site, "jira", wrong + " ü"),
        ]
        for account in (jira, confluence):
            sync = f"{account['service']}.accounts.sync"
            job = client.call(sync, account_id=account["account_id"])
            messages.append(client.until_job(job["job_id"], "succeeded"))
        messages.append(client.call("jira.accounts.update", account_id=jira["account_id"], api_token=wrong))
        messages.append(client.call("jira.accounts.update", account_id=jira["account_id"], api_token=renewed))
        live_site.tokens[renewed].expired = True
        job = client.call("jira.accounts.sync", account_id=jira["account_id"], full=True)
        messages.append(client.until_job(job["job_id"], "failed"))
        for method in ("jobs.list", "jobs.schedules.list", "jira.accounts.list", "activity.events.list"):
            messages.append(client.call(method))
        messages += [
            client.call("system.diagnostics"),
            client.call("events.replay", after_seq=0),
            *client.all_notifications,
        ]
        client.close_stdin()
        messages += client.remaining()
        assert client.exit_code() == 0
    files = {path: path.read_bytes() for path in data_dir.parent.rglob("*") if path.is_file()}
    assert any(path.name == "sidecar.db" for path in files)
    assert any(path.name == "sidecar.log" for path in files)
    for token in (classic, scoped, wrong, renewed):
        for form in (token, b64encode(token.encode()).decode(), b64encode(f"{ada.email}:{token}".encode()).decode()):
            assert [str(path) for path, content in files.items() if form.encode() in content] == []
            assert form not in json.dumps(messages)
