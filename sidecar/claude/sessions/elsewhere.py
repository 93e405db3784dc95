"""Takes in what was said in a terminal, which goes on with the same conversation: the CLI's record then has more."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import anyio.lowlevel
from anyio.to_thread import run_sync

from sidecar.claude.records.files import RecordFiles
from sidecar.claude.records.reading import Entry, Record, read_record
from sidecar.claude.sessions.conversation import ConversationJournal

log = logging.getLogger(__name__)

CHUNK: Final = 100
"""Lines that are stored at once, in a few milliseconds; the lines of one prompt are not separated."""
TAKEN_IN: Final = "The conversation went on in a terminal; what was said there follows."
TAKEN_IN_APART: Final = (
    "The conversation went on in a terminal, from a place before the last answer here; what was said there follows, and"
    " Claude gets it with the next prompt. From here on, this session and the terminal have conversations of their own."
)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Finds and stores, before each turn, what the CLI's records have and the sidecar does not know."""

    conversations: ConversationJournal
    files: RecordFiles
    _lock: anyio.Lock = field(default_factory=anyio.Lock)

    async def take_up(self, session_id: str) -> None:
        """Lets a session go on with a conversation that was begun just before the sidecar was killed."""
        begun = self.conversations.begun(session_id)
        try:
            if begun is not None and await run_sync(self.files.find, begun) is not None:
                self.conversations.follow(session_id, begun)
        except OSError as error:
            log.warning("a record of Claude could not be looked for: %s", error)

    async def take_in(self, session_id: str) -> bool:
        """Stores what was said elsewhere; returns whether anything was.  A file that cannot be read is logged.

        If the terminal went on from an earlier place, the CLI would resume only what was said there.  The session then
        branches off at its own last record.
        """
        async with self._lock:
            claude_session_id, size = self.conversations.record_position(session_id)
            if claude_session_id is None:
                return False
            try:
                record = await run_sync(self._read, claude_session_id, size)
                if record is None:
                    return False
                new = self._new(session_id, record)
                whole = await run_sync(self._read, claude_session_id, 0) if new else None
            except OSError as error:
                log.warning("a record of Claude could not be read: %s", error)
                return False
            own, resumed = self.conversations.last_record(session_id), (whole or record).resumed()
            if new and own is not None and not (own in resumed and new[-1].uuid in resumed):
                self.conversations.take_in(session_id, new, notice=TAKEN_IN_APART, size=None)
                self.conversations.branch_off(session_id, claude_session_id, own)
            else:
                await self.store(session_id, new, TAKEN_IN if new else None, record.size)
            return bool(new)

    async def store(self, session_id: str, entries: Sequence[Entry], notice: str | None, size: int) -> None:
        """Stores entries in portions, each of them completely; after a crash, the next turn stores the rest."""
        chunks = list(_chunks(entries)) or [()]
        for number, chunk in enumerate(chunks, start=1):
            self.conversations.take_in(
                session_id,
                chunk,
                notice=notice if number == 1 else None,
                size=size if number == len(chunks) else None,
            )
            await anyio.lowlevel.checkpoint()

    def _read(self, claude_session_id: str, size: int) -> Record | None:
        path = self.files.find(claude_session_id)
        return None if path is None or path.stat().st_size == size else read_record(path, size)

    def _new(self, session_id: str, record: Record) -> list[Entry]:
        known = self.conversations.known(session_id, (entry.uuid for entry in record.entries))
        return record.said_elsewhere(known)


def _chunks(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    chunk: list[Entry] = []
    for entry in entries:
        if len(chunk) >= CHUNK and entry.uuid == entry.prompt:
            yield chunk
            chunk = []
        chunk.append(entry)
    if chunk:
        yield chunk
