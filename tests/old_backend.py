"""A database of the old backend: its eight tables with rows, and no record of any migration."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

from sidecar.commandline.client import SidecarClient, spawn
from sidecar.paths import schema_dir

AT = "2025-03-01T09:00:00Z"
STAMPS: dict[str, Any] = {"created_at": AT, "updated_at": AT}
SECRETS = ("REFRESH-TOKEN-OF-OLD", "CLIENT-SECRET-OF-OLD", "API-TOKEN-OF-JIRA", "API-TOKEN-OF-CONFLUENCE")

ROWS: dict[str, list[dict[str, Any]]] = {
    "jobs": [{"job_id": "job-1", "type": "calendar.sync", "status": "completed", **STAMPS}],
    "job_events": [{"event_id": "e-1", "job_id": "job-1", "created_at": AT, "level": "info", "message": "Synced"}],
    "sync_state": [
        {"connector": "jira", "cursor": "2025-03-01 09:00", "last_sync_at": AT},
        {"connector": "google_calendar", "cursor": None, "last_sync_at": None},
    ],
    "calendar_accounts": [
        {
            "account_id": "acc-1",
            "provider": "google",
            "email": "ada@example.com",
            "display_name": "Ada",
            "credentials_json": '{"refresh_token": "REFRESH-TOKEN-OF-OLD"}',
            "config_json": '{"client_secret": "CLIENT-SECRET-OF-OLD"}',
            **STAMPS,
        },
    ],
    "calendar_calendars": [
        {"account_id": "acc-1", "calendar_id": "ada@example.com", "name": "Ada", "is_primary": 1, **STAMPS},
        {"account_id": "acc-1", "calendar_id": "holidays", "name": "Holidays", "selected": 0, **STAMPS},
    ],
    "calendar_events": [
        {
            "account_id": "acc-1",
            "calendar_id": "ada@example.com",
            "event_id": "planning",
            "title": "Planning",
            "description": "<b>Bring tea</b>",
            "start_time": "2025-03-03T10:00:00+01:00",
            "end_time": "2025-03-03T11:00:00+01:00",
            "start_ts": 1740992400,
            "end_ts": 1740996000,
            "location": "Room 4",
            "conference_url": "https://meet.example.com/abc",
            "visibility": "default",
            "status": "confirmed",
            "organizer_json": '{"email": "ada@example.com", "self": true}',
            "attendees_json": '[{"email": "bob@example.com", "responseStatus": "accepted"}]',
            "html_link": "https://calendar.example.com/planning",
            "time_zone": "Europe/Berlin",
            **STAMPS,
        },
    ],
    "atlassian_accounts": [
        {
            "account_id": f"{service}-1",
            "service": service,
            "org": "example",
            "base_url": "https://127.0.0.1:9",
            "email": "ada@example.com",
            "api_token": token,
            **STAMPS,
        }
        for service, token in (("jira", "API-TOKEN-OF-JIRA"), ("confluence", "API-TOKEN-OF-CONFLUENCE"))
    ],
    "activity_events": [
        {
            "event_id": "a-1",
            "source": "jira",
            "account_id": "jira-1",
            "event_type": "issue.updated",
            "title": "TEA-1",
            "event_time": AT,
            "event_ts": 1740819600,
            **STAMPS,
        },
    ],
}


@contextmanager
def old_database(folder: Path) -> Iterator[sqlite3.Connection]:
    """Creates `sidecar.db` in the folder with the old backend's empty tables; commits at the end of the block."""
    with closing(sqlite3.connect(folder / "sidecar.db")) as connection, connection:
        connection.executescript((schema_dir() / "migrations" / "0001_initial.sql").read_text("utf-8"))
        yield connection


def insert(connection: sqlite3.Connection, table: str, **row: Any) -> None:
    """Inserts a row; other columns get their defaults."""
    placeholders = ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({placeholders})", tuple(row.values()))


def fill(connection: sqlite3.Connection) -> None:
    """Inserts ROWS."""
    for table, rows in ROWS.items():
        for row in rows:
            insert(connection, table, **row)


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[SidecarClient]:
    """Starts a sidecar on the database in the folder; yields its client, initialized."""
    with ExitStack() as afterwards:
        async with spawn(env={"APP_DATA_DIR": str(folder)}) as client:
            afterwards.callback(client.notifications.close)
            await client.initialize("tests")
            yield client
