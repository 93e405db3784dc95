"""Reads see whatever has happened when they are served, which depends on time.

An answer fits if each entity in it is in the recorded state or in one that was recorded later.  One that is behind is
asked for again for a while.  Of a poll, which is the same read repeated, only the end counts.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from pydantic_core import to_json

from sidecar.transcripts.file.format import Entry
from sidecar.transcripts.file.schemas import ContractSchemas, Schema

VERBS: Final = frozenset(
    {"list", "get", "search", "summary", "heatmap", "health", "status", "diagnostics", "export", "replay"}
)
"""The last names of methods that change nothing (see the names in ARCHITECTURE.md)."""
ENTITY_ID: Final = "_id"
"""The leading members with this ending identify an entity among those of its type."""


def is_read(method: Any) -> bool:
    return type(method) is str and method.rpartition(".")[2] in VERBS


class Reads:
    """The reads of one run, and the states in which its entities were recorded."""

    def __init__(self, entries: list[Entry], schemas: ContractSchemas) -> None:
        self._schemas = schemas
        self._states: dict[Any, list[tuple[int, Any]]] = defaultdict(list)
        self._followed: set[int] = set()
        """Lines of the answers to reads that the client repeated."""
        asked: dict[bytes, Any] = {}
        polls: dict[bytes, Entry] = {}
        for entry in entries:
            for message in entry.messages:
                if type(message) is not dict:
                    continue
                key = to_json(message.get("id"))
                if entry.from_client:
                    asked[key] = message
                    if not is_read(message.get("method")):
                        polls.clear()
                elif entry.is_notification:
                    self._collect(message.get("params"), schemas.notification(message.get("method")), entry.line)
                elif key in asked:
                    request = asked[key]
                    self._collect(message.get("result"), schemas.result(request.get("method")), entry.line)
                    if is_read(request.get("method")) and type(entry.message) is dict:
                        question = _question(request)
                        if question in polls:
                            self._followed.add(polls[question].line)
                        polls[question] = entry
                        self._states[question].append((entry.line, message.get("result")))

    def is_repeated(self, entry: Entry) -> bool:
        """Returns whether it answers a read that the client repeats before it sends anything else."""
        return entry.line in self._followed

    def later(self, entry: Entry, request: Any, schema: Schema, value: Any) -> Iterator[Any]:
        """Yields the states in which an entity, or this answer, was recorded after an answer."""
        key = self._identity(value, schema)
        for one in (key, _question(request) if key is None else None):
            yield from (state for line, state in self._states.get(one, ()) if line > entry.line)

    def _collect(self, value: Any, schema: Schema, line: int) -> None:
        if type(value) is dict:
            if (key := self._identity(value, schema)) is not None:
                self._states[key].append((line, value))
            for name, one in value.items():
                self._collect(one, self._schemas.member(schema, value, name), line)
        elif type(value) is list:
            item = self._schemas.item(schema)
            for one in value:
                self._collect(one, item, line)

    def _identity(self, value: dict[str, Any], schema: Schema) -> Any:
        ids = []
        for name, one in value.items():
            if not name.endswith(ENTITY_ID) or type(one) is not str:
                break
            ids.append(one)
        choice = next((one for one in self._schemas.choices(schema) if "title" in one), None)
        return (choice["title"], *ids) if ids and choice is not None else None


def _question(request: Any) -> bytes:
    return to_json([request.get("method"), request.get("params")])
