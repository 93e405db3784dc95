"""Rows of results that an assistant can cite: numbered, the same one always the same, and only those that it gets."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from sidecar_protocol import catalog
from sidecar_protocol.claude.citations import CitedRow
from sidecar_protocol.contract import Model, ToolUse
from sidecar_protocol.tools import tools_of

from sidecar.feed import FeedEvent, Origin
from sidecar.hub.entries import entries
from sidecar.hub.results import MAX_BYTES
from sidecar.hub.rows import Row
from sidecar.hub.tools import Hub
from sidecar.ids import Uuid7
from tests.in_process_app import InProcessApp

DAY = {"start": "2026-11-23", "end": "2026-11-24"}
MS = 1_763_971_200_000 + 363 * 86_400_000  # 2026-11-22T08:00:00Z


class Numbers:
    """Numbers rows from 1, up to a limit."""

    def __init__(self, limit: int = 1_000_000) -> None:
        self.rows: list[Row] = []
        self._limit = limit

    def __call__(self, rows: Sequence[Row]) -> list[int | None]:
        return [self._number(row) for row in rows]

    def _number(self, row: Row) -> int | None:
        if row not in self.rows:
            if len(self.rows) == self._limit:
                return None
            self.rows.append(row)
        return self.rows.index(row) + 1


@pytest.fixture
def hub(app: InProcessApp) -> Hub:
    return Hub(app.routes.find, catalog.methods, Uuid7(app.clock), lambda: "UTC")


async def call(hub: Hub, numbers: Numbers, tool: str, **arguments: Any) -> Any:
    answer = await hub.call(tool, arguments, number=numbers)
    assert not answer.is_error, answer.text
    assert len(answer.text.encode()) <= MAX_BYTES
    return json.loads(answer.text)


def events(count: int, **fields: Any) -> list[FeedEvent]:
    return [
        FeedEvent(event_id=f"jira:a:{number}", event_type="issue_commented", at_ms=MS + number, **fields)
        for number in range(count)
    ]


async def test_a_row_begins_with_its_number_and_keeps_it(hub: Hub, app: InProcessApp) -> None:
    [event] = events(1, title="Boil water", url="https://x.example/browse/PROJ-1", issue_key="PROJ-1")
    app.activity.write(Origin("jira", "a"), [event])
    numbers = Numbers()
    [listed] = (await call(hub, numbers, "activity_events_list"))["events"]
    assert next(iter(listed.items())) == ("n", 1)
    [found] = (await call(hub, numbers, "activity_search", query="water"))["hits"]
    assert found["n"] == 1
    assert numbers.rows == [
        Row(
            "activity_event",
            {"event_id": "jira:a:0"},
            "Boil water",
            "2026-11-22T08:00:00.000Z",
            "https://x.example/browse/PROJ-1",
        )
    ]


async def test_only_rows_that_are_in_the_answer_are_numbered(hub: Hub, app: InProcessApp) -> None:
    app.activity.write(Origin("jira", "a"), events(200, title="t" * 500))
    numbers, seen, cursor = Numbers(), list[int](), dict[str, str]()
    while True:
        page = await call(hub, numbers, "activity_events_list", limit=500, **cursor)
        seen += [one["n"] for one in page["events"]]
        assert len(numbers.rows) == len(seen), "a row was numbered that was cut"
        if "next_cursor" not in page:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == list(range(1, 201))


async def test_a_summary_numbers_what_it_names_and_an_issue_once(hub: Hub, app: InProcessApp) -> None:
    issue = FeedEvent(
        event_id="i", event_type="issue_updated", at_ms=MS, title="Boil", issue_key="PROJ-1", status_kind="doing"
    )
    meeting = FeedEvent(event_id="m", event_type="event_scheduled", at_ms=MS, end_ms=MS + 60_000, title="Stand-up")
    app.activity.write(Origin("jira", "a"), [issue, meeting])
    numbers = Numbers()
    summary = await call(hub, numbers, "activity_summary", start="2026-11-22", end="2026-11-23")
    [part] = summary["parts"]
    assert [one["n"] for one in part["meetings"]] == [1]
    assert [one["n"] for one in [*part["issues"], *summary["next_issues"]]] == [2, 2]
    assert [(row.kind, row.ids) for row in numbers.rows] == [
        ("activity_event", {"event_id": "m"}),
        ("issue", {"issue_key": "PROJ-1"}),
    ]


async def test_a_single_entity_is_a_row_and_what_has_no_identity_is_none(hub: Hub, app: InProcessApp) -> None:
    created = await app.call("jobs.create", {"type": "maintenance.backup"})
    numbers = Numbers()
    job = await call(hub, numbers, "jobs_get", job_id=created["job"]["job_id"])
    assert job["n"] == 1
    heatmap = await call(hub, numbers, "activity_heatmap", **DAY)
    assert '"n"' not in json.dumps(heatmap)
    assert '"n"' not in (await hub.call("jobs_list", {})).text, "another assistant's citations are not looked up"


async def test_without_further_numbers_a_row_has_none(hub: Hub, app: InProcessApp) -> None:
    app.activity.write(Origin("jira", "a"), events(3, title="t"))
    page = await call(hub, Numbers(limit=2), "activity_events_list")
    assert [one.get("n") for one in page["events"]] == [1, 2, None]


def test_what_can_be_cited_names_fields_that_exist() -> None:
    cited = dict[type[Model], str]()
    for tool in tools_of(catalog.methods(), *ToolUse):
        assert tool.method.result is not None
        for model in _models(tool.method.result):
            if model.cited is not None:
                cited[model] = model.cited.kind
                named = {*model.cited.ids, model.cited.title, model.cited.at, model.cited.url} - {None}
                assert named <= model.model_fields.keys(), model
                assert set(model.cited.ids) <= CitedRow.model_fields.keys(), model
    assert set(cited.values()) == {"activity_event", "calendar_event", "issue", "job", "message"}


def _models(model: type[Model]) -> set[type[Model]]:
    """Returns a model, and all that its values can contain."""
    found = {kind for kind, _ in entries(model, {name: {} for name in model.model_fields})}
    return found | {deeper for one in found - {model} for deeper in _models(one)}
