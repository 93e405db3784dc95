"""The scenarios of transcripts in which every byte can be fixed, and the command that records them again.

    uv run python -m tests.transcripts.scenarios [NAME…]

A scenario runs twice.  First fake servers answer in place of the vendors' and their answers are recorded next to the
transcript (`.upstream`).  Then that recording answers, and the conversation is recorded: its answers come at once, so
parallel requests complete in one order that does not depend on a network.
"""

import base64
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, urlsplit

from sidecar.transcripts.file.format import Header, read, write
from tests.calendar.ics.harness import vcalendar, vevent
from tests.fakes.atlassian import FakeSite
from tests.fakes.google import ADA, SCOPE, FakeGoogle, seed
from tests.fakes.ics import FakeIcs
from tests.process.raw_client import RawClient
from tests.transcripts.hub_scenario import ZONE, read_hub
from tests.transcripts.recording import CORPUS
from tests.transcripts.schedule_scenario import play_schedule

NOW: Final = datetime.fromisoformat("2026-11-25T13:18:30Z")
SEED: Final = 7
PORT: Final = 48_201
"""Addresses appear in messages, so the port must not change from one recording to the next."""
CLIENT: Final = {"name": "a host", "version": "1"}
SECRET_ENV: Final = {"GOOGLE_CLIENT_SECRET": {"$secret": 99}}
"""Values in the header in place of secret variables."""
STEADY_CLAUDE: Final = {"CLAUDE_PATH": "../fakes/claude", "HOME": "/tmp", "FAKE_CLAUDE_FIXED_IDS": "1"}  # noqa: S108
"""With a home folder that every machine has, since its path appears in messages."""
WEEK: Final = {"start": "2026-11-20T00:00:00Z", "end": "2026-12-01T00:00:00Z"}
TIME: Final = re.compile(rb'^\{"t":[0-9.]+,')
PROCESS: Final = re.compile(rb'("server_info":\{[^{}]*"pid":)[0-9]+')
DAY_MS: Final = 24 * 3600 * 1000

Play = Callable[[RawClient], None]
Scenario = Callable[[int], AbstractContextManager[tuple[Mapping[str, str], Play]]]
"""Starts the servers for one run at a port; yields the environment variables for it and the client's part."""


def _now_s() -> float:
    return NOW.timestamp()


def _now_ms() -> int:
    return round(NOW.timestamp() * 1000)


@contextmanager
def google(port: int) -> Iterator[tuple[Mapping[str, str], Play]]:
    """Signs in, reads a week, adds an event, deselects a calendar, deletes the account."""
    with FakeGoogle(port, _now_s) as cloud:
        seed(cloud)

        def play(host: RawClient) -> None:
            host.initialize(client_info=CLIENT)
            host.call("calendar.providers.list")
            begun = host.call("calendar.oauth.google.start", redirect_uri="http://127.0.0.1:8000/callback")
            query = dict(parse_qsl(urlsplit(begun["authorization_url"]).query))
            code = parse_qs(urlsplit(cloud.oauth.authorize(query)).query)["code"][0]
            host.call("calendar.oauth.google.callback", state=begun["state"], code=code)
            account_id = host.call("calendar.oauth.google.complete", state=begun["state"])["account_id"]
            _until_synced(host)
            host.call("calendar.calendars.list")
            host.call("calendar.accounts.get", account_id=account_id)
            host.call("calendar.accounts.update", account_id=account_id, display_name="Work")
            host.call("calendar.events.list", **WEEK, limit=20)
            holidays = {"account_id": account_id, "calendar_id": "holidays@example.com"}
            host.call("calendar.calendars.update", **holidays, selected=False)
            _until_synced(host)
            begins, ends = ({"dateTime": (NOW + timedelta(hours=hours)).isoformat()} for hours in (0, 1))
            cloud.calendars.add(ADA, summary="Lunch with Grace", start=begins, end=ends)
            host.call("calendar.accounts.sync", account_id=account_id)
            _until_synced(host)
            host.call("activity.search", query="standup")
            host.call("activity.summary", **WEEK, time_zone="Europe/Berlin")
            host.call("activity.heatmap", **WEEK, time_zone="Europe/Berlin")
            _delete(host, "calendar", account_id)

        yield cloud.environment, play


@contextmanager
def imported(port: int) -> Iterator[tuple[Mapping[str, str], Play]]:
    """Imports an account of the old backend with its token."""
    with FakeGoogle(port, _now_s) as cloud:
        seed(cloud)
        scopes = tuple(SCOPE + name for name in ("calendar.calendarlist.readonly", "calendar.events.readonly"))
        token = cloud.oauth.add_grant(ADA, scopes).refresh_token

        def play(host: RawClient) -> None:
            host.initialize(client_info=CLIENT)
            host.call("jobs.queue.pause")
            credentials = {"refresh_token": token}
            account = {"provider": "google", "email": ADA, "display_name": "Me", "credentials": credentials}
            host.call("calendar.accounts.create", **account)
            host.until("jobs.schedule_updated")
            host.call("calendar.accounts.list")

        yield cloud.environment, play


