"""A bundle, built by the command and started as a packaged app starts it: moved, in an empty environment."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sidecar.packaging.bundle import bundle
from sidecar.packaging.contents import distributions, licences_of, python_licence
from tests.process.raw_client import RawClient

STANDIN = Path(__file__).parents[1] / "fakes" / "claude"
START = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y%m%d")
# America/New_York by the name that Windows gives it, without a VTIMEZONE that would explain it.
CALENDAR = f"""BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//tests//EN
BEGIN:VEVENT
UID:one
DTSTAMP:20260101T000000Z
SUMMARY:Meeting
DTSTART;TZID=Eastern Standard Time:{START}T120000
DTEND;TZID=Eastern Standard Time:{START}T130000
END:VEVENT
END:VCALENDAR
""".replace("\n", "\r\n")

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="the fake Claude and the login shell are scripts"),
    pytest.mark.timeout(1_200),  # PyInstaller takes half a minute, several times that on a busy machine
]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("--frozen", marks=pytest.mark.xdist_group("frozen")),
        pytest.param(None, marks=pytest.mark.xdist_group("copied"), id="copied"),
    ],
)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The program of a bundle that was built in one folder and moved to another."""
    built, moved = tmp_path_factory.mktemp("built"), tmp_path_factory.mktemp("My Äpp (数据)") / "resources"
    done = subprocess.run(
        [sys.executable, "-m", "sidecar", "bundle", "--out", str(built), *filter(None, [request.param])],
        capture_output=True,
        text=True,
        check=False,
    )
    if "is a part of the system" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    shutil.move(built, moved)
    yield moved / "sidecar" / "sidecar"
    shutil.rmtree(moved)


@pytest.fixture
def login_shell(tmp_path: Path) -> Path:
    """A login shell whose PATH has the Python that the fake Claude needs."""
    shell = tmp_path / "shell"
    shell.write_text(f"#!/bin/sh\necho 'PATH={os.environ['PATH']}'\n")
    shell.chmod(0o755)
    return shell


def started(program: Path, data_dir: Path, **environment: str) -> RawClient:
    """The bundle with no environment variables but these and the data folder."""
    variables = [f"{name}={value}" for name, value in {**environment, "APP_DATA_DIR": str(data_dir)}.items()]
    return RawClient(data_dir, command=["/usr/bin/env", "-i", *variables, str(program)])


def done(wire: RawClient, started: dict[str, Any]) -> dict[str, Any]:
    """Waits until a job, given as a method returned it, has succeeded; returns it."""
    job = started.get("job", started)
    return dict(wire.until_job(job["job_id"], "succeeded"))


def test_a_bundle_does_what_an_installed_sidecar_does_and_starts_again(
    program: Path, data_dir: Path, tmp_path: Path, login_shell: Path
) -> None:
    calendar = tmp_path / "outlook.ics"
    calendar.write_bytes(CALENDAR.encode())
    with started(program, data_dir, CLAUDE_PATH=str(STANDIN), SHELL=str(login_shell)) as wire:
        wire.initialize()
        done(wire, wire.call("jobs.create", type="maintenance.backup"))
        account = wire.call(
            "calendar.accounts.create", provider="ics", email="me@example.com", credentials={"address": str(calendar)}
        )
        done(wire, wire.call("calendar.accounts.sync", account_id=account["account_id"]))
        days = {"start": f"{datetime.now(UTC):%Y-%m-%dT00:00:00Z}", "end": "2100-01-01T00:00:00Z"}
        (event,) = wire.call("calendar.events.list", **days)["events"]
        assert event["title"] == "Meeting"
        assert datetime.fromtimestamp(event["start_ts"], UTC).hour in (16, 17), "noon in New York"
        about = done(wire, wire.call("claude.spawn", prompt="[[about]]"))["result"]["text"]
        assert str(program.parent) not in about, "no variable or folder of the bundle reaches Claude"
        exported = tmp_path / "feed.csv"
        done(wire, wire.call("jobs.create", type="activity.export", payload={"path": str(exported)}))
        assert "claude:run" in exported.read_text("utf-8")
        wire.close_stdin()
        assert wire.exit_code() == 0
    with started(program, data_dir) as wire:
        wire.initialize()
        assert wire.call("calendar.events.list", **days)["events"] == [event]


def test_variables_of_an_appimage_do_not_end_a_bundle(program: Path, data_dir: Path) -> None:
    environment = {
        "PYTHONHOME": "/mnt/hub/usr",
        "PYTHONPATH": "/mnt/hub/usr/lib",
        "LD_LIBRARY_PATH": "/mnt/hub/usr/lib",
    }
    with started(program, data_dir, **environment) as wire:
        wire.initialize()


def test_a_bundle_is_not_overwritten_unless_asked(tmp_path: Path) -> None:
    kept = tmp_path / "sidecar" / "mine"
    kept.parent.mkdir()
    kept.write_text("mine")
    refused = CliRunner().invoke(bundle, ["--out", str(tmp_path)])
    assert refused.exit_code == 1
    assert "--overwrite" in refused.output
    assert kept.read_text() == "mine"


def test_a_bundle_has_the_licence_of_all_that_it_contains(program: Path) -> None:
    folder = program.parent / "licenses"
    names = {f"{package.metadata['Name']}-{package.version}" for package in distributions()}
    names |= {f"Python-{platform.python_version()}"}
    found = {text.relative_to(folder).parts[0] for text in folder.rglob("*") if text.is_file() and text.stat().st_size}
    assert names - found == set()


def test_every_package_that_a_bundle_contains_ships_its_licence() -> None:
    assert [package.metadata["Name"] for package in distributions() if not licences_of(package)] == []
    assert python_licence() is not None
