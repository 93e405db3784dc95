"""Unusual rows of the old backend: pages with them are served and conform to the contract."""

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from sidecar_protocol.activity.feed import ActivityEvent
from sidecar_protocol.entities import Job
from sidecar_protocol.jobs import JobLogLine

from tests.in_process_app import InProcessApp
from tests.old_backend import AT, fill, old_database


@pytest.fixture
def old(data_dir: Path) -> Path:
    """A database of the old backend with one or two rows in each table."""
    data_dir.mkdir()
    with old_database(data_dir) as connection:
        fill(connection)
    return data_dir / "sidecar.db"


def assert_conforms(model: type[BaseModel], value: dict[str, Any]) -> None:
    assert set(value) == set(model.model_fields)
    model.model_validate(value)


async def test_old_rows_are_served(old: Path) -> None:
    app = InProcessApp(old)
    await app.initialize()
    jobs = (await app.call("jobs.list"))["jobs"]
    assert [(job["job_id"], job["status"], job["version"]) for job in jobs] == [("job-1", "succeeded", 1)]
    events = (await app.call("jobs.log.list", {"job_id": "job-1"}))["lines"]
    assert [event["message"] for event in events] == ["Synced"]
    feed = (await app.call("activity.events.list"))["events"]
    assert [event["title"] for event in feed] == ["TEA-1"]
    app.close()


ODD_JSON = [
    "",
    "not JSON",
    "NaN",
    '{"x": NaN}',
    '{"x": Infinity}',
    "{'single': 'quotes'}",
    '{"cut": ',
    '"\u2028"',
    "null",
    "[]",
    "17",
    '{"a": 1, "a": 2}',
    "\x00",
    '{"half": "\\ud83d"}',
    "[" * 150 + "]" * 150,
    b'{"as": "bytes"}',
    b"\xff\xfe",
]


@pytest.mark.parametrize("odd", ODD_JSON, ids=range(len(ODD_JSON)))
async def test_pages_are_served_whatever_a_json_column_contains(old: Path, odd: str | bytes) -> None:
    with contextlib.closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("UPDATE jobs SET payload_json = :odd, result_json = :odd, error_json = :odd", {"odd": odd})
        connection.execute("UPDATE job_events SET meta_json = ?", (odd,))
        connection.execute("UPDATE activity_events SET raw_json = ?", (odd,))
    app = InProcessApp(old)
    await app.initialize()
    (job,) = (await app.call("jobs.list"))["jobs"]
    assert_conforms(Job, job)
    (event,) = (await app.call("jobs.log.list", {"job_id": "job-1"}))["lines"]
    assert_conforms(JobLogLine, event)
    (activity,) = (await app.call("activity.events.list"))["events"]
    assert_conforms(ActivityEvent, activity)
    text = odd if isinstance(odd, str) else odd.decode("utf-8", "replace")
    if isinstance(odd, str) and "\\ud83d" not in odd:
        assert job["payload"] == event["meta"] == activity["raw"] == _parsed(text)
    app.close()


def _parsed(text: str) -> Any:
    """Returns the value of the JSON text, or the text if it is not JSON."""
    try:
        return json.loads(text, parse_constant=lambda name: json.loads(name + "!"))
    except (ValueError, RecursionError):
        return text


@pytest.mark.parametrize(
    ("old_value", "message"),
    [
        ("Connection refused", "Connection refused"),
        ('"Connection refused"', "Connection refused"),
        ('{"message": "Connection refused", "code": 7}', "Connection refused"),
        ('{"error": "Connection refused"}', "Connection refused"),
        ('{"message": 404}', "404"),
        ('{"message": {"text": "no"}}', '{"text":"no"}'),
        ('{"kind": "x", "message": null}', '{"kind": "x", "message": null}'),
        ("[1]", "[1]"),
    ],
)
async def test_an_old_error_becomes_an_error_object_with_its_message(old: Path, old_value: str, message: str) -> None:
    with contextlib.closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("UPDATE jobs SET status = 'error', error_json = ?", (old_value,))
    app = InProcessApp(old)
    await app.initialize()
    job = await app.call("jobs.get", {"job_id": "job-1"})
    assert_conforms(Job, job)
    assert (job["error"]["kind"], job["error"]["message"]) == ("x" if '"x"' in old_value else "unknown", message)
    app.close()


