"""The records that the CLI keeps of its conversations: a file of JSON lines each, as the real one writes them."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sidecar.clock import iso

Json = dict[str, Any]


class UnknownRecord(Exception):
    """There is no such conversation, or no such message in it."""


class Record:
    """One conversation.  Each line names the one before it; the last one is its end."""

    def __init__(self, folder: Path, conversation: str, now_ms: Callable[[], int]) -> None:
        self.conversation = conversation
        self.path = folder / f"{conversation}.jsonl"
        self.lines: list[Json] = []
        self._now_ms = now_ms

    def copy(self, conversation: str) -> "Record":
        """Returns a copy under another id."""
        copy = Record(self.path.parent, conversation, self._now_ms)
        for line in self.lines:
            copy.write(line)
        return copy

    def add(self, uuid: str, kind: str, message: Json, *, entrypoint: str = "sdk-cli") -> None:
        self.write({
            "parentUuid": self.lines[-1]["uuid"] if self.lines else None, "isSidechain": False, "type": kind,
            "uuid": uuid, "message": message, "cwd": "/", "version": "2.1.332", "entrypoint": entrypoint,
            "timestamp": iso(self._now_ms()),
        })  # fmt: skip

    def add_queued(self, uuid: str, prompt: Any, source_uuid: str) -> None:
        """Adds a prompt that was read during a turn."""
        attachment = {"type": "queued_command", "prompt": prompt, "source_uuid": source_uuid}
        parent = self.lines[-1]["uuid"] if self.lines else None
        line = {"parentUuid": parent, "isSidechain": False, "type": "attachment", "uuid": uuid}
        self.write({**line, "attachment": attachment})

    def write(self, line: Json) -> None:
        self.lines.append({**line, "sessionId": self.conversation})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(self.lines[-1]) + "\n")
        os.utime(self.path, ns=(self._now_ms() * 1_000_000,) * 2)  # it is listed with this time

    def knows(self, uuid: str) -> bool:
        return any(line["uuid"] == uuid for line in self.lines)

    def text(self) -> str:
        """Returns everything that was said."""
        return "\n".join(json.dumps(line.get("message") or line.get("attachment")) for line in self.lines)


class Records:
    """All conversations."""

    def __init__(self, home: Path, now_ms: Callable[[], int]) -> None:
        name = "".join(one if one.isascii() and one.isalnum() else "-" for one in str(home.resolve()))
        self._folder = home / ".claude" / "projects" / name
        self._now_ms = now_ms
        self._known: dict[str, Record] = {}

    def new(self, conversation: str) -> Record:
        self._known[conversation] = record = Record(self._folder, conversation, self._now_ms)
        return record

    def resume(self, flags: Mapping[str, str]) -> Record:
        """Returns the conversation that the CLI's flags name, or a copy of it.  Raises `UnknownRecord`."""
        record = self.load(flags["--resume"], flags.get("--resume-session-at"))
        return self.fork(record, flags["--session-id"]) if "--fork-session" in flags else record

    def load(self, name: str, at: str | None) -> Record:
        """Returns a conversation by id or path, up to the line `at`.  Raises `UnknownRecord`."""
        record = self._known.get(Path(name).stem if name.endswith(".jsonl") else name)
        if record is None or not record.path.is_file():
            raise UnknownRecord(f"No conversation found with session ID: {name}")
        if at is None:
            return record
        position = next((number for number, line in enumerate(record.lines) if line["uuid"] == at), None)
        if position is None:
            raise UnknownRecord(f"No message found with message.uuid of: {at}")
        part = Record(self._folder, record.conversation, self._now_ms)
        part.lines = record.lines[: position + 1]
        return part

    def fork(self, record: Record, conversation: str) -> Record:
        self._known[conversation] = copy = record.copy(conversation)
        return copy

    def ids(self) -> list[str]:
        return [name for name, record in self._known.items() if record.path.is_file()]

    def lose(self, conversation: str) -> None:
        """Deletes a record, as the CLI does after `cleanupPeriodDays`."""
        record = self._known.pop(conversation, None)
        if record is not None:
            record.path.unlink(missing_ok=True)
