"""The real process beside a site: kill -9 in the middle of a sync, and where a token may be found afterwards."""

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
"""Three readings, two of which are under way at a time."""


@pytest.fixture
def world() -> Iterator[FakeSite]:
    """A site that goes by the machine's own clock."""
    with FakeSite() as made:
        made.check = Checker()
        yield made
        assert made.violations == []


def connect(wire: RawClient, site: FakeSite, service: str, token: str) -> Any:
    """The account, or the error."""
    ada = site.user("ada")
    return wire.call(f"{service}.accounts.create", org="Example", base_url=site.url, email=ada.email, api_token=token)


def feed(wire: RawClient) -> Counter[tuple[str, str]]:
    """Type and title of everything in the feed, by how often it is there."""
    found: Counter[tuple[str, str]] = Counter()
    cursor: dict[str, str] = {}
    while True:
        page = wire.call("activity.events.list", limit=500, **cursor)
        found.update((event["event_type"], event["title"]) for event in page["events"])
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


@pytest.mark.parametrize("service", ["jira", "confluence"])
def test_kill_9_in_the_middle_of_a_sync_loses_and_doubles_nothing(
    raw_client: StartRawClient, world: FakeSite, service: str
) -> None:
    ada = world.user("ada")
    token = world.token(ada)
    for number in range(ISSUES):
        world.jira.comment(world.jira.create(ada, f"Task {number}"), ada, "Done")
    for number in range(ISSUES // 4):
        world.confluence.edit(world.confluence.create(ada, f"Page {number}"), ada)
    world.confluence.max_page_size = 20
    world.jira.max_page_size = 90
    with raw_client() as wire:
        wire.initialize()
        wire.call("jobs.queue.pause")
        account_id = connect(wire, world, service, token)["account_id"]
        wire.call("jobs.queue.resume")
        kill_after(world, wire, 3)
        wire.remaining_bytes()
    lives = 1
    while True:
        lives += 1
        with raw_client() as wire:
            kill_after(world, wire, 2 + 2 * lives)  # each life gets a little further
            try:
                wire.initialize()
                done: Any = {"error": {"kind": "recovery_limit"}}
                while (done["error"] or {}).get("kind") == "recovery_limit":
                    job = wire.call(f"{service}.accounts.sync", account_id=account_id)
                    done = wire.until_job(job["job_id"], "succeeded", "failed")
            except (EOFError, AssertionError, BrokenPipeError):
                assert wire.exit_code() == -9
                continue
            world.on_request = lambda _: None
            assert done["status"] == "succeeded", done["error"]
            titles = [f"{issue.key} {issue.fields['summary']}" for issue in world.jira.issues.values()]
            expected = {
                "jira": {(kind, title): 1 for title in titles for kind in _JIRA},
                "confluence": {(kind, f"Page {n}"): 1 for n in range(ISSUES // 4) for kind in _WIKI},
            }
            assert feed(wire) == Counter(expected[service])
            break
    assert lives > 3


_JIRA = ("issue_created", "issue_commented")
_WIKI = ("page_created", "page_edited")


def kill_after(site: FakeSite, wire: RawClient, requests: int) -> None:
    """Kill the process when it has asked so many more things."""
    left = [requests]

    def count(_: Request) -> None:
        left[0] -= 1
        if left[0] == 0:
            wire.process.kill()

    site.on_request = count


def test_a_token_is_found_nowhere(raw_client: StartRawClient, world: FakeSite, data_dir: Path) -> None:
    ada = world.user("ada")
    classic, scoped = world.token(ada), world.token(ada, scoped=True)
    wrong, renewed = "ATATT3x-wrong-hunter2", world.token(ada, "ATATT3x-renewed-hunter2")
    world.jira.create(ada, "Engine")
    world.confluence.create(ada, "Minutes")
    said: list[Any] = []
    with raw_client(RUN_ENV="dev", ATLASSIAN_GATEWAY_URL=world.url) as wire:
        wire.initialize()
        jira = connect(wire, world, "jira", classic)
        confluence = connect(wire, world, "confluence", scoped)
        said += [jira, confluence, connect(wire, world, "jira", wrong), connect(wire, world, "jira", wrong + " ü")]
        for account in (jira, confluence):
            sync = f"{account['service']}.accounts.sync"
            job = wire.call(sync, account_id=account["account_id"])
            said.append(wire.until_job(job["job_id"], "succeeded"))
        said.append(wire.call("jira.accounts.update", account_id=jira["account_id"], api_token=wrong))
        said.append(wire.call("jira.accounts.update", account_id=jira["account_id"], api_token=renewed))
        world.tokens[renewed].expired = True
        job = wire.call("jira.accounts.sync", account_id=jira["account_id"], full=True)
        said.append(wire.until_job(job["job_id"], "failed"))
        for method in ("jobs.list", "jobs.schedules.list", "jira.accounts.list", "activity.events.list"):
            said.append(wire.call(method))
        said += [wire.call("system.diagnostics"), wire.call("events.replay", after_seq=0), *wire.all_notifications]
        wire.close_stdin()
        said += wire.remaining()
        assert wire.exit_code() == 0
    places = {path: path.read_bytes() for path in data_dir.parent.rglob("*") if path.is_file()}
    assert any(path.name == "sidecar.db" for path in places)
    assert any(path.name == "sidecar.log" for path in places)
    for token in (classic, scoped, wrong, renewed):
        for form in (token, b64encode(token.encode()).decode(), b64encode(f"{ada.email}:{token}".encode()).decode()):
            assert [str(path) for path, held in places.items() if form.encode() in held] == []
            assert form not in json.dumps(said)
