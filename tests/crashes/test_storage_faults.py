"""Full disks, missing permissions, damaged files, held locks: a clear error or a wait, and no data is lost."""

import contextlib
import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.crashes.cases import nightly
from tests.crashes.invariants import recover
from tests.crashes.recovering_client import RecoveringClient
from tests.process.raw_client import Message

CORRUPTION: Final = ("SQLite", "malformed", "not a database")
UNPRIVILEGED: Final = ("--condition", "unprivileged") if hasattr(os, "geteuid") and os.geteuid() == 0 else ()


def reasons(client: RecoveringClient) -> set[tuple[str, str]]:
    """Returns the kind and the reason of each error received."""
    return {(error["data"]["kind"], error["data"]["details"][0]["reason"]) for error in client.errors}


def fill(client: RecoveringClient) -> None:
    """Creates a database with a few pages of finished jobs and quits."""
    with client.sidecar():
        for _ in range(5):
            client.create(*["crash.once"] * 40)
        assert client.read_answers()
        assert client.read_until(client.all_final)
        assert client.quit() == 0


def refused_start(client: RecoveringClient) -> str:
    """Starts the sidecar, which must end with 74; returns its stderr."""
    with client.sidecar(*UNPRIVILEGED) as raw:
        assert client.read_to_end() == 74
        return raw.errors.read_text("utf-8")


def fill_the_disk(client: RecoveringClient) -> None:
    """Creates jobs until one is refused."""
    for _ in range(200):
        client.create(*["crash.once", "crash.repeatable", "crash.flaky"] * 3)
        assert client.read_answers(), "the sidecar ended"
        if client.errors:
            return
    raise AssertionError("no create was refused")


@pytest.mark.parametrize("condition", ["disk_nearly_full", "disk_full"])
def test_a_full_disk_refuses_writes_and_loses_nothing(client: RecoveringClient, condition: str) -> None:
    with client.sidecar("--point", "handler:middle", "--nth", "3"):
        client.create(*["crash.once", "crash.repeatable"] * 3)
        client.expect_killed()
    with client.sidecar("--condition", condition):
        fill_the_disk(client)
        assert reasons(client) == {("storage", "disk_full")}
        assert client.call("system.health")["version"]
        assert client.call("jobs.list")["jobs"]
        assert client.quit() == 0
    recover(client)


@pytest.mark.parametrize("kills", [1, nightly(2)])
def test_a_kill_while_the_disk_is_full_loses_nothing(client: RecoveringClient, kills: int) -> None:
    for _ in range(kills):
        client.errors.clear()
        with client.sidecar("--condition", "disk_full") as raw:
            fill_the_disk(client)
            raw.process.kill()
            client.expect_killed()
    recover(client)


@contextlib.contextmanager
def protected(path: Path, mode: int) -> Iterator[None]:
    """Changes the permissions inside the block."""
    before = path.stat().st_mode
    path.chmod(mode)
    yield
    path.chmod(before)


@pytest.mark.skipif(sys.platform != "linux", reason="root drops its privileges by a system call of Linux")
@pytest.mark.parametrize(("name", "mode"), [("", 0o500), ("sidecar.db", 0o400)], ids=["folder", "file"])
def test_a_read_only_folder_or_database_ends_the_start_with_74_and_is_not_changed(
    client: RecoveringClient, name: str, mode: int
) -> None:
    fill(client)
    before = (client.data_dir / "sidecar.db").read_bytes()
    with protected(client.data_dir / name, mode):
        assert str(client.data_dir) in refused_start(client)
        assert (client.data_dir / "sidecar.db").read_bytes() == before
    recover(client)


def test_a_file_in_place_of_the_folder_or_a_folder_in_place_of_the_database_ends_the_start_with_74(
    client: RecoveringClient,
) -> None:
    client.data_dir.write_text("a file")
    assert str(client.data_dir) in refused_start(client)
    client.data_dir.unlink()
    (client.data_dir / "sidecar.db").mkdir(parents=True)
    assert str(client.data_dir) in refused_start(client)
    (client.data_dir / "sidecar.db").rmdir()
    fill(client)
    recover(client)


