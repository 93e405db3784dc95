"""`claude.sessions.export` and the job `claude.export`: a session as Markdown, small ones at once, any into a file."""

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from pydantic_core import from_json
from sidecar_protocol.claude.export import ClaudeExport, ExportFormat, ExportResult, ExportSession, SessionText
from sidecar_protocol.claude.sessions import SessionNotFound
from sidecar_protocol.errors import ResultTooLarge

from sidecar.claude.sessions.markdown import Transcript
from sidecar.claude.sessions.store import ClaudeStore
from sidecar.clock import Clock, iso
from sidecar.job_handler import JobContext, JobFailed
from sidecar.settings import make_private_dir

PAGE: Final = 200
"""Messages read at a time: a few milliseconds, unless they are huge, and then the store gives fewer."""
TEXT_BYTES: Final = 1024 * 1024
"""What a host can show at once; a larger session is a file."""
NAME_BYTES: Final = 120
"""Of a title in a file's name, which may have 255."""
SUFFIXES: Final = {ExportFormat.MARKDOWN: ".md", ExportFormat.JSONL: ".jsonl"}


class ExportService(ClaudeExport):
    """Implements `ClaudeExport`."""

    def __init__(self, store: ClaudeStore) -> None:
        self._store = store

    async def export(self, *, session_id: str, thinking: bool = False) -> SessionText:
        session = self._store.get(session_id)
        if session is None:
            raise SessionNotFound
        transcript = Transcript(thinking=thinking)
        pieces = [transcript.heading(from_json(session))]
        size = messages = 0
        for page in _pages(self._store, session_id, self._store.last_position(session_id)):
            for message in page:
                piece = transcript.message(from_json(message))
                size, messages = size + len(piece.encode()), messages + 1
                if size > TEXT_BYTES:
                    raise ResultTooLarge(hint="Create a job of type claude.export, which writes a file.")
                pieces.append(piece)
        return SessionText(session_id=session_id, text="".join(pieces), messages=messages)


class ExportHandler:
    """The handler of `ExportSession`."""

    def __init__(self, store: ClaudeStore, database: Path, clock: Clock) -> None:
        self._store = store
        self._database = database
        self._clock = clock

    async def run(self, job: ExportSession, context: JobContext) -> ExportResult:
        """Write the file; raises `JobFailed` (`session_not_found`, `path_invalid`, `export_failed`)."""
        session = self._store.get(job.session_id)
        if session is None:
            raise JobFailed("The session was deleted.", kind="session_not_found")
        try:
            target = self._target(job, from_json(session))
            part = target.with_name(f"{context.job_id}.part")
            try:
                messages, size = await self._write(job, session, part, context)
                part.replace(target)
            finally:
                with contextlib.suppress(OSError):
                    part.unlink(missing_ok=True)
        except OSError as error:
            raise JobFailed(
                f"The file could not be written: {error.strerror}.",
                kind="export_failed",
                hint="Choose another folder or name, or make room on the disk.",
            ) from error
        return ExportResult(session_id=job.session_id, path=str(target), messages=messages, bytes=size)

    async def _write(self, job: ExportSession, session: bytes, part: Path, context: JobContext) -> tuple[int, int]:
        """How many messages, and how many bytes."""
        import anyio  # noqa: PLC0415 - not needed for the first answers

        last = self._store.last_position(job.session_id)
        render, first = _renderer(job, session)
        messages, size = 0, len(first)

        def private(path: str, flags: int) -> int:
            return os.open(path, flags, 0o600)

        async with await anyio.open_file(part, "wb", opener=private) as file:
            await file.write(first)
            for page in _pages(self._store, job.session_id, last):
                data = b"".join(map(render, page))
                await file.write(data)
                messages, size = messages + len(page), size + len(data)
                context.progress(messages / max(last, messages), f"{messages} of {last} messages")
            if messages < last:
                raise JobFailed("The session was deleted meanwhile.", kind="session_not_found")
            await file.flush()
            await anyio.to_thread.run_sync(os.fsync, file.wrapped.fileno())
        return messages, size

    def _target(self, job: ExportSession, session: dict[str, Any]) -> Path:
        if job.path is None:
            folder = self._database.parent / "exports"
            make_private_dir(folder)
            return _unused(folder, _name(session, iso(self._clock.now_ms())[:10]), SUFFIXES[job.format])
        target = Path(job.path)
        if not target.is_absolute() or not target.name:
            raise _invalid(f"{job.path} is not the absolute path of a file.")
        if not target.parent.is_dir():
            raise _invalid(f"The folder {target.parent} does not exist.")
        if target.is_dir():
            raise _invalid(f"{target} is a folder.")
        database = self._database
        if target.name.startswith(database.name) and target.parent.samefile(database.parent):
            raise _invalid(f"{target} is the sidecar's own.")
        return target


def _invalid(message: str) -> JobFailed:
    return JobFailed(message, kind="path_invalid", hint="Choose another path.")


def _renderer(job: ExportSession, session: bytes) -> tuple[Callable[[bytes], bytes], bytes]:
    """How to write a message, and what the file begins with."""
    if job.format is ExportFormat.JSONL:
        return _message_line, b'{"type":"session","session":%s}\n' % session
    transcript = Transcript(thinking=job.thinking)
    heading = transcript.heading(from_json(session)).encode()
    return (lambda message: transcript.message(from_json(message)).encode()), heading


def _message_line(message: bytes) -> bytes:
    return b'{"type":"message","message":%s}\n' % message


def _pages(store: ClaudeStore, session_id: str, last: int) -> Iterator[list[bytes]]:
    """A session's messages up to this one, as the store has them."""
    after, more = 0, True
    while more and after < last:
        page, more = store.messages(session_id, after, min(PAGE, last - after))
        after += len(page)
        yield page
        more = more and bool(page)


def _name(session: dict[str, Any], day: str) -> str:
    """A file's name that every system takes."""
    title = " ".join(re.sub(r"[^\w .,()+-]+", " ", session["title"] or "Claude").split())
    return f"{day} {title.encode()[:NAME_BYTES].decode(errors='ignore').rstrip(' .')}"


def _unused(folder: Path, name: str, suffix: str) -> Path:
    """A path in the folder that is not taken."""
    number = 1
    path = folder / f"{name}{suffix}"
    while path.exists():
        number += 1
        path = folder / f"{name} ({number}){suffix}"
    return path
