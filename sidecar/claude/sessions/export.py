"""Exports sessions: `claude.sessions.export` returns Markdown, the job `claude.export` writes a file."""

import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Final

from pydantic_core import from_json
from sidecar_protocol.claude.export import ClaudeExport, ExportFormat, ExportResult, ExportSession, SessionText
from sidecar_protocol.claude.sessions import SessionNotFound
from sidecar_protocol.errors import InvalidParams, ResultTooLarge

from sidecar.claude.sessions.journal import SessionStore
from sidecar.claude.sessions.markdown import MarkdownSession
from sidecar.clock import Clock, iso_now
from sidecar.files import UserFiles
from sidecar.job_handler import JobContext, JobFailed

PAGE: Final = 200
"""Messages read at once, which takes a few milliseconds; the store returns fewer if they are large."""
TEXT_BYTES: Final = 1024 * 1024
"""Maximum size of the Markdown in a response."""
NAME_BYTES: Final = 120
"""Maximum size of the title in a file name; most file systems allow 255 bytes in a name."""
SUFFIXES: Final = {ExportFormat.MARKDOWN: ".md", ExportFormat.JSONL: ".jsonl"}


class ExportService(ClaudeExport):
    """Implements `ClaudeExport`."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    async def export(self, *, session_id: str, thinking: bool = False) -> SessionText:
        session = self._store.get(session_id)
        if session is None:
            raise SessionNotFound
        markdown = MarkdownSession(thinking=thinking)
        pieces = [markdown.heading(from_json(session.json))]
        size = 0
        for message in chain.from_iterable(_pages(self._store, session_id, self._store.last_position(session_id))):
            pieces.append(markdown.message(from_json(message)))
            size += len(pieces[-1].encode())
            if size > TEXT_BYTES:
                raise ResultTooLarge(hint="Create a job of type claude.export, which writes a file.")
        return SessionText(session_id=session_id, text="".join(pieces), messages=len(pieces) - 1)


class ExportHandler:
    """The handler of `ExportSession`."""

    def __init__(self, store: SessionStore, files: UserFiles, clock: Clock) -> None:
        self._store = store
        self._files = files
        self._clock = clock

    async def admit(self, job: ExportSession) -> None:
        if self._store.get(job.session_id) is None:
            raise InvalidParams(details=[{"path": "session_id", "message": "no session has this id"}])
        await self._files.admit(job.path, overwrite=job.overwrite)

    async def run(self, job: ExportSession, context: JobContext) -> ExportResult:
        """Writes the file.  Raises `JobFailed` of kind `session_not_found` or of the kinds of `UserFiles`."""
        session = self._store.get(job.session_id)
        if session is None:
            raise JobFailed("The session was deleted.", kind="session_not_found")
        if job.path is None:
            name = _name(from_json(session.json), iso_now(self._clock)[:10])
            path = self._files.default_path(name, SUFFIXES[job.format])
        else:
            path = await self._files.chosen_path(job.path, overwrite=job.overwrite)
        last = self._store.last_position(job.session_id)
        render, heading = _renderer(job, session.json)
        messages = 0
        async with self._files.create(path, job_id=context.job_id, overwrite=job.overwrite) as file:
            await file.write(heading)
            for page in _pages(self._store, job.session_id, last):
                await file.write(b"".join(map(render, page)))
                messages += len(page)
                context.progress(messages / max(last, messages), f"{messages} of {last} messages")
            if messages < last:
                raise JobFailed("The session was deleted during the export.", kind="session_not_found")
        return ExportResult(session_id=job.session_id, path=str(path), messages=messages, bytes=file.size)


def _renderer(job: ExportSession, session: bytes) -> tuple[Callable[[bytes], bytes], bytes]:
    """Returns a function that renders a message, and the beginning of the file."""
    if job.format is ExportFormat.JSONL:
        heading = b'{"type":"session","session":%s}\n' % session
        return (lambda message: b'{"type":"message","message":%s}\n' % message), heading
    markdown = MarkdownSession(thinking=job.thinking)
    heading = markdown.heading(from_json(session)).encode()
    return (lambda message: markdown.message(from_json(message)).encode()), heading


def _pages(store: SessionStore, session_id: str, last: int) -> Iterator[list[bytes]]:
    """Yields pages of a session's messages, as JSON, up to the position `last`."""
    cursor: str | None = None
    while last > 0:
        page, cursor = store.messages(session_id, min(PAGE, last), cursor)
        yield [message.json for message in page]
        if cursor is None:
            return
        last -= len(page)


def _name(session: dict[str, Any], day: str) -> str:
    """Returns a file name that is valid on every system."""
    title = " ".join(re.sub(r"[^\w .,()+-]+", " ", session["title"] or "Claude").split())
    return f"{day} {title.encode()[:NAME_BYTES].decode(errors='ignore').rstrip(' .')}"
