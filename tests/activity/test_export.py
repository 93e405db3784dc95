"""`activity.export`: the file is complete or missing, and no cell is a formula."""

import csv
import io
import json
import re
import stat
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

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
from tests.process.raw_client import line

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

    def at_end(self, write: Callable[[], object]) -> None:
        write()


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


BLANKS: Final = (" ", "   ", "\t", "\u00a0", "\u3000", "\u200b", "\ufeff", "\x01", '"', ' "', '\u3000"" ')
SEPARATORS: Final = (";", "\t", ",", "|", "؛", "\n", "\r\n", "\r", "\v", "\x85", "\u2028", "; ", ";\t ")
STARTS: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "﹦", "⁼", "−")
HARMFUL: Final = (
    *(f"{first}HYPERLINK(1)" for first in (*STARTS, "\t", "\r", "\n")),
    *(
        f"{blank}=1"
        for blank in (" ", "   ", "\t", "\u00a0", "\u3000", "\u200b", "\ufeff", "\x01", '"', ' "', '\u3000"" ')
    ),
    *(
        f"see{separator}=1+1"
        for separator in (";", "\t", ",", "|", "؛", "\n", "\r\n", "\r", "\v", "\x85", "\u2028", "; ", ";\t ")
    ),
    *(f"see{separator}{first}1" for separator in (";", ", ", "\n") for first in STARTS),
    'a;"=1+1"',
    'a";"=1+1',
    "a\n\"\"=cmd|' /C calc'!A0",
    "'=1;=2",
    "- one\n- two",
)
"""Texts of which a spreadsheet might take a part for a formula, however it splits the file into cells."""
DELIMITERS: Final = (",", ";", "\t", "|", "؛")


def cells(text: str) -> Iterator[str]:
    """Yields the cells of a CSV file as spreadsheets split it, whether or not they know its separator and quotes."""
    for delimiter in DELIMITERS:
        for one in re.split(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]", text):
            yield from one.split(delimiter)  # quotes as a part of the text
            yield from (cell for row in csv.reader([one], delimiter=delimiter) for cell in row)
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            yield from row
    for row in csv.reader(io.StringIO(text, newline="")):  # LibreOffice offers several separators at once
        yield from (part for cell in row for part in re.split(r"[,;\t]", cell))


def is_formula(cell: str) -> bool:
    """Returns whether a cell is a formula after blanks, quotes and invisible characters were trimmed, at any width."""
    visible = re.sub(
        r'^[\s"\x00-\x20\x7f-\xa0\u00ad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\u3000\ufeff]+', "", cell
    )
    return unicodedata.normalize("NFKC", visible).replace("\u2212", "-").startswith(("=", "+", "-", "@"))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
async def test_no_cell_is_a_formula_however_the_file_is_split(
    app: InProcessApp, tmp_path: Path, separator: str
) -> None:
    names = ("title", "description", "actor", "status", "container", "url")
    app.activity.write(JIRA, [event(f"{harm}e", **dict.fromkeys(names, harm)) for harm in HARMFUL])
    _, text = await export(app, tmp_path, separator=separator)
    text = text.removeprefix("\ufeff")
    assert [cell for cell in cells(text) if is_formula(cell)] == []
    for row in csv.DictReader(io.StringIO(text, newline=""), delimiter=separator):
        (harm,) = {row[name] for name in names}
        assert row["event_id"] == f"{harm}e"
        assert harm.replace("'", "") in {one.replace("'", "") for one in HARMFUL}  # nothing but apostrophes was added
        assert harm not in HARMFUL


async def test_ordinary_texts_are_exported_as_they_are(app: InProcessApp, tmp_path: Path) -> None:
    texts = [
        "a = b; c - d",
        "1 + 1, it's",
        "ada@example.com;bob",
        "x;y\nz",
        "PROJ-1: a→b",
        "2026-11-23",
        "a\tb",
        "…",
        "C++",
    ]
    app.activity.write(JIRA, [event(f"e-{number}", title=title) for number, title in enumerate(texts)])
    _, text = await export(app, tmp_path)
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    assert [row["title"] for row in rows] == texts[::-1]


async def test_the_separator_and_the_byte_order_mark_can_be_chosen(app: InProcessApp, tmp_path: Path) -> None:
    app.activity.write(JIRA, [event("e-1", title="a;b,c\td", links=("A-1", "B-2"))])
    for separator in (",", ";", "\t"):
        for mark in (True, False):
            result, text = await export(
                app, tmp_path / separator.strip() / str(mark), separator=separator, byte_order_mark=mark
            )
            assert text.startswith("\ufeff") is mark
            assert text.removeprefix("\ufeff").startswith(separator.join(COLUMNS) + "\r\n")
            (row,) = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=separator)
            assert (row["title"], row["links"], result.rows) == ("a;b,c\td", "A-1 B-2", 1)


def test_another_separator_is_refused(raw_client: StartRawClient) -> None:
    with raw_client() as wire:
        wire.initialize()
        wire.send(line("jobs.create", 9, type="activity.export", payload={"separator": "x"}))
        assert wire.answer(9)["error"]["data"]["kind"] == "invalid_params"


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
