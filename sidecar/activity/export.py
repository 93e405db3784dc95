"""The handler of `activity.export`, which writes events to a file page by page."""

import csv
import io
import re
from codecs import BOM_UTF8
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
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
SEPARATORS: Final = ",;|\t\u060c\u061b"
"""Separators that spreadsheets split lines at, depending on the locale; the last two are Arabic."""
LINE_ENDS: Final = "\n\r\v\f\x1c-\x1e\x85\u2028\u2029"
BLANKS: Final = (
    r" \x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\xa0\u00ad\u061c\u1680\u180e\u2000-\u200f\u202a-\u202f\u205f-\u206f"
    r"\u3000\ufeff"
)
"""Other characters that a spreadsheet may trim, or that a reader cannot see."""
SIGNS: Final = r"=+\-@\u2212\u207a-\u207c\u208a-\u208c\ufb29\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20"
"""Characters that begin a formula (OWASP, CSV Injection), and those of other widths, which do in East Asian locales."""
FORMULA: Final = re.compile(
    f'^(?=[\t{LINE_ENDS}])|(?:^|(?<=[{SEPARATORS}{LINE_ENDS}]))(?=[{BLANKS}"]*[{SIGNS}])',
)
"""Places in a cell where a formula might begin: its beginning, after what another spreadsheet takes for a separator,
and the beginning of a line, which is a new row where the quotes around the cell are not recognised."""


class ExportHandler:
    """Runs `activity.export` jobs."""

    def __init__(self, store: ActivityStore, files: UserFiles, clock: Clock) -> None:
        self._store = store
        self._files = files
        self._clock = clock

    async def admit(self, job: ExportActivity) -> None:
        await self._files.admit(job.path, overwrite=job.overwrite)

    async def run(self, job: ExportActivity, context: JobContext) -> ActivityFile:
        suffix, begin, lines = _format(job)
        if job.path is None:
            stamp = iso_now(self._clock).replace(":", "").replace(".", "")
            path = self._files.default_path(f"activity-{stamp}", suffix)
        else:
            path = await self._files.chosen_path(job.path, overwrite=job.overwrite)
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
                yield [event.json for event in found], 1.0
                return
            done = (newest - self._store.key_in(cursor)) / max(1, newest - oldest)
            yield [event.json for event in found], min(0.99, max(0.0, done))
            await anyio.lowlevel.checkpoint()


def _cell(value: object) -> str:
    """Returns a value as text in which no spreadsheet finds a formula, however it splits the file into cells."""
    text = "" if value is None else " ".join(value) if isinstance(value, list) else str(value)
    return FORMULA.sub("'", text)


def _csv(rows: Iterable[Iterable[str]], separator: str) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=separator).writerows(rows)
    return out.getvalue()


def _csv_lines(page: list[bytes], separator: str) -> list[str]:
    events = map(from_json, page)
    return [_csv(([_cell(event[column]) for column in COLUMNS] for event in events), separator)]


def _json_lines(page: list[bytes]) -> list[str]:
    return [f"{event.decode()}\n" for event in page]


def _markdown_lines(page: list[bytes]) -> Iterable[str]:
    for event in map(from_json, page):
        key = f" {plain(event['issue_key'])}" if event["issue_key"] else ""
        when = event["local_date"] or event["event_time"] or ""
        yield f"- {when} {plain(event['event_type'])}{key}: {link(plain(event['title']), event['url'])}\n"


def _format(job: ExportActivity) -> tuple[str, bytes, Callable[[list[bytes]], Iterable[str]]]:
    """Returns the file's suffix, its beginning, and the function that returns the lines of a page of events."""
    match job.format:
        case ActivityFileFormat.JSONL:
            return ".jsonl", b"", _json_lines
        case ActivityFileFormat.MARKDOWN:
            return ".md", b"# Activity\n\n", _markdown_lines
        case ActivityFileFormat.CSV:
            mark = BOM_UTF8 if job.byte_order_mark else b""
            begin = mark + _csv([COLUMNS], job.separator).encode()
            return ".csv", begin, partial(_csv_lines, separator=job.separator)
