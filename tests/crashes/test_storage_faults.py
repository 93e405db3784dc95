"""The disk and the file at their worst: a clear error or a wait, nothing lost, and all is well once that has passed."""

import contextlib
import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.crashes.acknowledged import Witness
from tests.crashes.invariants import recover
from tests.process.host import Message

CORRUPTION: Final = ("SQLite", "malformed", "not a database")
POWERLESS: Final = ("--oddity", "powerless") if hasattr(os, "geteuid") and os.geteuid() == 0 else ()


def reasons(witness: Witness) -> set[tuple[str, str]]:
    """The kinds of the errors that were answered, and why."""
    return {(error["data"]["kind"], error["data"]["details"][0]["reason"]) for error in witness.refused}


def filled(witness: Witness) -> None:
    """A database with some pages of finished jobs, closed in good order."""
    with witness.life():
        for _ in range(5):
            witness.create(*["crash.once"] * 40)
        assert witness.until_answered()
        assert witness.until(witness.all_final)
        assert witness.quit() == 0


def refuses_to_start(witness: Witness) -> str:
    """What it says when it ends with 74 instead of serving."""
    with witness.life(*POWERLESS) as wire:
        assert witness.until(lambda: False) is False
        assert wire.ended() == 74
        return wire.errors.read_text("utf-8")


def fill_the_disk(witness: Witness) -> None:
    """Create until there is no room."""
    for _ in range(200):
        witness.create(*["crash.once", "crash.again", "crash.flaky"] * 3)
        assert witness.until_answered(), "the sidecar ended"
        if witness.refused:
            return
    raise AssertionError("the disk was never full")


@pytest.mark.parametrize("oddity", ["full", "brimming"])
def test_a_full_disk_refuses_what_it_cannot_keep_and_loses_nothing(witness: Witness, oddity: str) -> None:
    with witness.life("--point", "handler:middle", "--nth", "3"):
        witness.create(*["crash.once", "crash.again"] * 3)
        witness.until_killed()
    with witness.life("--oddity", oddity):
        fill_the_disk(witness)
        assert reasons(witness) == {("storage", "disk_full")}
        assert witness.call("system.health")["version"]
        assert witness.call("jobs.list")["jobs"]
        assert witness.quit() == 0
    recover(witness)


@pytest.mark.parametrize("kills", [1, 2])
def test_a_kill_while_the_disk_is_full_loses_nothing(witness: Witness, kills: int) -> None:
    for _ in range(kills):
        witness.refused.clear()
        with witness.life("--oddity", "brimming") as wire:
            fill_the_disk(witness)
            wire.process.kill()
            witness.until_killed()
    recover(witness)


@contextlib.contextmanager
def protected(path: Path, mode: int) -> Iterator[None]:
    """Permissions for the time of the block."""
    before = path.stat().st_mode
    path.chmod(mode)
    yield
    path.chmod(before)


@pytest.mark.skipif(sys.platform != "linux", reason="root's powers are given up by a system call of Linux")
@pytest.mark.parametrize(("name", "mode"), [("", 0o500), ("sidecar.db", 0o400)], ids=["folder", "file"])
def test_what_must_not_be_written_ends_with_74_and_stays_as_it_is(witness: Witness, name: str, mode: int) -> None:
    filled(witness)
    before = (witness.data_dir / "sidecar.db").read_bytes()
    with protected(witness.data_dir / name, mode):
        assert str(witness.data_dir) in refuses_to_start(witness)
        assert (witness.data_dir / "sidecar.db").read_bytes() == before
    recover(witness)


def test_a_folder_or_database_in_whose_place_something_else_stands_ends_with_74(witness: Witness) -> None:
    witness.data_dir.write_text("a file")
    assert str(witness.data_dir) in refuses_to_start(witness)
    witness.data_dir.unlink()
    (witness.data_dir / "sidecar.db").mkdir(parents=True)
    assert str(witness.data_dir) in refuses_to_start(witness)
    (witness.data_dir / "sidecar.db").rmdir()
    filled(witness)
    recover(witness)


def damage(path: Path, how: str) -> None:
    """Spoil a database of at least four pages."""
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
        }[how]
    )


