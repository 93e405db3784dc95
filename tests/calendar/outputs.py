"""Collects everything in which the process could leak a secret."""

import json
from pathlib import Path
from typing import Any

from tests.process.raw_client import RawClient


def collect_outputs(wire: RawClient, responses: list[Any], job_id: str, data_dir: Path) -> dict[str, bytes]:
    """Ends the process, and returns its responses, notifications and files by name.

    `responses` are the earlier ones; `job_id` is a job with a log.
    """
    calls: tuple[tuple[str, dict[str, Any]], ...] = (
        ("jobs.list", {}),
        ("jobs.log.list", {"job_id": job_id}),
        ("calendar.accounts.list", {}),
        ("calendar.calendars.list", {}),
        ("activity.events.list", {"limit": 500}),
        ("events.replay", {"after_seq": 0, "limit": 1_000}),
        ("system.status", {}),
        ("system.diagnostics", {}),
    )
    responses = [*responses, *(wire.call(method, **params) for method, params in calls)]
    wire.close_stdin()
    assert wire.exit_code() == 0
    messages = json.dumps([responses, wire.all_notifications]).encode() + wire.errors.read_bytes()
    files = [path for path in data_dir.rglob("*") if path.is_file()]
    assert {"sidecar.db", "sidecar.log"} <= {path.name for path in files}
    return {"messages": messages, **{path.name: path.read_bytes() for path in files}}
