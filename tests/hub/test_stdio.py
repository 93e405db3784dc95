"""`sidecar mcp`: the official client of the protocol reads the hub beside a running sidecar."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import CallToolResult, TextContent

from sidecar import exit_codes
from sidecar.paths import schema_dir
from sidecar.storage.migrations import open_database
from tests.conftest import StartSidecar

MODULE = [sys.executable, "-m", "sidecar", "mcp"]


@asynccontextmanager
async def client(data_dir: Path) -> AsyncIterator[ClientSession]:
    server = StdioServerParameters(
        command=MODULE[0], args=[*MODULE[1:], "--data-dir", str(data_dir)], env={"TZ": "Asia/Tokyo"}
    )
    with anyio.fail_after(60):
        async with stdio_client(server) as streams, ClientSession(*streams) as session:
            await session.initialize()
            yield session


async def call(session: ClientSession, tool: str, **arguments: Any) -> tuple[Any, bool]:
    result = await session.call_tool(tool, arguments)
    assert isinstance(result, CallToolResult)
    (content,) = result.content
    assert isinstance(content, TextContent)
    return json.loads(content.text), bool(result.is_error)


def refused(data_dir: Path) -> tuple[int, str]:
    ended = subprocess.run(
        [*MODULE, "--data-dir", str(data_dir)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )
    assert ended.stdout == ""
    return ended.returncode, ended.stderr


async def test_the_official_client_reads_beside_a_running_sidecar(sidecar: StartSidecar, data_dir: Path) -> None:
    async with sidecar() as host:
        await host.initialize("tests")
        await host.call("jobs.queue.pause", {})
        async with client(data_dir) as session:
            assert session.server_info is not None
            assert session.server_info.name == "hub"
            assert "Asia/Tokyo" in (session.instructions or "")
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            assert "activity_search" in tools
            assert all(tool.annotations is not None and tool.annotations.read_only_hint for tool in tools.values())
            before, _ = await call(session, "jobs_list", type="maintenance.backup")
            created = await host.call("jobs.create", {"type": "maintenance.backup"})
            after, _ = await call(session, "jobs_list", type="maintenance.backup")
            assert [job["job_id"] for job in after["jobs"]] == [created["job"]["job_id"]]
            assert after["jobs"][0]["created_at"].endswith("+09:00")
            assert before == {"jobs": []}
            error, is_error = await call(session, "jobs_get", job_id="none")
            assert is_error
            assert error["error"]["kind"] == "job_not_found"
            values = {
                "query": "x",
                "start": "2026-11-23",
                "end": "2026-11-24",
                "job_id": created["job"]["job_id"],
            }
            for name, tool in tools.items():
                arguments = {one: values[one] for one in tool.input_schema.get("required", ())}
                value, is_error = await call(session, name, **arguments)
                assert not is_error, (name, value)
        assert (await host.call("jobs.get", {"job_id": created["job"]["job_id"]}))["status"] == "queued"


async def test_a_database_that_changes_its_version_meanwhile_is_not_read(sidecar: StartSidecar, data_dir: Path) -> None:
    async with sidecar() as host:
        await host.initialize("tests")
    async with client(data_dir) as session:
        assert await call(session, "jobs_list") == ({"jobs": []}, False)
        add_migration(data_dir / "sidecar.db")
        error, is_error = await call(session, "jobs_list")
        assert is_error
        assert error["error"]["kind"] == "storage"


async def test_a_newer_an_older_and_a_missing_database_are_refused_in_words(
    sidecar: StartSidecar, data_dir: Path
) -> None:
    code, problem = refused(data_dir)
    assert code == exit_codes.IO
    assert "there is no database at" in problem
    async with sidecar() as host:
        await host.initialize("tests")
    database = data_dir / "sidecar.db"
    with sqlite3.connect(database) as connection:
        (last,) = connection.execute("SELECT max(name) FROM schema_migrations").fetchone()
        connection.execute("DELETE FROM schema_migrations WHERE name = ?", (last,))
    connection.close()
    code, problem = refused(data_dir)
    assert code == exit_codes.USAGE
    assert "older version; start the app once" in problem
    add_migration(database)
    code, problem = refused(data_dir)
    assert code == exit_codes.NEWER
    assert "newer version" in problem
    assert "9999_later" in problem


def add_migration(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute(
            "INSERT INTO schema_migrations (migration_set, name, applied_at) VALUES ('sidecar', '9999_later', 'now')"
        )
    connection.close()


@pytest.mark.parametrize(
    ("line", "code"), [(b"nonsense", -32700), (b'{"jsonrpc":"2.0"}', -32600), (b" " * 1_200_000, -32700)]
)
def test_a_line_that_cannot_be_read_is_answered_and_the_next_one_served(data_dir: Path, line: bytes, code: int) -> None:
    open_database(data_dir / "sidecar.db", schema_dir(), 0).close()
    ping = b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n'
    ended = subprocess.run(
        [*MODULE, "--data-dir", str(data_dir)], input=line + b"\n\n" + ping, capture_output=True, check=True, timeout=60
    )
    first, second = map(json.loads, ended.stdout.splitlines())
    assert first["error"]["code"] == code
    assert second == {"jsonrpc": "2.0", "id": 1, "result": {}}


def test_a_last_line_that_does_not_end_is_answered_too(data_dir: Path) -> None:
    open_database(data_dir / "sidecar.db", schema_dir(), 0).close()
    call = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"jobs_list"}}'
    ended = subprocess.run(
        [*MODULE, "--data-dir", str(data_dir)], input=call, capture_output=True, check=True, timeout=60
    )
    assert json.loads(ended.stdout)["result"]["content"][0]["text"] == '{"jobs":[]}'


@pytest.mark.parametrize("tool", ["activity_search", "claude_messages_search"])
def test_a_search_without_its_index_reads_the_table_and_tries_to_write_nothing(data_dir: Path, tool: str) -> None:
    open_database(data_dir / "sidecar.db", schema_dir(), 0).close()  # a sidecar makes the index when it is first used
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {"query": "x"}}}
    ended = subprocess.run(
        [*MODULE, "--data-dir", str(data_dir)],
        input=json.dumps(call).encode() + b"\n",
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert json.loads(ended.stdout)["result"]["content"][0]["text"] == '{"hits":[]}'
    assert ended.stderr == b""