@contextmanager
def ics(port: int) -> Iterator[tuple[Mapping[str, str], Play]]:
    """Syncs a secret address that redirects, an unchanged file and a changed one."""
    with FakeIcs(port=port, now=_now_s) as cloud:
        daily = ("DTSTART;TZID=Europe/Berlin:20261123T090000", "DURATION:PT15M", "RRULE:FREQ=DAILY;COUNT=5")
        standup = vevent(*daily, "SUMMARY:Standup")
        review = vevent("DTSTART:20261126T140000Z", "DTEND:20261126T150000Z", "SUMMARY:Review", uid="review")
        head = ("X-WR-CALNAME:The team", "X-WR-TIMEZONE:Europe/Berlin")
        cloud.put(vcalendar(standup, properties=head))
        cloud.redirects = {"/old/private-0123456789abcdef/basic.ics": urlsplit(cloud.address).path}

        def play(host: RawClient) -> None:
            host.initialize(client_info=CLIENT)
            address = f"{cloud.url}/old/private-0123456789abcdef/basic.ics"
            account = {"provider": "ics", "email": ADA, "display_name": "Team", "credentials": {"address": address}}
            account_id = host.call("calendar.accounts.create", **account)["account_id"]
            _until_synced(host)
            host.call("calendar.events.list", **WEEK, limit=20)
            host.call("calendar.accounts.sync", account_id=account_id)
            _until_synced(host)
            cloud.put(vcalendar(standup, review, properties=head))
            host.call("calendar.accounts.sync", account_id=account_id)
            _until_synced(host)
            host.call("calendar.events.list", **WEEK, limit=20)
            _delete(host, "calendar", account_id)

        yield {}, play


@contextmanager
def jira(port: int) -> Iterator[tuple[Mapping[str, str], Play]]:
    """Tries a wrong token and the right one, reads recent issues, adds a comment."""
    with FakeSite(_now_ms, port) as site:
        ada = site.user("ada")
        issues = []
        for days, (number, summary) in zip((3, 1), enumerate(("Sharpen the pencils", "Feed the heron")), strict=True):
            at_ms = _now_ms() - days * DAY_MS
            issues.append(site.jira.create(ada, summary, at_ms=at_ms, description=None))
            site.jira.transition(issues[number], ada, "Doing", at_ms=at_ms + 500)

        def change() -> None:
            site.jira.comment(issues[1], ada, "It likes fish")

        yield {"ATLASSIAN_GATEWAY_URL": site.url}, _play_atlassian("jira", site, change)


@contextmanager
def confluence(port: int) -> Iterator[tuple[Mapping[str, str], Play]]:
    """Does the same with a Confluence page."""
    with FakeSite(_now_ms, port) as site:
        ada = site.user("ada")
        page = site.confluence.create(ada, "Minutes", at_ms=_now_ms() - DAY_MS)
        site.confluence.comment(page, ada, "Thank you")

        def change() -> None:
            site.confluence.edit(page, ada, "Who was there")

        yield {"ATLASSIAN_GATEWAY_URL": site.url}, _play_atlassian("confluence", site, change)


def _play_atlassian(service: str, site: FakeSite, change: Callable[[], None]) -> Play:
    ada = site.user("ada")

    def play(host: RawClient) -> None:
        host.initialize(client_info=CLIENT)
        account = {"org": "Example", "base_url": site.url, "email": ada.email}
        host.call(f"{service}.accounts.create", **account, api_token="ATATT3x-of-somebody-else")
        account_id = host.call(f"{service}.accounts.create", **account, api_token=site.token(ada))["account_id"]
        _until_synced(host)
        host.call(f"{service}.accounts.list")
        host.call("activity.events.list", source=service, limit=10)
        host.call(f"{service}.accounts.update", account_id=account_id, org="Example Ltd")
        change()
        host.call(f"{service}.accounts.sync", account_id=account_id)
        _until_synced(host)
        _delete(host, service, account_id)

    return play


