"""`activity.export`: the file is complete or missing, and no cell is a formula."""

import csv
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from sidecar_protocol.activity.feed import ActivityFile, ExportActivity
from sidecar_protocol.entities import WaitingFor

from sidecar.activity.export import COLUMNS, PAGE_ROWS, ExportHandler
from sidecar.activity.store import ActivityStore
from sidecar.feed import FeedEvent, Origin
from sidecar.files import UserFiles
from tests.conftest import StartRawClient
from tests.in_process_app import EIGHT_O_CLOCK, InProcessApp

JIRA = Origin("jira", "j")


class Context:
    """A job context that records the reported progress."""

    job_id = "job-1"
    attempt = 1
    snoozed_for_s = 0.0

    def __init__(self, on_progress: Callable[[], None] = lambda: None) -> None:
        self.fractions: list[float | None] = []
        self._on_progress = on_progress

    def progress(self, fraction: float | None, message: str | None = None) -> None:
        del message
        self.fractions.append(fraction)
        self._on_progress()

    def log(self, message: str, *, level: str = "info", meta: Any = None) -> None:
        del message, level, meta

    def wait_for(self, what: WaitingFor | None) -> None:
        del what

    def lock(self, key: str) -> None:
        del key


def event(event_id: str, **fields: Any) -> FeedEvent:
    return FeedEvent(event_id=event_id, **{"event_type": "issue_updated", "at_ms": EIGHT_O_CLOCK, **fields})


def handler(app: InProcessApp, folder: Path) -> ExportHandler:
    return ExportHandler(ActivityStore(app.database), UserFiles(folder, folder / "logs"), app.clock)


async def export(app: InProcessApp, folder: Path, **fields: Any) -> tuple[ActivityFile, str]:
    result = await handler(app, folder).run(ExportActivity(**fields), Context())
    return result, (await anyio.Path(result.path).read_bytes()).decode()


async def test_a_csv_file_has_a_row_for_each_event(app: InProcessApp, tmp_path: Path) -> None:
    app.activity.write(
        JIRA,
        [
            event("e-1", title='Tee, "grün"\n日本語', issue_key="PROJ-1", links=("A-1", "B-2"), description="x"),
            event("e-2", local_date="2026-11-23", at_ms=EIGHT_O_CLOCK + 1),
        ],
    )
    result, text = await export(app, tmp_path)
    assert (result.path, result.rows) == (str(tmp_path / "exports" / "activity-2026-11-23T080000000Z.csv"), 2)
    assert result.size_bytes == len(text.encode())
    assert text.startswith("\ufeff")
    rows = list(csv.DictReader(text.removeprefix("\ufeff").splitlines(keepends=True)))
    assert [tuple(row) for row in rows] == [COLUMNS, COLUMNS]
    assert rows[1]["title"] == 'Tee, "grün"\n日本語'
    assert (rows[1]["links"], rows[1]["issue_key"], rows[0]["local_date"]) == ("A-1 B-2", "PROJ-1", "2026-11-23")
    assert stat.S_IMODE((await anyio.Path(result.path).stat()).st_mode) == 0o600
    assert stat.S_IMODE((await anyio.Path(tmp_path / "exports").stat()).st_mode) == 0o700


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
async def test_no_cell_is_a_formula(app: InProcessApp, tmp_path: Path, first: str) -> None:
    fields = {"title": f"{first}HYPERLINK(1)", "description": f"{first}1", "actor": f"{first}x", "status": f"{first}2"}
    app.activity.write(JIRA, [event(f"{first}e", container=f"{first}c", **fields)])
    _, text = await export(app, tmp_path)
    (row,) = csv.DictReader(text.removeprefix("\ufeff").splitlines(keepends=True))
    for column in (*fields, "container", "event_id"):
        assert row[column].startswith("'"), column
        assert row[column][1] == first


async def test_json_lines_equal_the_list(app: InProcessApp, tmp_path: Path) -> None:
    app.activity.write(JIRA, [event(f"e-{number}", title="a\nb\u2028c") for number in range(3)])
    _, text = await export(app, tmp_path, format="jsonl")
    events = (await app.call("activity.events.list"))["events"]
    assert [json.loads(line) for line in text.split("\n")[:-1]] == events


async def test_markdown_is_a_list(app: InProcessApp, tmp_path: Path) -> None:
    app.activity.write(
        JIRA,
        [
            event("e-1", title="Tea *hot*", issue_key="PROJ-1", url="https://x.example/1"),
            event("e-2", local_date="2026-11-24", title=None, at_ms=EIGHT_O_CLOCK + 1),
        ],
    )
    result, text = await export(app, tmp_path, format="markdown")
    assert result.path.endswith(".md")
    assert text == (
        "# Activity\n\n"
        "- 2026-11-24 issue\\_updated: (no title)\n"
        "- 2026-11-23T08:00:00.000Z issue\\_updated PROJ-1: [Tea \\*hot\\*](https://x.example/1)\n"
    )


async def test_filters_select_the_exported_events(app: InProcessApp, tmp_path: Path) -> None:
    app.activity.write(JIRA, [event(f"e-{number}", at_ms=EIGHT_O_CLOCK + number * 1000) for number in range(9)])
    app.activity.write(JIRA, [event("tea", title="tea", issue_key="PROJ-1")])
    app.activity.write(Origin("claude"), [event("c", event_type="run_completed")])

    async def rows(**fields: Any) -> int:
        return (await export(app, tmp_path, format="jsonl", **fields))[0].rows

    assert await rows() == 11
    assert await rows(start="2026-11-23T08:00:02Z", end="2026-11-23T08:00:04Z") == 2
    assert await rows(source="claude") == 1
    assert await rows(account_id="j", event_type="issue_updated") == 10
    assert await rows(query="tea") == 1
    assert await rows(issue_key="PROJ-1") == 1
    assert await rows(source="none") == 0


async def test_a_long_export_reports_progress_and_leaves_nothing_when_cancelled(
    app: InProcessApp, tmp_path: Path
) -> None:
    rows = PAGE_ROWS * 5
    app.activity.write(JIRA, [event(f"e-{number}", at_ms=EIGHT_O_CLOCK + number * 1000) for number in range(rows)])
    context = Context()
    path = str(tmp_path / "all.csv")
    result = await handler(app, tmp_path / "data").run(ExportActivity(path=path), context)
    assert result.rows == rows
    assert context.fractions == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0], abs=0.01)
    before = await anyio.Path(tmp_path / "all.csv").read_bytes()
    with anyio.CancelScope() as scope:
        await handler(app, tmp_path / "data").run(ExportActivity(path=path, overwrite=True), Context(scope.cancel))
    assert scope.cancelled_caught
    assert [path.name async for path in anyio.Path(tmp_path).glob("*[vt]")] == ["all.csv"]
    assert await anyio.Path(tmp_path / "all.csv").read_bytes() == before


def test_the_real_process_exports_to_its_data_folder(raw_client: StartRawClient, data_dir: Path) -> None:
    with raw_client() as wire:
        wire.initialize()
        job = wire.call("jobs.create", type="activity.export", payload={"format": "jsonl"})["job"]
        done = wire.until_job(job["job_id"], "succeeded")
        path = Path(done["result"]["path"])
        assert path.parent == data_dir / "exports"
        assert (path.read_bytes(), done["result"]["rows"]) == (b"", 0)
        refused = wire.call("jobs.create", type="activity.export", payload={"path": "x.csv"})["job"]
        failed = wire.until_job(refused["job_id"], "failed")
        assert failed["error"]["kind"] == "path_invalid"
