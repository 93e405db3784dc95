"""The handshake, with a damaged database and after a first attempt that failed."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from tests.conftest import StartRawClient
from tests.process.raw_client import CLIENT, MODIFIED_SIDECAR, RawClient, line, wait_for_file


def damage(path: Path, *tables: str) -> None:
    """Overwrites the first page of each table."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        roots = dict(connection.execute("SELECT name, rootpage FROM sqlite_schema WHERE type = 'table'").fetchall())
    with path.open("r+b") as file:
        for table in tables:
            file.seek((roots[table] - 1) * size)
            file.write(b"\xff" * size)


def prepare(client: RawClient) -> None:
    """Fills the tables of a new database with some rows, and ends the sidecar."""
    client.initialize()
    client.call("jobs.create", type="maintenance.backup")
    client.call("claude.sessions.create")
    client.close_stdin()
    assert client.exit_code() == 0


@pytest.mark.parametrize(
    ("tables", "resume"),
    [
        (("jobs", "job_events", "job_schedules"), "ok"),
        (("calendar_accounts", "atlassian_accounts", "calendar_sign_ins"), "ok"),
        (("claude_sessions", "claude_messages", "activity_events"), "ok"),
        (("event_log",), "resync"),
        (("sqlite_sequence",), "resync"),
        (("database_metadata",), "resync"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else value,
)
def test_a_damaged_table_costs_its_feature_and_not_the_handshake(
    raw_client: StartRawClient, data_dir: Path, tables: tuple[str, ...], resume: str
) -> None:
    with raw_client() as client:
        prepare(client)
    damage(data_dir / "sidecar.db", *tables)
    with raw_client() as client:
        answer = client.initialize()
        assert answer["events"]["resume"] == resume
        assert answer["secrets"] == "unprotected"
        assert "providers" in client.call("calendar.providers.list")
        jobs = client.call("jobs.list")
        if "jobs" in tables:
            assert jobs["error"]["data"]["kind"] == "storage"
            assert jobs["error"]["data"]["retryable"] is False, "another try does not mend the file"
            assert jobs["error"]["data"]["details"][0]["reason"] == "db_corrupt"
        else:
            assert len(jobs["jobs"]) >= 1
        client.close_stdin()
        assert client.exit_code() == 0


def test_a_handshake_that_failed_can_be_repeated(raw_client: StartRawClient, data_dir: Path) -> None:
    with raw_client() as client:
        client.initialize()
    with contextlib.closing(sqlite3.connect(data_dir / "sidecar.db")) as connection:
        connection.execute("ALTER TABLE database_metadata RENAME TO hidden")
    with raw_client() as client:
        refused = client.initialize()
        assert refused["error"]["data"]["kind"] == "storage"
        assert client.call("jobs.list")["error"]["data"]["kind"] == "not_initialized"
        with contextlib.closing(sqlite3.connect(data_dir / "sidecar.db")) as connection:
            connection.execute("ALTER TABLE hidden RENAME TO database_metadata")
        client.notifications.clear()
        assert client.initialize()["secrets"] == "unprotected"
        client.send(line("jobs.list", "after"))
        assert client.answer("after")["result"]["jobs"] == []
        client.until("system.state", state="ready")


def test_requests_are_served_while_a_feature_is_imported_for_its_first_call(
    raw_client: StartRawClient, data_dir: Path
) -> None:
    with raw_client(command=(*MODIFIED_SIDECAR, "held"), HELD="sidecar.claude.feature") as client:
        client.initialize()
        client.until_job(client.call("jobs.create", type="maintenance.backup")["job"]["job_id"], "succeeded")
        calls = ("claude.sessions.list", "claude.budgets.list", "claude.sessions.list")
        client.send(b"".join(line(method, f"call {number}") for number, method in enumerate(calls)))
        wait_for_file(data_dir / "waiting")
        assert client.call("jobs.queue.get")["paused"] is False
        client.until_job(client.call("jobs.create", type="maintenance.backup")["job"]["job_id"], "succeeded")
        (data_dir / "go").touch()
        assert [client.next_answer()["id"] for _ in calls] == ["call 0", "call 1", "call 2"]


def test_no_request_is_refused_because_many_wait_for_the_import_of_a_feature(
    raw_client: StartRawClient, data_dir: Path
) -> None:
    with raw_client(command=(*MODIFIED_SIDECAR, "held"), HELD="sidecar.activity.feature") as client:
        client.initialize()
        lines = [line("activity.events.list", number) for number in range(1_000)]
        batch = b",".join(one[:-1] for one in lines[230:290])  # some are read before the import ends, and some after
        client.send(b"".join((*lines[:230], b"[%s]\n" % batch, *lines[290:])))
        wait_for_file(data_dir / "waiting")
        (data_dir / "go").touch()
        answers = [client.next_answer() for _ in range(941)]
        answers[230:231] = answers[230]
        assert [answer["id"] for answer in answers] == list(range(1_000))
        assert {str(answer.get("result")) for answer in answers} == {"{'events': [], 'next_cursor': None}"}


def test_a_first_call_at_the_end_of_stdin_is_answered(raw_client: StartRawClient, data_dir: Path) -> None:
    with raw_client(command=(*MODIFIED_SIDECAR, "held", "patient"), HELD="sidecar.activity.feature") as client:
        client.initialize()
        client.send(line("activity.events.list", "first"))
        wait_for_file(data_dir / "waiting")
        client.close_stdin()
        (data_dir / "go").touch()
        assert client.answer("first")["result"]["events"] == []
        assert client.exit_code() == 0


def test_a_first_call_that_has_no_time_at_the_end_of_stdin_is_answered(
    raw_client: StartRawClient, data_dir: Path
) -> None:
    with raw_client(command=(*MODIFIED_SIDECAR, "held", "hurried"), HELD="sidecar.claude.feature") as client:
        client.initialize()
        client.send(line("claude.sessions.create", "waits") + line("claude.sessions.list", "does not wait"))
        wait_for_file(data_dir / "waiting")
        client.close_stdin()
        (data_dir / "go").touch()
        answers = {one["id"]: one for one in client.remaining() if "id" in one}
        assert answers["waits"]["error"]["data"]["kind"] == "server_cancelled"
        assert answers["does not wait"]["result"]["sessions"] == []
        assert client.exit_code() == 0


def test_a_feature_without_anything_to_do_is_imported_with_its_first_job(
    raw_client: StartRawClient, data_dir: Path, standin: Path
) -> None:
    with raw_client(CLAUDE_PATH=str(standin)) as client:
        client.initialize()
        job = client.call("jobs.create", type="claude.run", payload={"prompt": "Say: heron"})["job"]
        client.until_job(job["job_id"], "succeeded")


def test_a_claude_that_was_started_before_the_work_began_is_not_taken_for_one_that_a_crash_has_left(
    raw_client: StartRawClient, data_dir: Path, tmp_path: Path, standin: Path
) -> None:
    claude = tmp_path / "claude"
    started, may_go_on = tmp_path / "started", tmp_path / "go on"
    wait = f"echo > '{started}'; until [ -e '{may_go_on}' ]; do sleep 0.01; done"
    claude.write_text(f"""#!/bin/sh
case "$*" in *stream-json*) {wait};; esac
exec "{standin}" "$@"
""")
    claude.chmod(0o700)
    command = (*MODIFIED_SIDECAR, "held")
    with raw_client(command=command, HELD="sidecar.system.feature", CLAUDE_PATH=str(claude)) as client:
        # Refused only once Claude's modules are imported, so that they are before those that work needs.
        assert client.call("claude.status")["error"]["data"]["kind"] == "not_initialized"
        client.send(line("initialize", "first", **CLIENT) + line("claude.status", "status", refresh=True))
        assert "result" in client.answer("first")
        wait_for_file(started)
        wait_for_file(data_dir / "waiting")
        (data_dir / "go").touch()
        job = client.call("jobs.create", type="test.echo", payload={"text": "the worker runs"})["job"]
        client.until_job(job["job_id"], "succeeded")
        may_go_on.touch()
        status = client.answer("status")["result"]
        assert (status["problem"], status["installation"] is not None) == (None, True)
