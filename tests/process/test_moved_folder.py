"""The data folder, the database or its lock file is moved, deleted or replaced while the sidecar runs."""

import contextlib
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import StartRawClient
from tests.process.raw_client import RawClient, line

if sys.platform == "win32":
    pytest.skip("Windows does not let open files be moved or deleted", allow_module_level=True)


def replace_database(folder: Path) -> None:
    shutil.copy(folder / "sidecar.db", folder / "copy")
    (folder / "copy").replace(folder / "sidecar.db")


WAYS: dict[str, Callable[[Path], object]] = {
    "the folder is deleted": shutil.rmtree,
    "the folder is moved": lambda folder: folder.rename(folder.with_name("moved")),
    "the database is deleted": lambda folder: (folder / "sidecar.db").unlink(),
    "the database is replaced": replace_database,
    "the write-ahead log is deleted": lambda folder: (folder / "sidecar.db-wal").unlink(),
    "the lock file is deleted": lambda folder: (folder / "sidecar.db.lock").unlink(),
}


def create(client: RawClient) -> str:
    """Returns the id of a new job."""
    return str(client.call("jobs.create", type="maintenance.prune")["job"]["job_id"])


def refusals(client: RawClient, number: int) -> list[tuple[str, str]]:
    """Returns kind and reason of the errors with which the next requests were answered."""
    errors = [client.next_answer()["error"]["data"] for _ in range(number)]
    return [(error["kind"], error["details"][0]["reason"]) for error in errors]


@pytest.mark.parametrize("way", WAYS)
def test_nothing_more_is_acknowledged_health_says_why_and_the_process_ends_with_74(
    raw_client: StartRawClient, way: str
) -> None:
    with raw_client() as client:
        client.initialize()
        known = create(client)
        client.until_job(known, "succeeded")
        WAYS[way](client.data_dir)
        # In one write: the process answers for a while only, in which this one may not get to run.
        lines = [line("jobs.create", number, type="maintenance.prune") for number in range(2)]
        client.send(b"".join([*lines, line("system.health", "health")]))
        assert refusals(client, 2) == [("storage", "db_moved")] * 2
        health = client.answer("health")["result"]
        detail = next(one["detail"] for one in health["checks"] if one["name"] == "database")
        assert (health["status"], "while the sidecar was running" in detail) == ("degraded", True)
        assert client.exit_code() == 74
    if way == "the folder is moved":
        moved = client.data_dir.with_name("moved")
        with contextlib.closing(sqlite3.connect(moved / "sidecar.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert connection.execute("SELECT job_id, status FROM jobs").fetchall() == [(known, "succeeded")]


def test_an_idle_process_notices_it_too(raw_client: StartRawClient) -> None:
    with raw_client() as client:
        client.initialize()
        client.call("jobs.list")
        client.data_dir.rename(client.data_dir.with_name("moved"))
        assert client.exit_code() == 74


def test_the_log_of_another_process_at_the_old_path_is_left_alone(raw_client: StartRawClient) -> None:
    with raw_client() as client:
        client.initialize()
        create(client)
        client.data_dir.rename(client.data_dir.with_name("moved"))
        with raw_client() as second:
            second.initialize()
            known = create(second)
            assert client.exit_code() == 74
            second.process.kill()
            second.exit_code()
    with raw_client() as third:
        third.initialize()
        assert [job["job_id"] for job in third.call("jobs.list")["jobs"]] == [known]


def test_a_database_that_is_reached_by_a_link_has_the_same_lock(
    raw_client: StartRawClient, data_dir: Path, tmp_path: Path
) -> None:
    link = tmp_path / "elsewhere" / "link.db"
    link.parent.mkdir()
    with raw_client() as client:
        client.initialize()
        link.symlink_to(data_dir / "sidecar.db")
        with RawClient(link.parent, "--db", str(link)) as second:
            assert second.exit_code() == 73
            assert f"process {client.process.pid}" in second.errors.read_text("utf-8")
        create(client)
    with RawClient(link.parent, "--db", str(link)) as through:
        through.initialize()
        assert len(through.call("jobs.list")["jobs"]) == 1
