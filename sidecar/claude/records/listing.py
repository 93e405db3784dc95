"""Lists the CLI's records: what each conversation is called, and where it began."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sidecar_protocol.claude.sessions import MessageKind

from sidecar.claude.records.files import RecordFiles, folder_name, is_id
from sidecar.claude.records.reading import parse_record
from sidecar.claude.sessions.messages import title_of
from sidecar.json_reader import get_text, parse_object

PART_BYTES: Final = 64 * 1024
"""Bytes that are read of the beginning and of the end of each file."""
LONG_NAME: Final = 200
"""The CLI shortens the names of folders that are longer, and adds a hash."""
READ_FILES: Final = 1_000
"""Maximum number of files that are read for a page."""
TITLE_LINES: Final = {"custom-title": "customTitle", "ai-title": "aiTitle", "summary": "summary"}


@dataclass(frozen=True, slots=True)
class Found:
    """The file of a conversation; times are in nanoseconds since 1970."""

    path: Path
    updated_ns: int
    size: int

    @property
    def claude_session_id(self) -> str:
        return self.path.stem

    @property
    def key(self) -> tuple[int, str]:
        """The sort key."""
        return self.updated_ns, self.claude_session_id


@dataclass(frozen=True, slots=True)
class Summary:
    """The title of a conversation, and the folder in which it began."""

    title: str | None
    cwd: str | None


def read_page(
    files: RecordFiles, cwd: Path | None, limit: int, after: tuple[str | int, ...] | None
) -> tuple[list[tuple[Found, Summary]], tuple[int, str] | None]:
    """Returns conversations that began in a folder, or of all, newest first, and the key after which they go on.

    Blocking.  The page begins after the key `after`.
    """
    found = _found(files.config_dir, "*" if cwd is None else _pattern(cwd))
    rest = sorted((one for one in found if after is None or one.key < after), key=lambda one: one.key, reverse=True)
    folders = None if cwd is None else {str(cwd), os.path.realpath(cwd)}
    page: list[tuple[Found, Summary]] = []
    for number, one in enumerate(rest, start=1):
        summary = read_summary(one)
        # Names of folders are ambiguous: a_b and a-b have the same.
        if summary is not None and (folders is None or summary.cwd is None or summary.cwd in folders):
            page.append((one, summary))
        if len(page) == limit or number == READ_FILES:
            return page, one.key if number < len(rest) else None
    return page, None


def read_summary(found: Found) -> Summary | None:
    """Reads a file's beginning and end; None if it has no messages, or cannot be read.  Blocking."""
    try:
        with found.path.open("rb") as file:
            beginning = file.read(PART_BYTES)
            file.seek(max(0, found.size - PART_BYTES))
            end = file.read(PART_BYTES)
    except OSError:
        return None
    record = parse_record(beginning.splitlines())
    prompts = [one.text for entry in record.entries for one in entry.messages if one.kind is MessageKind.USER]
    named = [title for line in (*beginning.splitlines(), *end.splitlines()) if (title := _title(line)) is not None]
    if not prompts and not named:
        return None
    cwd = next(filter(None, (get_text(parse_object(line), "cwd") for line in beginning.splitlines())), None)
    return Summary(named[-1] if named else title_of(prompts[0]), cwd)


def _found(config_dir: Path, pattern: str) -> Iterator[Found]:
    for path in config_dir.glob(f"projects/{pattern}/*.jsonl"):
        if is_id(path.stem):
            try:
                status = path.stat()
            except OSError:  # deleted meanwhile
                continue
            yield Found(path, status.st_mtime_ns, status.st_size)


def _pattern(cwd: Path) -> str:
    name = folder_name(cwd)
    return name if len(name) <= LONG_NAME else f"{name[:LONG_NAME]}*"


def _title(line: bytes) -> str | None:
    """Returns the title that a line gives to the conversation."""
    if not re.match(rb'\{"type":"(custom-title|ai-title|summary)"', line):
        return None
    parsed: Any = parse_object(line)
    title = get_text(parsed, TITLE_LINES.get(str(get_text(parsed, "type")), ""))
    return title_of(title) if title and title.strip() else None