@contextmanager
def claude(_: int) -> Iterator[tuple[Mapping[str, str], Play]]:
    """Runs a prompt that succeeds and one that fails, with the scripted Claude."""

    def play(host: RawClient) -> None:
        host.initialize(client_info=CLIENT)
        hello = host.call("claude.spawn", prompt="Say hello.", allowed_tools=["Read"])["job_id"]
        host.until_job(hello, "succeeded")
        host.call("jobs.get", job_id=hello)
        host.call("claude.runs.get", job_id=hello)
        host.call("activity.events.list", source="claude", limit=5)
        host.call("activity.events.list", query="hello")
        failed = host.call("claude.spawn", prompt="[[error:401]]")["job_id"]
        host.until_job(failed, "failed")
        host.call("jobs.get", job_id=failed)

    yield STEADY_CLAUDE, play


@contextmanager
def permissions(_: int) -> Iterator[tuple[Mapping[str, str], Play]]:
    """Allows one permission request of Claude and denies another."""

    def play(host: RawClient) -> None:
        host.initialize(client_info=CLIENT)
        session_id = host.call("claude.sessions.create")["session_id"]
        first = _until_asked(host, session_id, "ls")
        host.call("claude.permissions.list", session_id=session_id)
        answer = host.call("claude.permissions.respond", request_id=first["request_id"], decision="allow")
        host.until_job(answer["job_id"], "succeeded")
        host.call("claude.permissions.respond", request_id=first["request_id"], decision="deny")
        second = _until_asked(host, session_id, "rm -r .")
        host.call("claude.permissions.list", status="open")
        refusal = {"request_id": second["request_id"], "decision": "deny", "message": "Certainly not."}
        host.until_job(host.call("claude.permissions.respond", **refusal)["job_id"], "succeeded")
        host.call("claude.permissions.list", limit=5)

    yield STEADY_CLAUDE, play


@contextmanager
def attachments(_: int) -> Iterator[tuple[Mapping[str, str], Play]]:
    """Sends a prompt with a file, one with a picture that is damaged, and one for which no budget is left."""

    def play(host: RawClient) -> None:
        host.initialize(client_info=CLIENT)
        session_id = host.call("claude.sessions.create")["session_id"]
        notes = {"type": "file", "name": "notes.txt", "data": base64.b64encode(b"A heron.").decode()}
        content = [{"type": "text", "text": "[[blocks]]"}, notes]
        job_id = host.call("claude.sessions.send", session_id=session_id, content=content)["job_id"]
        host.until_job(job_id, "succeeded")
        host.call("claude.messages.list", session_id=session_id)
        picture = {"type": "image", "name": "no picture.png", "data": notes["data"]}
        host.call("claude.sessions.send", session_id=session_id, content=[picture])
        host.call("claude.budgets.update", session_id=session_id, max_usd=0.001)
        host.call("claude.budgets.get", session_id=session_id)
        job_id = host.call("claude.sessions.send", session_id=session_id, prompt="Which bird is it?")["job_id"]
        host.until_job(job_id, "failed")

    yield STEADY_CLAUDE, play


@contextmanager
def tasks(_: int) -> Iterator[tuple[Mapping[str, str], Play]]:
    """Stops a command that Claude has left running in the background."""

    def play(host: RawClient) -> None:
        host.initialize(client_info=CLIENT)
        session_id = host.call("claude.sessions.create")["session_id"]
        prompt = "[[command:999999]] [[text:The server runs.]]"
        job_id = host.call("claude.sessions.send", session_id=session_id, prompt=prompt)["job_id"]
        while not host.until("jobs.progress")["message"].startswith("Waiting for background tasks"):
            pass
        (task,) = host.call("claude.tasks.list", session_id=session_id)["tasks"]
        host.call("claude.tasks.stop", job_id=job_id, task_id=task["task_id"])
        host.until_job(job_id, "succeeded")
        host.call("claude.sessions.get", session_id=session_id)

    yield STEADY_CLAUDE, play


def _until_asked(host: RawClient, session_id: str, command: str) -> Any:
    """Sends a prompt and returns the permission request for a command."""
    asked = json.dumps({"command": command}, separators=(",", ":"))
    host.call("claude.sessions.send", session_id=session_id, prompt=f"[[ask:Bash:{asked}]]")
    request = host.until("claude.permission_requested")["request"]
    while not host.until("jobs.log_added")["line"]["message"].startswith("Claude requests permission"):
        pass
    return request


@contextmanager
def plans(_: int) -> Iterator[tuple[Mapping[str, str], Play]]:
    """Schedules jobs and cancels one, without a server."""

    def play(host: RawClient) -> None:
        host.initialize(client_info=CLIENT)
        job_id = host.call("jobs.create", type="maintenance.backup", run_at="2026-11-26T08:00:00Z")["job"]["job_id"]
        host.call("jobs.create", type="maintenance.prune", run_at="2026-11-27T08:00:00Z")
        host.call("jobs.list")
        host.call("jobs.cancel", job_id=job_id)
        host.until_job(job_id, "cancelled")

    yield {}, play


