"""The handler of `activity.export`, which writes events to a file page by page."""

import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final

import anyio.lowlevel
from pydantic_core import from_json
from sidecar_protocol.activity.feed import ActivityFile, ActivityFileFormat, ExportActivity

from sidecar.activity.filters import ActivityFilter
from sidecar.activity.markdown import link, plain
from sidecar.activity.store import ActivityStore
from sidecar.clock import Clock, iso_now
from sidecar.files import UserFiles
from sidecar.job_handler import JobContext
from sidecar.storage.fulltext import phrase_terms

PAGE_ROWS: Final = 200
"""Rows per page, which takes a few milliseconds; between pages the loop runs other work."""
COLUMNS: Final = (
    "event_time",
    "ended_at",
    "local_date",
    "source",
    "account_id",
    "event_type",
    "title",
    "issue_key",
    "links",
    "status",
    "container",
    "actor",
    "url",
    "description",
    "event_id",
)
"""The columns of a CSV file, in order."""
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""A cell that begins with one of these is a formula (OWASP, CSV Injection), the last four in East Asian locales."""


class ExportHandler:
    """Runs `activity.export` jobs."""

    def __init__(self, store: ActivityStore, files: UserFiles, clock: Clock) -> None:
        self._store = store
        self._files = files
        self._clock = clock

    async def run(self, job: ExportActivity, context: JobContext) -> ActivityFile:
        suffix, begin, lines = FORMATS[job.format]
        if job.path is None:
            stamp = iso_now(self._clock).replace(":", "").replace(".", "")
            path = self._files.default_path(f"activity-{stamp}", suffix)
        else:
            path = self._files.chosen_path(job.path, overwrite=job.overwrite)
        rows = 0
        async with self._files.create(path, job_id=context.job_id, overwrite=job.overwrite) as file:
            await file.write(begin)
            async for page, fraction in self._pages(job):
                await file.write("".join(lines(page)).encode())
                rows += len(page)
                context.progress(fraction, f"{rows:,} events")
        context.log(f"Wrote {rows:,} events", meta={"path": str(path)})
        return ActivityFile(path=str(path), rows=rows, size_bytes=file.size)

    async def _pages(self, job: ExportActivity) -> AsyncIterator[tuple[list[bytes], float | None]]:
        """Yields pages of events, each with the fraction of the time range that has been read."""
        wanted = ActivityFilter.of(
            job.start,
            job.end,
            issue_key=job.issue_key,
            terms=None if job.query is None else phrase_terms(job.query),
            source=job.source,
            account_id=job.account_id,
            event_type=job.event_type,
        )
        oldest, newest = self._store.bounds(wanted)
        cursor: str | None = None
        while True:
            found, cursor = self._store.page(wanted, PAGE_ROWS, cursor)
            if cursor is None:
                yield [item.event.json for item in found], 1.0
                return
            done = (newest - self._store.key_in(cursor)) / max(1, newest - oldest)
            yield [item.event.json for item in found], min(0.99, max(0.0, done))
            await anyio.lowlevel.checkpoint()


def _cell(value: object) -> str:
    """Returns a value as text that no spreadsheet takes for a formula."""
    text = "" if value is None else " ".join(value) if isinstance(value, list) else str(value)
    return "'" + text if text.startswith(FORMULA_STARTS) else text


def _csv(rows: Iterable[Iterable[str]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def _csv_lines(page: list[bytes]) -> list[str]:
    events = map(from_json, page)
    return [_csv([_cell(event[column]) for column in COLUMNS] for event in events)]


def _json_lines(page: list[bytes]) -> list[str]:
    return [f"{event.decode()}\n" for event in page]


def _markdown_lines(page: list[bytes]) -> Iterable[str]:
    for event in map(from_json, page):
        key = f" {plain(event['issue_key'])}" if event["issue_key"] else ""
        when = event["local_date"] or event["event_time"] or ""
        yield f"- {when} {plain(event['event_type'])}{key}: {link(plain(event['title']), event['url'])}\n"


FORMATS: Final[dict[ActivityFileFormat, tuple[str, bytes, Callable[[list[bytes]], Iterable[str]]]]] = {
    # The byte order mark makes Excel read UTF-8; without it, it garbles every Korean title.
    ActivityFileFormat.CSV: (".csv", b"\xef\xbb\xbf" + _csv([COLUMNS]).encode(), _csv_lines),
    ActivityFileFormat.JSONL: (".jsonl", b"", _json_lines),
    ActivityFileFormat.MARKDOWN: (".md", b"# Activity\n\n", _markdown_lines),
}
"""Each format's suffix, the beginning of the file, and the lines of a page of events."""
