"""Backups: their order, what is rotated away, and what a lost database or a restore does to them."""

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.conftest import StartRawClient
from tests.old_backend import fill, old_database
from tests.process.raw_client import Message, RawClient


def start(raw_client: StartRawClient) -> RawClient:
    client = raw_client()
    client.initialize()
    return client


def run_job(client: RawClient, kind: str, **payload: object) -> Message:
    job = client.call("jobs.create", type=kind, payload=payload)["job"]
    return client.until_job(job["job_id"], "succeeded", "failed")


def back_up(client: RawClient) -> Path:
    """Makes a backup and returns its path."""
    done = run_job(client, "maintenance.backup")
    assert done["status"] == "succeeded", done["error"]
    return Path(done["result"]["path"])


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def health(client: RawClient) -> tuple[str, str | None]:
    """Returns the status of the whole, and what is wrong with the database."""
    found = client.call("system.health")
    return found["status"], next(one["detail"] for one in found["checks"] if one["name"] == "database")


def jobs(path: Path) -> set[str]:
    """Returns the ids of the jobs in a database."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return {job_id for (job_id,) in connection.execute("SELECT job_id FROM jobs")}


def test_copies_from_the_future_are_the_oldest_and_the_one_just_written_stays(raw_client: StartRawClient) -> None:
    with start(raw_client) as client:
        first = back_up(client)
        for year in (2098, 2099, 2100):
            shutil.copy(first, first.with_name(f"sidecar-{year}-01-01T000000000Z.db"))
        written = [back_up(client) for _ in range(3)]
        assert names(first.parent) == {path.name for path in written}


def test_the_copy_before_an_adoption_stays_whatever_is_in_the_names_of_the_others(
    raw_client: StartRawClient, data_dir: Path
) -> None:
    data_dir.mkdir()
    with old_database(data_dir) as connection:
        fill(connection)
    folder = data_dir / "backups"
    with start(raw_client):
        pass
    (adoption,) = folder.iterdir()
    for migration in ("0009_x", "0010_y", "0011_z"):
        shutil.copy(adoption, folder / f"sidecar-before-{migration}-2026-01-01T000000000Z.db")
    before = names(folder)
    for path in data_dir.glob("sidecar.db*"):
        path.unlink()
    with old_database(data_dir) as connection:
        fill(connection)
    with start(raw_client):
        pass
    (new,) = names(folder) - before
    assert new.startswith("sidecar-before-0001_initial-2")
    assert before <= names(folder)


def test_files_that_the_sidecar_has_not_made_are_not_rotated_away(raw_client: StartRawClient) -> None:
    with start(raw_client) as client:
        folder = back_up(client).parent
        mine = {"sidecar-2026-of-mine.db", "sidecar-by-hand.db", "other-2026-01-01T000000000Z.db", "notes.txt"}
        for name in mine:
            (folder / name).write_bytes(b"mine")
        (folder / "sidecar-2026-01-01T000000000Z.db").write_bytes(b"damaged")
        for _ in range(4):
            back_up(client)
        assert names(folder) >= mine | {"sidecar-2026-01-01T000000000Z.db"}
        assert len(names(folder)) == 3 + 5


@pytest.mark.parametrize("way", ["deleted", "emptied", "without tables"])
def test_a_lost_database_is_reported_and_its_copies_are_kept(raw_client: StartRawClient, way: str) -> None:
    with start(raw_client) as client:
        run_job(client, "maintenance.prune")
        old = [back_up(client) for _ in range(3)]
        assert health(client) == ("ok", None)
    path = client.data_dir / "sidecar.db"
    for file in client.data_dir.glob("sidecar.db*"):
        file.unlink()
    if way == "emptied":
        path.touch()
    elif way == "without tables":
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("VACUUM")
    with start(raw_client) as client:
        lost = client.until("system.database_lost")
        assert (lost["backup"], f"sidecar restore {old[-1].name}" in lost["hint"]) == (old[-1].name, True)
        status, detail = health(client)
        assert (status, f"{detail}.") == ("degraded", lost["hint"])
        assert client.call("system.backups.list")["backups"][0]["name"] == old[-1].name
        for _ in range(4):
            back_up(client)
        assert {path.name for path in old} <= names(old[0].parent)
    with start(raw_client) as client:  # it is not over, but is not repeated either
        assert health(client)[0] == "degraded"
        client.call("jobs.list")
        assert [one for one in client.all_notifications if one["method"] == "system.database_lost"] == []
        old[-1].unlink()
    with start(raw_client) as client:
        assert health(client) == ("ok", None)


def test_a_host_restores_a_backup_and_nothing_is_lost(raw_client: StartRawClient) -> None:
    with raw_client() as client:
        epoch = client.initialize()["events"]["epoch"]
        run_job(client, "maintenance.prune")
        backup = back_up(client)
        before = jobs(backup)
        run_job(client, "maintenance.prune")
        answer = client.call("system.backups.list")["backups"]
        assert [one["name"] for one in answer] == [backup.name]
        assert answer[0]["contents"]["jobs"] == len(before)
        begun = client.call("system.backups.restore", name=backup.name)
        assert begun["name"] == backup.name
        assert client.exit_code() == 0
    path = client.data_dir / "sidecar.db"
    kept = path.with_name(begun["kept_as"])
    now = jobs(path)
    with raw_client() as client:
        events = client.initialize(resume={"epoch": epoch, "after_seq": 1})["events"]
        assert (events["resume"], events["epoch"] == epoch) == ("resync", False)  # its numbers are used again
        assert {job["job_id"] for job in client.call("jobs.list", limit=200)["jobs"]} >= before
        assert jobs(kept) == now > before
        assert health(client) == ("ok", None)
        for _ in range(4):
            back_up(client)
        assert backup.name not in names(backup.parent)  # still a copy of this database


def test_a_backup_that_is_missing_damaged_or_newer_is_not_restored(raw_client: StartRawClient) -> None:
    with start(raw_client) as client:
        good = back_up(client)
        damaged, newer = good.with_name("damaged.db"), good.with_name("newer.db")
        content = good.read_bytes()
        damaged.write_bytes(content[: len(content) // 2] + b"\0" * 100)
        shutil.copy(good, newer)
        with contextlib.closing(sqlite3.connect(newer)) as connection, connection:
            connection.execute("INSERT INTO schema_migrations VALUES (999, 'sidecar', '9999_future', '')")
        for name, kind in (
            ("no.db", "backup_not_found"),
            ("../sidecar.db", "backup_not_found"),
            ("damaged.db", "backup_unusable"),
            ("newer.db", "backup_unusable"),
        ):
            assert client.call("system.backups.restore", name=name)["error"]["data"]["kind"] == kind
        assert client.call("system.health")["status"] == "ok"
        assert [path for path in client.data_dir.iterdir() if "restore" in path.name] == []


@pytest.mark.parametrize("move", [shutil.copy, shutil.copyfile, shutil.copy2, shutil.move])
def test_a_backup_put_over_the_database_by_hand_is_not_spoiled_by_the_log_of_a_kill(
    raw_client: StartRawClient, move: object
) -> None:
    with start(raw_client) as client:
        run_job(client, "maintenance.prune")
        backup = back_up(client)
        before = jobs(backup)
        for _ in range(30):
            run_job(client, "maintenance.prune")
        client.process.kill()
        client.exit_code()
    path = client.data_dir / "sidecar.db"
    assert path.with_name("sidecar.db-wal").stat().st_size > 0
    assert callable(move)
    move(backup, path)
    with start(raw_client) as client:
        assert health(client) == ("ok", None)
    assert jobs(path) == before
    assert [one for one in names(client.data_dir) if one.startswith("sidecar.db-wal.unused-")] != []


def test_a_log_that_is_left_of_a_deleted_database_is_kept(raw_client: StartRawClient) -> None:
    with start(raw_client) as client:
        run_job(client, "maintenance.prune")
        client.process.kill()
        client.exit_code()
    path = client.data_dir / "sidecar.db"
    log = path.with_name("sidecar.db-wal").read_bytes()
    path.unlink()
    with start(raw_client) as client:
        assert client.call("jobs.list")["jobs"] == []
    (kept,) = client.data_dir.glob("sidecar.db-wal.unused-*")
    assert kept.read_bytes() == log
