"""Reads the CLI's records: JSON lines, each of which names the one before it (`parentUuid`).

Two programs that go on with one conversation, a terminal and a process of ours, write into one file; each line names
the one that its program wrote or read last, so that the conversation then has two ends.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sidecar_protocol.claude.sessions import MessageKind
from sidecar_protocol.scalars import canonical_time

from sidecar.claude.sessions.messages import NewMessage, messages_in, raw_json
from sidecar.json_reader import get, get_objects, get_text, parse_object

READ_BYTES: Final = 64 * 1024 * 1024
"""Maximum number of bytes read of a file; of a larger one, the end is read."""
COMMAND_TAGS: Final = ("name", "args")
OWN_TEXT: Final = re.compile(r"\s*(<[a-z]+(-[a-z]+)+>|\[Request interrupted)")
"""The beginning of texts that the CLI writes in the user's name: notifications, and outputs of commands."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line that contains messages.  `prompt` is the id of the prompt's line that it belongs to, or its own."""

    uuid: str
    prompt: str | None
    messages: tuple[NewMessage, ...]
    is_command: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """A part of a conversation: from a position in its file to `size`, the end of the last whole line."""

    entries: tuple[Entry, ...]
    parents: Mapping[str, str | None]
    size: int
    cwd: str | None = None
    is_cut: bool = False
    """Whether the file was too large to be read from the position."""

    def said_elsewhere(self, known: Collection[str]) -> list[Entry]:
        """Returns the entries that another program has added: those of prompts of which nothing is `known`.

        A command alone, which Claude did not answer, does not count.
        """
        by_prompt: dict[str, list[Entry]] = {}
        for entry in self.entries:
            if entry.prompt is not None:
                by_prompt.setdefault(entry.prompt, []).append(entry)
        new = {
            prompt
            for prompt, entries in by_prompt.items()
            if not any(one.uuid in known for one in entries)
            and any(one.uuid == prompt for one in entries)
            and (len(entries) > 1 or not entries[0].is_command)
        }
        return [entry for entry in self.entries if entry.prompt in new]

    def resumed(self) -> set[str]:
        """Returns the lines of the conversation that ends with the last entry, as the CLI would resume it."""
        at = self.entries[-1].uuid if self.entries else None
        lines: set[str] = set()
        while at is not None and at not in lines:
            lines.add(at)
            at = self.parents.get(at)
        return lines

    def of_conversation(self) -> list[Entry]:
        """Returns the entries of that conversation, without the prompts that a later one has replaced."""
        lines = self.resumed()
        return [entry for entry in self.entries if entry.prompt in lines]


def read_record(path: Path, start: int = 0) -> Record:
    """Reads a file from a position, which must be the begin of a line, or from its begin if it is shorter; blocking."""
    with path.open("rb") as file:
        end = file.seek(0, 2)
        start = start if start <= end else 0
        first = max(start, end - READ_BYTES)
        file.seek(first)
        data = file.read(end - first)
    whole = data[: data.rfind(b"\n") + 1]
    lines = whole.splitlines()
    return replace(parse_record(lines[1:] if first > start else lines), size=first + len(whole), is_cut=first > start)


def parse_record(lines: Iterable[bytes]) -> Record:
    """Parses the lines of a record; lines that are not JSON are left out."""
    entries: list[Entry] = []
    parents: dict[str, str | None] = {}
    prompts: dict[str, str | None] = {}
    cwd = None
    for text in lines:
        line = parse_object(text)
        uuid = get_text(line, "uuid")
        if line is None or uuid is None or line.get("isSidechain") is True:
            continue
        parent = get_text(line, "parentUuid") or get_text(line, "logicalParentUuid")
        cwd = get_text(line, "cwd") or cwd
        parents[uuid] = parent
        prompts[uuid] = prompts.get(parent or "")
        entry = _entry(text, line, uuid, prompts[uuid])
        if entry is not None:
            prompts[uuid] = entry.prompt
            entries.append(entry)
    return Record(tuple(entries), parents, 0, cwd)


def _entry(text: bytes, line: Mapping[str, Any], uuid: str, prompt: str | None) -> Entry | None:
    if line.get("isMeta") is True or line.get("isCompactSummary") is True:
        return None
    command = _command(get_text(line, "message", "content") or "")
    messages = list(_messages(line, command))
    if not messages:
        return None
    raw, at = raw_json(text, line), moment_of(line)
    is_prompt = line.get("type") == "user" and messages[0].kind is MessageKind.USER
    return Entry(
        uuid,
        uuid if is_prompt else prompt,
        tuple(replace(one, raw=raw, created_at=at) for one in messages),
        is_command=command is not None,
    )


def moment_of(line: Mapping[str, Any]) -> str | None:
    """Returns the time of a line in the wire's form."""
    try:
        moment = datetime.fromisoformat(get_text(line, "timestamp") or "")
        return canonical_time(moment) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _command(text: str) -> str | None:
    """Returns a slash command as it was typed, from the tags in which the CLI records it."""
    if not text.lstrip().startswith("<command-"):
        return None
    parts = (text.partition(f"<command-{tag}>")[2].partition(f"</command-{tag}>")[0] for tag in COMMAND_TAGS)
    return " ".join(filter(None, parts)) or None


def _messages(line: Mapping[str, Any], command: str | None) -> Iterator[NewMessage]:
    message = {"message": line.get("message")}
    if line.get("type") == "assistant":
        yield from messages_in(
            {**message, "type": "assistant", "is_api_error_message": line.get("isApiErrorMessage") is True}
        )
    elif line.get("type") != "user":
        return
    elif command is not None:
        yield NewMessage(MessageKind.USER, command)
    elif any(str(block.get("type")).endswith("tool_result") for block in get_objects(line, "message", "content")):
        yield from messages_in({**message, "type": "user"})
    else:
        content = get(line, "message", "content")
        blocks = get_objects(line, "message", "content")
        said = content if isinstance(content, str) else "\n".join(get_text(one, "text") or "" for one in blocks)
        own = get_text(line, "origin", "kind") not in (None, "human") or OWN_TEXT.match(said) is not None
        if not own and said.strip():
            yield NewMessage(MessageKind.USER, said)
