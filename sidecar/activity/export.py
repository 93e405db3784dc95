"""The job `activity.export`: events into a file, page by page, which takes its name when it is whole."""

import csv
import io
import os
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Final

import anyio
import anyio.lowlevel
from pydantic_core import from_json
from sidecar_protocol.activity.feed import ActivityFile, ActivityFileFormat, ExportActivity

from sidecar.activity.filters import ActivityFilter, span
from sidecar.activity.markdown import link, plain
from sidecar.activity.store import ActivityStore
from sidecar.clock import Clock, iso
from sidecar.job_handler import JobContext, JobFailed
from sidecar.settings import make_private_dir

ROWS: Final = 200
"""A page: a few milliseconds, after which others have their turn."""
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
"""Of a table, in this order."""
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What makes a spreadsheet read a cell as a formula (OWASP, CSV injection); the wide ones do in East Asian settings."""
SUFFIX: Final = {ActivityFileFormat.CSV: "csv", ActivityFileFormat.JSONL: "jsonl", ActivityFileFormat.MARKDOWN: "md"}


class ExportHandler:
    """Writes events to a file."""

    def __init__(self, store: ActivityStore, folder: Path, clock: Clock) -> None:
        """`folder` is where files go that nobody chose a place for."""
        self._store = store
        self._folder = folder
        self._clock = clock

    async def run(self, job: ExportActivity, context: JobContext) -> ActivityFile:
        """See `ExportActivity`."""
        path = self._path(job)
        part = anyio.Path(f"{path}.{context.job_id}.part")
        try:
            rows = await self._write(job, part, context)
            await part.replace(path)
        except OSError as error:
            raise JobFailed(
                "The file could not be written.",
                kind="export_failed",
                hint=f"Check that {path.parent} can be written and that the disk has room.",
                details={"errno": error.errno},
            ) from error
        finally:
            with anyio.CancelScope(shield=True):
                await part.unlink(missing_ok=True)
        size = (await anyio.Path(path).stat()).st_size
        context.log(f"Wrote {rows:,} events", meta={"path": str(path)})
        return ActivityFile(path=str(path), rows=rows, size_bytes=size)

    def _path(self, job: ExportActivity) -> Path:
        if job.path is None:
            make_private_dir(self._folder)
            stamp = iso(self._clock.now_ms()).replace(":", "").replace(".", "")
            return self._folder / f"activity-{stamp}.{SUFFIX[job.format]}"
        path = Path(job.path)
        if not path.is_absolute() or not path.parent.is_dir() or path.is_dir():
            raise JobFailed(
                "The file's path is not one that can be written.",
                kind="bad_path",
                hint="Name a file by its absolute path, in a folder that exists; or name none.",
            )
        return path

    async def _write(self, job: ExportActivity, part: anyio.Path, context: JobContext) -> int:
        rows = 0
        begin, lines = FORMATS[job.format]
        async with await anyio.open_file(part, "wb", opener=_private) as file:
            await file.write(begin)
            async for page, fraction in self._pages(job):
                await file.write("".join(lines(page)).encode())
                rows += len(page)
                context.progress(fraction, f"{rows:,} events")
        return rows

    async def _pages(self, job: ExportActivity) -> AsyncIterator[tuple[list[bytes], float | None]]:
        """Pages of events, and how much of the time they span has been gone through."""
        wanted = ActivityFilter(
            *span(job.start, job.end),
            source=job.source,
            account_id=job.account_id,
            event_type=job.event_type,
            issue_key=job.issue_key,
            terms=() if job.query is None else (job.query,),
        )
        oldest, newest = self._store.bounds(wanted)
        cursor: str | None = None
        while True:
            found, cursor = self._store.page(wanted, ROWS, cursor)
            if cursor is None:
                yield [one.encoded for one in found], 1.0
                return
            done = (newest - self._store.place_of(cursor)) / max(1, newest - oldest)
            yield [one.encoded for one in found], min(0.99, max(0.0, done))
            await anyio.lowlevel.checkpoint()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _cell(value: object) -> str:
    """A value as a spreadsheet may show it, and nothing that it would calculate."""
    text = "" if value is None else " ".join(value) if isinstance(value, list) else str(value)
    return "'" + text if text.startswith(FORMULA) else text


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


FORMATS: Final[dict[ActivityFileFormat, tuple[bytes, Callable[[list[bytes]], Iterable[str]]]]] = {
    # The mark tells Excel that it is UTF-8; without it every Korean title is garbage there.
    ActivityFileFormat.CSV: (b"\xef\xbb\xbf" + _csv([COLUMNS]).encode(), _csv_lines),
    ActivityFileFormat.JSONL: (b"", _json_lines),
    ActivityFileFormat.MARKDOWN: (b"# Activity\n\n", _markdown_lines),
}
