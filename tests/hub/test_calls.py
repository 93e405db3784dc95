"""Calls of tools: validated as a client's, answered in the person's time zone, with errors to act on."""

import json
from typing import Any

import pytest
from sidecar_protocol import catalog
from sidecar_protocol.contract import ToolUse

from sidecar.hub.connection import HubConnection
from sidecar.hub.tools import Hub
from sidecar.ids import Uuid7
from tests.in_process_app import InProcessApp


@pytest.fixture
def hub(app: InProcessApp) -> Hub:
    return Hub(app.routes.find, catalog.methods, Uuid7(app.clock), lambda: "Asia/Kolkata")


async def call(hub: Hub, tool: str, **arguments: Any) -> Any:
    answer = await hub.call(tool, arguments)
    assert not answer.is_error, answer.text
    return json.loads(answer.text)


async def refused(hub: Hub, tool: str, **arguments: Any) -> Any:
    answer = await hub.call(tool, arguments)
    assert answer.is_error
    return json.loads(answer.text)["error"]


async def test_a_job_is_listed_in_the_persons_time_zone(hub: Hub, app: InProcessApp) -> None:
    created = await app.call("jobs.create", {"type": "maintenance.backup"})
    (job,) = (await call(hub, "jobs_list"))["jobs"]
    assert job["job_id"] == created["job"]["job_id"]
    assert job["created_at"] == "2026-11-23T13:30:00+05:30"
    assert (await call(hub, "jobs_get", job_id=job["job_id"])) == job


async def test_times_without_an_offset_are_local(hub: Hub) -> None:
    summary = await call(hub, "activity_summary", start="2026-11-23", end="2026-11-24T12:00:00Z")
    assert (summary["start"], summary["end"]) == ("2026-11-23T00:00:00+05:30", "2026-11-24T17:30:00+05:30")
    assert summary["time_zone"] == "Asia/Kolkata"
    assert "Asia/Kolkata" in hub.instructions()


async def test_an_error_names_its_kind_and_what_is_wrong(hub: Hub) -> None:
    error = await refused(hub, "calendar_events_list", start="next week", end="2026-11-24", colour="red")
    assert error["kind"] == "invalid_params"
    assert {one["path"] for one in error["details"]} == {"start", "colour"}
    assert (await refused(hub, "jobs_get", job_id="no-such-job"))["kind"] == "job_not_found"
    assert (await refused(hub, "activity_summary", start="2026-11-24", end="2026-11-23"))["kind"] == "invalid_params"


async def test_a_page_that_is_too_long_ends_early_and_its_cursor_continues_there(hub: Hub, app: InProcessApp) -> None:
    for number in range(60):
        payload = {"prompt": f"{number} " + "x" * 900}
        await app.call("jobs.create", {"type": "claude.run", "payload": payload})
    page, seen = await call(hub, "jobs_list", limit=500), list[str]()
    assert page["note"].endswith("more follow: narrow the range, or pass next_cursor as cursor.")
    while True:
        seen += [job["job_id"] for job in page["jobs"]]
        if "next_cursor" not in page:
            break
        page = await call(hub, "jobs_list", limit=500, cursor=page["next_cursor"])
    assert len(seen) == len(set(seen)) == 60


async def test_what_breaks_is_logged_and_not_told(hub: Hub, app: InProcessApp) -> None:
    app.database.execute("DROP TABLE activity_events")
    error = await refused(hub, "activity_events_list")
    assert error["kind"] == "storage"
    assert "activity_events" not in json.dumps(error)


async def test_a_call_that_the_client_cancels_is_ended_and_not_answered(hub: Hub) -> None:
    connection, sent = HubConnection(hub, hub.tools(ToolUse.READ)), list[dict[str, Any]]()
    params = {"name": "activity_summary", "arguments": {"start": "2026-11-23", "end": "2026-11-24"}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    assert connection.receive(message, sent.append)
    assert not connection.receive(cancel, sent.append)
    assert connection.receive({**message, "id": 2}, sent.append)
    await connection.finish(60)
    assert [one["id"] for one in sent] == [2]


async def test_an_assistant_has_no_params_that_only_a_person_may_choose(hub: Hub, app: InProcessApp) -> None:
    error = await refused(hub, "claude_spawn", prompt="hello", trust=True, exposed_to=[])
    assert error["details"] == [
        {"path": "exposed_to", "message": "is not for assistants"},
        {"path": "trust", "message": "is not for assistants"},
    ]
    assert (await app.call("jobs.list"))["jobs"] == []
