"""Other users of the computer get nothing from the data folder, and a link in it leads nowhere."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from sidecar import exit_codes
from tests.conftest import StartRawClient
from tests.old_backend import SECRETS, fill, old_database

if sys.platform == "win32":
    pytest.skip("Windows has no file modes", allow_module_level=True)

UMASKS = (0, 0o022, 0o077, 0o177)


@pytest.mark.parametrize("umask", UMASKS, ids=oct)
def test_everything_that_is_made_is_its_owners_alone_under_any_umask(
    raw_client: StartRawClient, data_dir: Path, tmp_path: Path, umask: int
) -> None:
    """The database, its log and lock, logs, the key, backups, attachments, exports and a transcript."""
    chosen, transcript = tmp_path / "chosen.csv", tmp_path / "talk.jsonl"
    calendar = tmp_path / "a.ics"
    calendar.write_text("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:a\nEND:VCALENDAR\n")
    old = os.umask(umask)
    try:
        with raw_client("--record", str(transcript), HOME=str(tmp_path / "home")) as client:
            client.initialize()
            credentials = {"address": str(calendar)}
            client.call("calendar.accounts.create", provider="ics", email="a@example.com", credentials=credentials)
            text = {"type": "file", "data": "aGVsbG8=", "name": "a.txt"}
            client.call("claude.spawn", content=[{"type": "text", "text": "x"}, text])
            for payload in ({}, {"path": str(chosen)}):
                job = client.call("jobs.create", type="activity.export", payload={"format": "csv", **payload})["job"]
                client.until_job(job["job_id"], "succeeded")
            job = client.call("jobs.create", type="maintenance.backup")["job"]
            client.until_job(job["job_id"], "succeeded")
            client.process.kill()  # no file comes or goes while they are looked at
            client.exit_code()
            made = [data_dir, chosen, transcript, *data_dir.rglob("*")]
            modes = {path: stat.S_IMODE(path.stat().st_mode) for path in made}
    finally:
        os.umask(old)
    names = {path.relative_to(data_dir).parts[0] for path in made[3:]}
    assert names >= {"sidecar.db", "sidecar.db-wal", "sidecar.db.lock", "sidecar.key", "logs", "backups", "exports"}
    assert modes == {path: (0o700 if path.is_dir() else 0o600) & ~umask for path in made}


def test_what_others_could_read_before_is_taken_from_them_at_the_start(
    raw_client: StartRawClient, data_dir: Path
) -> None:
    """The old backend made its database with the usual umask, with credentials in plain text."""
    data_dir.mkdir()
    with old_database(data_dir) as connection:
        fill(connection)
    (data_dir / "logs").mkdir()
    (data_dir / "logs" / "sidecar.log").write_text("")
    for path in data_dir.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    with raw_client() as client:
        client.initialize()
        job = client.call("jobs.create", type="maintenance.backup")["job"]
        client.until_job(job["job_id"], "succeeded")
        client.process.kill()
        client.exit_code()
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data_dir.rglob("*") if path.is_file()}
    assert set(modes.values()) == {0o600}, modes


def test_a_lock_file_that_is_a_link_is_not_followed(raw_client: StartRawClient, data_dir: Path, tmp_path: Path) -> None:
    """It would be emptied, and in a shared folder another user could have put the link there."""
    victim = tmp_path / "precious"
    victim.write_text("precious")
    data_dir.mkdir()
    (data_dir / "sidecar.db.lock").symlink_to(victim)
    with raw_client() as client:
        assert client.process.wait(60) not in (exit_codes.OK, exit_codes.CRASHED)
        assert "sidecar.db.lock" in client.errors.read_text("utf-8")
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("name", ["backups", "exports", "attachments", "logs"])
def test_links_in_place_of_folders_and_unfinished_files_change_no_other_file(
    raw_client: StartRawClient, data_dir: Path, tmp_path: Path, name: str
) -> None:
    """A user may keep such a folder on another disk; what is there already stays as it is."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    precious = elsewhere / "precious.db"
    precious.write_text("precious")
    data_dir.mkdir()
    (data_dir / name).symlink_to(elsewhere)
    (data_dir / "sidecar.key.part").symlink_to(precious)
    calendar = tmp_path / "a.ics"
    calendar.write_text("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:a\nEND:VCALENDAR\n")
    with raw_client() as client:
        client.initialize()
        client.call("calendar.accounts.create", provider="ics", email="a@b.c", credentials={"address": str(calendar)})
        client.call("claude.spawn", content=[{"type": "file", "data": "aGVsbG8=", "name": "../../a.txt"}])
        for _ in range(2):
            for kind in ("maintenance.backup", "activity.export"):
                job = client.call("jobs.create", type=kind)["job"]
                client.until_job(job["job_id"], "succeeded", "failed")
    assert precious.read_text() == "precious"
    assert not (tmp_path / "a.txt").exists()


def test_a_crash_leaves_no_memory_on_the_disk(raw_client: StartRawClient, data_dir: Path) -> None:
    if not Path("/proc/self/limits").exists():
        pytest.skip("only Linux shows the limits of a process")
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        with raw_client() as client:
            client.initialize()
            limits = Path(f"/proc/{client.process.pid}/limits").read_text()
            client.process.send_signal(signal.SIGABRT)
            client.process.wait(60)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    (line,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert line.split()[4] == "0"


def test_the_html_page_of_a_transcript_is_private(raw_client: StartRawClient, tmp_path: Path) -> None:
    transcript, page = tmp_path / "talk.jsonl", tmp_path / "page.html"
    with raw_client("--record", str(transcript)) as client:
        client.initialize()
    subprocess.run([sys.executable, "-m", "sidecar", "inspect", str(transcript), "--html", str(page)], check=True)
    assert stat.S_IMODE(page.stat().st_mode) == 0o600


def files_with_secrets(folder: Path) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if any(secret.encode() in path.read_bytes() for secret in SECRETS)]


def test_no_sealed_value_remains_in_the_write_ahead_log_or_a_backup_of_a_running_process(
    raw_client: StartRawClient, data_dir: Path
) -> None:
    data_dir.mkdir()
    with old_database(data_dir) as connection:
        fill(connection)
    assert files_with_secrets(data_dir) == ["sidecar.db"]
    with raw_client() as client:
        client.initialize()
        with closing(sqlite3.connect(data_dir / "sidecar.db")) as outside:
            while not outside.execute("SELECT api_token FROM atlassian_accounts").fetchone()[0].startswith("enc:v1:"):
                client.call("system.status")
        client.call("system.status")  # VACUUM follows the commit
        assert len(list((data_dir / "backups").iterdir())) == 1
        assert files_with_secrets(data_dir) == []