@pytest.mark.parametrize(
    "old_value",
    [
        '{"kind": "x", "message": "m"}',
        '{"kind": "x", "message": "m", "details": [1]}',
        '{"kind": "x", "message": "m", "retryable": "yes", "hint": 7}',
        '{"kind": "x", "message": "m", "details": {"a": 1}, "retryable": true, "hint": "h", "more": 1}',
    ],
)
async def test_an_old_error_with_kind_and_message_conforms_to_the_contract(old: Path, old_value: str) -> None:
    with contextlib.closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("UPDATE jobs SET error_json = ?", (old_value,))
    app = InProcessApp(old)
    await app.initialize()
    job = await app.call("jobs.get", {"job_id": "job-1"})
    assert_conforms(Job, job)
    assert job["error"]["message"] == "m"
    app.close()


async def test_an_error_of_json_null_becomes_null(old: Path) -> None:
    with contextlib.closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("UPDATE jobs SET error_json = 'null'")
    app = InProcessApp(old)
    await app.initialize()
    assert (await app.call("jobs.get", {"job_id": "job-1"}))["error"] is None
    app.close()


@pytest.mark.parametrize(
    ("old_value", "expected"),
    [
        (None, None),
        (0, 0.0),
        (0.5, 0.5),
        (1, 1.0),
        (50, 0.5),
        (100.0, 1.0),
        (-1, None),
        (101, None),
        (float("inf"), None),
        ("half", None),
    ],
)
async def test_an_old_progress_becomes_a_fraction(old: Path, old_value: object, expected: float | None) -> None:
    with contextlib.closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("UPDATE jobs SET progress = ?", (old_value,))
    app = InProcessApp(old)
    await app.initialize()
    job = await app.call("jobs.get", {"job_id": "job-1"})
    assert_conforms(Job, job)
    assert job["progress"] == expected
    app.close()


@pytest.mark.parametrize(
    ("old_value", "expected"),
    [
        ("info", "info"),
        ("INFO", "info"),
        ("warn", "warning"),
        ("WARNING", "warning"),
        ("critical", "error"),
        ("x", "info"),
    ],
)
async def test_an_old_log_level_is_translated(old: Path, old_value: str, expected: str) -> None:
    with contextlib.closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("UPDATE job_events SET level = ?", (old_value,))
    app = InProcessApp(old)
    await app.initialize()
    (event,) = (await app.call("jobs.log.list", {"job_id": "job-1"}))["lines"]
    assert_conforms(JobLogLine, event)
    assert event["level"] == expected
    app.close()


@pytest.mark.parametrize(
    ("event_time", "event_ts", "expected"),
    [
        (AT, None, 1_740_819_600),
        ("2025-03-01T10:00:00+01:00", None, 1_740_819_600),
        ("never", None, 1_740_819_600),
        (None, None, 1_740_819_600),
        (AT, 7.9, 7),
        (AT, "x", 1_740_819_600),
        (AT, 12, 12),
    ],
)
async def test_an_old_event_gets_a_time_in_the_feed(
    old: Path, event_time: str | None, event_ts: object, expected: int
) -> None:
    with contextlib.closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("UPDATE activity_events SET event_time = ?, event_ts = ?", (event_time, event_ts))
    app = InProcessApp(old)
    await app.initialize()
    (event,) = (await app.call("activity.events.list", {"start": "1970-01-01T00:00:00Z"}))["events"]
    assert_conforms(ActivityEvent, event)
    assert event["event_ts"] == expected
    app.close()
