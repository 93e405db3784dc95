"""Everything in which a secret could show, after one life of a sidecar with calendars."""

import json
from pathlib import Path
from typing import Any

from tests.process.raw_client import RawClient


def traces(wire: RawClient, told: list[Any], job_id: str, data_dir: Path) -> dict[str, bytes]:
    """Ask for all that a host can ask for, end the process, and give what was said and every file that is left.

    `told` are the answers before; `job_id` is a job with a log.
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
    told += [wire.call(method, **params) for method, params in calls]
    wire.close_stdin()
    assert wire.exit_code() == 0
    said = json.dumps([told, wire.all_notifications]).encode() + wire.errors.read_bytes()
    files = [path for path in data_dir.rglob("*") if path.is_file()]
    assert {"sidecar.db", "sidecar.log"} <= {path.name for path in files}
    return {"what was said": said, **{path.name: path.read_bytes() for path in files}}
