"""A database that is damaged while it is served: health says so, and a bug report can still be made."""

import sqlite3
from pathlib import Path

import pytest

from tests.conftest import StartRawClient
from tests.process.raw_client import Message, RawClient


def check(health: Message) -> str | None:
    """Returns what health says about the database."""
    return str(next(one["detail"] for one in health["checks"] if one["name"] == "database"))


def spoil(path: Path, *tables: str) -> None:
    """Overwrites the first page of each table with what no page can begin with."""
    connection = sqlite3.connect(path)
    pages = [
        connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()[0]
        for table in tables
    ]
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    data = bytearray(path.read_bytes())
    for page in pages:
        data[(page - 1) * size : page * size] = b"\xa5" * size
    path.write_bytes(data)


@pytest.fixture
def path(raw_client: StartRawClient) -> Path:
    with raw_client() as client:
        client.initialize()
        job = client.call("jobs.create", type="maintenance.prune")["job"]
        client.until_job(job["job_id"], "succeeded")
        end(client)
    return client.data_dir / "sidecar.db"


@pytest.mark.parametrize("table", ["activity_events", "calendar_events", "claude_messages", "sync_state"])
def test_health_is_degraded_and_diagnostics_answers_part_by_part(
    raw_client: StartRawClient, path: Path, table: str
) -> None:
    spoil(path, table)
    with raw_client() as client:
        assert "events" in client.initialize()
        health = client.call("system.health")
        assert health["status"] == "degraded"
        assert "sidecar restore" in (check(health) or "")
        found = client.call("system.diagnostics")
        assert found["health"]["status"] == "degraded"
        assert found["integrity"] != "ok"
        assert found["settings"]["database"] == str(path)
        assert (found["status"] is None) == bool(found["problems"])
        assert all("malformed" in problem for problem in found["problems"])


def test_damage_that_only_the_check_of_diagnostics_finds_degrades_health(
    raw_client: StartRawClient, path: Path
) -> None:
    with raw_client() as client:
        client.initialize()
        for number in range(300):
            client.call(
                "jobs.create",
                type="maintenance.prune",
                run_at="2999-01-01T00:00:00Z",
                payload={"keep_days": number % 9 + 1},
            )
        end(client)
    data = bytearray(path.read_bytes())
    deep = data.rindex(b"maintenance.prune") // 4096 * 4096
    data[deep : deep + 4096] = b"\xa5" * 4096
    path.write_bytes(data)
    with raw_client() as client:
        client.initialize()
        assert client.call("system.diagnostics")["integrity"] != "ok"
        assert wait_degraded(client)


def end(client: RawClient) -> None:
    client.close_stdin()
    assert client.exit_code() == 0


def wait_degraded(client: RawClient) -> bool:
    """Waits until the report of health, which is reused for a quarter of a second, is a new one."""
    while client.call("system.health")["status"] == "ok":
        pass
    return True
