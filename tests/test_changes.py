"""Typical changes, which are made in a copy of the code, in as few files as ARCHITECTURE.md says.

The real process then serves them.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.process.raw_client import RawClient

ROOT = Path(__file__).parent.parent
SERVICE = "sidecar/jobs/service.py"
JOBS = "protocol/sidecar_protocol/jobs/__init__.py"

METHOD = '''
    @method("jobs.count")
    async def count(self, *, status: JobStatus) -> JobCount:
        """Counts the jobs with a status."""
        ...


'''
COUNT = '''from sidecar_protocol.scalars import Count


class JobCount(Model):
    """A number of jobs."""

    count: Count


class JobsCounted(Notification):
    """The jobs were counted."""

    name: ClassVar[str] = "jobs.counted"
    count: Count


'''
IMPLEMENTATION = """
    async def count(self, *, status: JobStatus) -> "JobCount":
        from sidecar_protocol.jobs import JobCount, JobsCounted

        count = self._store.counts().get(status, 0)
        with self._journal.database.write():
            self._journal.notify(JobsCounted(count=count))
        return JobCount(count=count)
"""
SPEC = '''

from sidecar_protocol.contract import JobSpec

class GreetResult(Model):
    """A greeting."""

    text: ShortText


class Greet(JobSpec):
    """Returns a greeting."""

    type: ClassVar = "test.greet"
    result: ClassVar = GreetResult
    name: ShortText
'''
HANDLER = """

from sidecar_protocol.jobs import Greet, GreetResult


class GreetHandler:
    async def run(self, job: Greet, context: object) -> GreetResult:
        return GreetResult(text=f"Hello {job.name}")
"""
PROVIDER = """
from collections.abc import AsyncGenerator

from sidecar_protocol.accounts import AccountService
from sidecar_protocol.calendar.accounts import CalendarAuth, CalendarProvider

from sidecar.calendar.provider import ConnectedAccount, RemoteEventPage, EventQuery, RemoteCalendar, StoredAccount


class FixedProvider:
    provider_id = "fixed"
    service = AccountService.ICS
    sync_period_s = 900
    has_one_account_per_email = False

    def describe(self) -> CalendarProvider:
        return CalendarProvider(
            id=self.provider_id, name="Fixed", auth=CalendarAuth.ADDRESS, available=True, credentials=[]
        )

    async def connect(self, *, email, credentials, config) -> ConnectedAccount:
        return ConnectedAccount(email, {}, calendars=[RemoteCalendar("c", "Fixed calendar")])

    def identity(self, credentials) -> None:
        return None
"""


def change(copy: Path, edits: dict[str, list[tuple[str, str]]]) -> int:
    """Replaces texts in files, or creates files; returns the number of files."""
    for name, replacements in edits.items():
        path = copy / name
        text = path.read_text("utf-8") if path.exists() else ""
        for old, new in replacements:
            assert old in text, f"{name} has no {old!r}"
            text = text.replace(old, new, 1) if old else text + new
        path.write_text(text, "utf-8")
    return len(edits)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the product's Python and of the migrations."""
    for folder in ("protocol/sidecar_protocol", "sidecar", "schema"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def python_path(copy: Path) -> str:
    return os.pathsep.join([str(copy / "protocol"), str(copy)])


def sidecar(copy: Path) -> RawClient:
    """The changed sidecar."""
    command = (sys.executable, "-P", "-m", "sidecar")  # -P: not the checkout, which is the working directory
    return RawClient(copy / "data", command=command, PYTHONPATH=python_path(copy))


def test_a_method_and_its_notification_take_the_declaration_and_the_service(copy: Path) -> None:
    files = change(
        copy,
        {
            JOBS: [
                ("class Jobs(Protocol):", COUNT + "class Jobs(Protocol):"),
                ("", METHOD),
            ],
            SERVICE: [("", IMPLEMENTATION)],
        },
    )
    with sidecar(copy) as client:
        client.initialize()
        assert client.call("jobs.count", status="queued") == {"count": 0}
        assert client.until("jobs.counted")["count"] == 0
    assert files == 2


def test_a_job_type_takes_its_declaration_and_a_registered_handler(copy: Path) -> None:
    feature = "sidecar/activity/feature.py"
    registration = "registrations=(Registration(Greet, GreetHandler()), "
    files = change(copy, {JOBS: [("", SPEC)], feature: [("registrations=(", registration), ("", HANDLER)]})
    with sidecar(copy) as client:
        client.initialize()
        job = client.call("jobs.create", type="test.greet", payload={"name": "Ada"})["job"]
        assert client.until_job(job["job_id"], "succeeded")["result"] == {"text": "Hello Ada"}
    assert files == 2


def test_an_optional_field_of_a_job_breaks_no_transcript(copy: Path) -> None:
    files = change(
        copy,
        {
            "schema/migrations/0099_colour.sql": [("", "ALTER TABLE jobs ADD COLUMN colour TEXT;\n")],
            "protocol/sidecar_protocol/entities.py": [
                ("    recoveries: Count = 0\n", "    colour: str | None = None\n    recoveries: Count = 0\n")
            ],
        },
    )
    program = (
        "from sidecar_protocol.export import openrpc; from pathlib import Path;"
        f"Path({str(copy / 'schema' / 'openrpc.json')!r}).write_text(openrpc.openrpc_text(), 'utf-8')"
    )
    variables = {**os.environ, "PYTHONPATH": python_path(copy)}
    subprocess.run([sys.executable, "-c", program], env=variables, check=True, timeout=60)
    names = ("a_job_is_scheduled_cancelled_and_retried.jsonl", "invalid_requests_get_errors_and_lose_nothing.jsonl")
    transcripts = [str(ROOT / "tests" / "transcripts" / name) for name in names]
    command = [sys.executable, "-P", "-m", "sidecar", "verify", *transcripts]
    verified = subprocess.run(command, env=variables, cwd=copy, capture_output=True, text=True, check=False, timeout=60)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert files == 2


def test_a_calendar_provider_takes_its_module_and_its_line(copy: Path) -> None:
    line = "IcsProvider(runtime.http())"
    feature = "sidecar/calendar/feature.py"
    files = change(
        copy,
        {
            "sidecar/calendar/fixed.py": [("", PROVIDER)],
            feature: [
                (line, line + ", FixedProvider()"),
                ("\n\n\ndef make", "\nfrom sidecar.calendar.fixed import FixedProvider\n\n\ndef make"),
            ],
        },
    )
    with sidecar(copy) as client:
        client.initialize()
        providers: list[Any] = client.call("calendar.providers.list")["providers"]
        assert "fixed" in [provider["id"] for provider in providers]
        account = client.call("calendar.accounts.create", provider="fixed", email="ada@example.com")
        calendars = client.call("calendar.calendars.list", account_id=account["account_id"])["calendars"]
        assert [calendar["name"] for calendar in calendars] == ["Fixed calendar"]
    assert files == 2
