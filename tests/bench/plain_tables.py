"""The job queue and the feed of both baselines: plain sqlite3 on the old backend's tables.

The sidecar's store is compared with it, so it stays naive: dicts, json.loads and json.dumps, one transaction per write.
"""

import os
import sqlite3
from datetime import UTC, datetime
from json import dumps, loads
from typing import Any

_COLUMNS = "job_id, type, status, created_at, updated_at, progress, message, payload_json, result_json, error_json"


class PlainTables:
    """Jobs and feed events in a database file; jobs are written with full durability like the sidecar's."""

    def __init__(self, path: str) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.connection.row_factory = sqlite3.Row
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = FULL")
        if self.connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
            self.connection.executescript(_tables())

    def create(self, params: dict[str, Any]) -> dict[str, Any]:
        """Stores a job and the first line of its log, and commits."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        job_id = os.urandom(16).hex()
        payload = dumps(params.get("payload", {}))
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.execute(
            "INSERT INTO jobs (job_id, type, status, created_at, updated_at, payload_json) VALUES (?, ?, ?, ?, ?, ?)",
            (job_id, params["type"], "queued", now, now, payload),
        )
        self.connection.execute(
            "INSERT INTO job_events (event_id, job_id, created_at, level, message) VALUES (?, ?, ?, ?, ?)",
            (os.urandom(16).hex(), job_id, now, "info", "queued"),
        )
        self.connection.execute("COMMIT")
        return {"job": self.get({"job_id": job_id}), "deduplicated": False}

    def get(self, params: dict[str, Any]) -> dict[str, Any]:
        """Returns a job.  Raises `KeyError`."""
        row = self.connection.execute(f"SELECT {_COLUMNS} FROM jobs WHERE job_id = ?", (params["job_id"],)).fetchone()
        if row is None:
            raise KeyError(params["job_id"])
        return _job(row)

    def list(self, params: dict[str, Any]) -> dict[str, Any]:
        """Returns the newest jobs by rowid; the old tables have no index on created_at."""
        limit = int(params.get("limit", 50))
        rows = self.connection.execute(f"SELECT {_COLUMNS} FROM jobs ORDER BY rowid DESC LIMIT ?", (limit,))
        return {"jobs": [_job(row) for row in rows], "next_cursor": None}

    def feed(self, params: dict[str, Any]) -> dict[str, Any]:
        """Returns the newest events of the feed."""
        rows = self.connection.execute(
            "SELECT * FROM activity_events ORDER BY event_ts DESC, event_id DESC LIMIT ?", (int(params["limit"]),)
        )
        return {"events": [dict(row) for row in rows], "next_cursor": None}

    def count(self) -> int:
        """Returns the number of jobs."""
        return int(self.connection.execute("SELECT count(*) FROM jobs").fetchone()[0])


def _tables() -> str:
    from pathlib import Path  # needed for a new database only, and takes 4 ms

    return (Path(__file__).parents[2] / "schema" / "migrations" / "0001_initial.sql").read_text(encoding="utf-8")


def _job(row: sqlite3.Row) -> dict[str, Any]:
    job = dict(row)
    for name in ("payload", "result", "error"):
        text = job.pop(name + "_json")
        job[name] = None if text is None else loads(text)
    return job