def damage(path: Path, part: str) -> None:
    """Damages a database of more than eight pages."""
    content = path.read_bytes()
    page = int.from_bytes(content[16:18], "big")
    assert len(content) > 8 * page
    noise = bytes(range(256)) * (len(content) // 256)
    path.write_bytes(
        {
            "header": b"x" * page + content[page:],
            "half a header": content[:50],
            "schema": content[:100] + noise[: page - 100] + content[page:],
            "all but the schema": content[:page] + noise[page:],
            "second half": content[: len(content) // 2] + noise[len(content) // 2 :],
            "cut": content[: len(content) // 2 // page * page],
        }[part]
    )


@pytest.mark.parametrize("part", ["header", nightly("half a header"), "schema"])
def test_a_damaged_header_or_schema_ends_the_start_with_74_and_is_not_changed(
    client: RecoveringClient, part: str
) -> None:
    fill(client)
    path = client.data_dir / "sidecar.db"
    damage(path, part)
    before = path.read_bytes()
    stderr = refused_start(client)
    assert str(path) in stderr
    assert any(word in stderr for word in CORRUPTION)
    assert "Traceback" not in stderr
    assert path.read_bytes() == before


@pytest.mark.parametrize("part", ["all but the schema", nightly("second half"), "cut"])
def test_damaged_pages_are_reported_to_the_client_or_end_the_start_with_74(client: RecoveringClient, part: str) -> None:
    fill(client)
    damage(client.data_dir / "sidecar.db", part)
    with client.sidecar() as raw:
        client.send("jobs.list")
        if client.read_answers():
            client.create("crash.once")
            assert client.read_answers(), raw.errors.read_text("utf-8")
            assert reasons(client) == {("storage", "db_corrupt")}
            assert client.call("system.health")["version"]
            assert client.quit() == 0
        else:
            assert raw.exit_code() == 74, raw.errors.read_text("utf-8")
            assert any(word in raw.errors.read_text("utf-8") for word in CORRUPTION)


def test_a_second_instance_ends_with_73_and_does_not_disturb_the_first(client: RecoveringClient) -> None:
    second = RecoveringClient(client.data_dir, client.step_log.with_name("second step log"))
    with client.sidecar() as raw:
        client.create(*["crash.once", "crash.repeatable"] * 20)
        with second.sidecar() as other:
            assert second.read_to_end() == 73
            assert f"process {raw.process.pid}" in other.errors.read_text("utf-8")
        assert client.read_answers()
        assert client.read_until(client.all_final)
        assert client.quit() == 0
    assert second.step_log.read_text() == ""
    recover(client)


@contextlib.contextmanager
def other_connection(client: RecoveringClient) -> Iterator[sqlite3.Connection]:
    """Opens a connection to the database next to the sidecar's."""
    with contextlib.closing(sqlite3.connect(client.data_dir / "sidecar.db", isolation_level=None)) as connection:
        yield connection


def test_an_open_read_transaction_blocks_nothing(client: RecoveringClient) -> None:
    fill(client)
    with client.sidecar(), other_connection(client) as reader:
        reader.execute("BEGIN")
        before = reader.execute("SELECT * FROM jobs ORDER BY job_id").fetchall()
        client.create(*["crash.once", "crash.repeatable", "crash.flaky"] * 20)
        assert client.read_answers()
        assert client.read_until(client.all_final)
        assert reader.execute("SELECT * FROM jobs ORDER BY job_id").fetchall() == before
        assert client.quit() == 0
        reader.execute("ROLLBACK")
    recover(client)


def test_a_short_write_lock_of_another_process_is_waited_for(client: RecoveringClient) -> None:
    with client.sidecar(), other_connection(client) as writer:
        assert client.read_answers()
        for _ in range(10):
            writer.execute("BEGIN IMMEDIATE")
            client.create("crash.once", "crash.repeatable")
            writer.execute("ROLLBACK")
            assert client.read_answers()
        assert client.errors == []
        assert client.quit() == 0
    recover(client)


def test_a_long_write_lock_of_another_process_is_reported_and_loses_nothing(client: RecoveringClient) -> None:
    with client.sidecar() as raw, other_connection(client) as writer:
        (waiting,) = client.create("crash.waiting")
        assert client.read_until(lambda: client.status(waiting) == "running")
        writer.execute("BEGIN IMMEDIATE")
        client.create(*["crash.once"] * 60)  # one after the other they would wait 2 s each
        client.cancel(waiting)
        assert client.read_answers()
        assert reasons(client) == {("storage", "db_busy")}
        assert len(client.errors) == 61
        raw.process.kill()
        client.expect_killed()
        writer.execute("ROLLBACK")
    recover(client)


def test_a_start_during_a_write_lock_of_another_process_serves_requests(client: RecoveringClient) -> None:
    with client.sidecar("--point", "handler:middle", "--nth", "3"):
        client.create(*["crash.once", "crash.repeatable"] * 3)
        client.expect_killed()
    with other_connection(client) as writer, client.sidecar():
        writer.execute("BEGIN IMMEDIATE")
        found: list[Message] = client.call("jobs.list")["jobs"]
        assert len(found) == len(client.job_ids)
        writer.execute("ROLLBACK")
        assert client.read_until(client.all_final)
        assert client.quit() == 0
    recover(client)