@pytest.mark.parametrize("how", ["header", "half a header", "schema"])
def test_a_file_that_is_no_database_any_more_ends_with_74_and_stays_as_it_is(witness: Witness, how: str) -> None:
    filled(witness)
    path = witness.data_dir / "sidecar.db"
    damage(path, how)
    before = path.read_bytes()
    said = refuses_to_start(witness)
    assert str(path) in said
    assert any(word in said for word in CORRUPTION)
    assert "Traceback" not in said
    assert path.read_bytes() == before


@pytest.mark.parametrize("how", ["all but the schema", "second half", "cut"])
def test_damage_in_the_middle_is_said_to_whoever_asks_or_ends_with_74(witness: Witness, how: str) -> None:
    filled(witness)
    damage(witness.data_dir / "sidecar.db", how)
    with witness.life() as wire:
        witness.ask("jobs.list")
        if witness.until_answered():
            witness.create("crash.once")
            assert witness.until_answered(), wire.errors.read_text("utf-8")
            assert reasons(witness) == {("storage", "db_corrupt")}
            assert witness.call("system.health")["version"]
            assert witness.quit() == 0
        else:
            assert wire.ended() == 74, wire.errors.read_text("utf-8")
            assert any(word in wire.errors.read_text("utf-8") for word in CORRUPTION)


def test_a_second_instance_ends_with_73_and_takes_nothing_from_the_first(witness: Witness) -> None:
    second = Witness(witness.data_dir, witness.ledger.with_name("another ledger"))
    with witness.life() as wire:
        witness.create(*["crash.once", "crash.again"] * 20)
        with second.life() as other:
            assert second.until(lambda: False) is False
            assert other.ended() == 73
            assert f"process {wire.process.pid}" in other.errors.read_text("utf-8")
        assert witness.until_answered()
        assert witness.until(witness.all_final)
        assert witness.quit() == 0
    assert second.ledger.read_text() == ""
    recover(witness)


@contextlib.contextmanager
def browser(witness: Witness) -> Iterator[sqlite3.Connection]:
    """Somebody else's connection to the database."""
    with contextlib.closing(sqlite3.connect(witness.data_dir / "sidecar.db", isolation_level=None)) as connection:
        yield connection


def test_a_reader_that_holds_the_database_is_in_nobodys_way(witness: Witness) -> None:
    filled(witness)
    with witness.life(), browser(witness) as reader:
        reader.execute("BEGIN")
        before = reader.execute("SELECT * FROM jobs ORDER BY job_id").fetchall()
        witness.create(*["crash.once", "crash.again", "crash.flaky"] * 20)
        assert witness.until_answered()
        assert witness.until(witness.all_final)
        assert reader.execute("SELECT * FROM jobs ORDER BY job_id").fetchall() == before
        assert witness.quit() == 0
        reader.execute("ROLLBACK")
    recover(witness)


def test_a_writer_that_holds_the_database_for_a_moment_is_waited_for(witness: Witness) -> None:
    with witness.life(), browser(witness) as writer:
        assert witness.until_answered()
        for _ in range(10):
            writer.execute("BEGIN IMMEDIATE")
            witness.create("crash.once", "crash.again")
            writer.execute("ROLLBACK")
            assert witness.until_answered()
        assert witness.refused == []
        assert witness.quit() == 0
    recover(witness)


def test_a_writer_that_holds_the_database_too_long_costs_an_error_and_no_more(witness: Witness) -> None:
    with witness.life() as wire, browser(witness) as writer:
        (waiting,) = witness.create("crash.waiting")
        assert witness.until(lambda: witness.status(waiting) == "running")
        writer.execute("BEGIN IMMEDIATE")
        witness.create(*["crash.once"] * 60)  # each for itself would wait 2 s
        witness.cancel(waiting)
        assert witness.until_answered()
        assert reasons(witness) == {("storage", "db_busy")}
        assert len(witness.refused) == 61
        wire.process.kill()
        witness.until_killed()
        writer.execute("ROLLBACK")
    recover(witness)


def test_a_start_while_somebody_holds_the_database_serves_all_the_same(witness: Witness) -> None:
    with witness.life("--point", "handler:middle", "--nth", "3"):
        witness.create(*["crash.once", "crash.again"] * 3)
        witness.until_killed()
    with browser(witness) as writer, witness.life():
        writer.execute("BEGIN IMMEDIATE")
        found: list[Message] = witness.call("jobs.list")["jobs"]
        assert len(found) == len(witness.acknowledged)
        writer.execute("ROLLBACK")
        assert witness.until(witness.all_final)
        assert witness.quit() == 0
    recover(witness)