@contextmanager
def trust(_: int) -> Iterator[tuple[Mapping[str, str], Play]]:
    """Trusts a folder that brings nothing, and withdraws that."""

    def play(host: RawClient) -> None:
        host.initialize(client_info=CLIENT)
        host.call("claude.trust.list")
        host.call("claude.trust.add", cwd="/")
        host.call("claude.trust.check", cwd="/")
        host.call("claude.trust.list")
        host.call("claude.sessions.create", cwd="/", settings="user")
        host.call("claude.trust.remove", folder="/")
        host.call("claude.trust.check", cwd="/")

    yield STEADY_CLAUDE, play


def _until_synced(host: RawClient) -> None:
    while (status := host.until("jobs.updated")["job"]["status"]) != "succeeded":
        assert status in ("queued", "running"), status


def _delete(host: RawClient, service: str, account_id: str) -> None:
    host.call(f"{service}.accounts.delete", account_id=account_id)
    host.until("accounts.updated", status="deleted")


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "a_user_connects_google_and_sees_the_week": google,
    "an_account_is_imported_with_its_token": imported,
    "a_user_subscribes_to_a_calendar_file_and_sees_the_week": ics,
    "a_user_connects_jira_and_the_feed_shows_it": jira,
    "a_user_connects_confluence_and_the_feed_shows_it": confluence,
    "claude_runs_a_prompt_and_the_feed_shows_it": claude,
    "claude_requests_permission_and_the_user_decides": permissions,
    "claude_reads_a_file_that_was_sent_with_a_prompt": attachments,
    "claude_works_in_the_background_and_a_task_is_stopped": tasks,
    "a_folder_is_trusted_and_the_trust_is_withdrawn": trust,
    "claude_reads_the_hub_without_asking": lambda _: nullcontext(({**STEADY_CLAUDE, **ZONE}, read_hub)),
    "a_run_of_claude_is_scheduled_and_its_runs_are_listed": lambda _: nullcontext((STEADY_CLAUDE, play_schedule)),
    "a_fixed_clock_and_seed_repeat_all_ids_and_times": plans,
}
"""Scenarios by the name of the transcript."""


def record(name: str, folder: Path, port: int = PORT) -> None:
    """Records a scenario into the folder: the transcript, and the upstream recording if there were requests."""
    transcript, upstream = folder / f"{name}.jsonl", folder / f"{name}.upstream"
    _run(SCENARIOS[name], port, "--upstream-record", str(upstream))
    if upstream.exists() and not upstream.stat().st_size:
        upstream.unlink()
    arguments = ["--upstream", str(upstream)] if upstream.exists() else []
    env = _run(SCENARIOS[name], port, *arguments, "--record", str(transcript), "--record-files")
    lines = list(read(transcript))
    for line in lines:
        if isinstance(line, Header) and env:
            line.facts = {**line.facts, "env": {**env, **{key: SECRET_ENV[key] for key in env if key in SECRET_ENV}}}
    write(transcript, lines)


def _run(scenario: Scenario, port: int, *arguments: str) -> Mapping[str, str]:
    """Runs a scenario; returns the environment that it needs."""
    with tempfile.TemporaryDirectory() as folder, scenario(port) as (env, play):
        found: dict[str, Any] = {
            name: str((CORPUS / text).resolve()) if text.startswith("../") else text for name, text in env.items()
        }
        fixed = ("--now", NOW.isoformat(), "--seed", str(SEED))
        with RawClient(Path(folder) / "data", "serve", *fixed, *arguments, **found) as host:
            play(host)
            host.close_stdin()
            assert host.exit_code() == 0
    return env


def steady(line: bytes) -> bytes:
    """Returns a transcript's line without its time and the process id, which differ in every run."""
    return PROCESS.sub(rb"\g<1>0", TIME.sub(b"{", line))


def is_same(one: Path, other: Path) -> bool:
    """Returns whether two transcripts or upstream recordings are the same except for that."""
    first, second = (list(map(steady, path.read_bytes().splitlines())) for path in (one, other))
    return first == second


def main() -> None:
    """Records the named scenarios, or all; does not touch files that stay the same."""
    for name in sys.argv[1:] or SCENARIOS:
        with tempfile.TemporaryDirectory() as folder:
            record(name, Path(folder))
            for made in sorted(Path(folder).iterdir()):
                kept = CORPUS / made.name
                if kept.exists() and is_same(made, kept):
                    print(f"unchanged  {made.name}")
                    continue
                shutil.copyfile(made, kept)
                print(f"recorded  {made.name}")


if __name__ == "__main__":
    main()
