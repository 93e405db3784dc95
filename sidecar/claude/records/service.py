"""Implements `Conversations`: lists what a terminal has recorded, and lets sessions go on with it."""

from pathlib import Path
from typing import Final

from anyio.to_thread import run_sync
from sidecar_protocol.claude.conversations import (
    ClaudeConversation,
    ClaudeConversationPage,
    ConversationNotFound,
    Conversations,
)
from sidecar_protocol.claude.sessions import Session, SessionStatus
from sidecar_protocol.scalars import DEFAULT_LIMIT, FolderPath

from sidecar.claude.process.pool import ProcessPool
from sidecar.claude.records.files import RecordFiles
from sidecar.claude.records.listing import Found, read_page, read_summary
from sidecar.claude.records.reading import READ_BYTES, Record, read_record
from sidecar.claude.sessions.conversation import ConversationJournal
from sidecar.claude.sessions.elsewhere import Elsewhere
from sidecar.claude.sessions.journal import SessionStore
from sidecar.claude.sessions.session_settings import NewSession
from sidecar.clock import iso
from sidecar.storage.paging import decode_cursor, encode_cursor

CUT: Final = f"The record is too large: only its last {READ_BYTES // 2**20} MiB were read."


class ConversationsService(Conversations):
    """Implements `Conversations`."""

    def __init__(
        self,
        files: RecordFiles,
        store: SessionStore,
        conversations: ConversationJournal,
        elsewhere: Elsewhere,
        pool: ProcessPool,
    ) -> None:
        self._files = files
        self._store = store
        self._conversations = conversations
        self._elsewhere = elsewhere
        self._pool = pool

    async def list(
        self, *, cwd: FolderPath | None = None, limit: int = DEFAULT_LIMIT, cursor: str | None = None
    ) -> ClaudeConversationPage:
        after = None if cursor is None else decode_cursor(cursor, int, str)
        page, rest = await run_sync(read_page, self._files, None if cwd is None else Path(cwd), limit, after)
        listed = [
            ClaudeConversation(
                claude_session_id=found.claude_session_id,
                title=summary.title,
                cwd=summary.cwd,
                updated_at=iso(found.updated_ns // 1_000_000),
                bytes=found.size,
                session_id=self._store.id_of(found.claude_session_id),
            )
            for found, summary in page
        ]
        next_cursor = None if rest is None else encode_cursor(*rest)
        return ClaudeConversationPage(conversations=listed, next_cursor=next_cursor)

    async def take(self, *, claude_session_id: str) -> Session:
        session_id = self._store.id_of(claude_session_id)
        if session_id is None:
            session_id = await self._adopt(claude_session_id)
        elif self._status(session_id) is not SessionStatus.RUNNING and await self._elsewhere.take_in(session_id):
            self._pool.drop(session_id)
        session = self._store.get(session_id)
        if session is None:  # deleted meanwhile
            raise ConversationNotFound
        return session.as_model()

    async def _adopt(self, claude_session_id: str) -> str:
        try:
            record, title = await run_sync(self._read, claude_session_id)
        except OSError:
            raise ConversationNotFound from None
        entries = record.of_conversation()
        held = self._store.id_of(claude_session_id)  # another request may have been faster
        if held is not None:
            return held
        session_id = self._conversations.adopt(NewSession(title=title, cwd=record.cwd), claude_session_id)
        await self._elsewhere.store(session_id, entries, CUT if record.is_cut else None, record.size)
        return session_id

    def _status(self, session_id: str) -> SessionStatus | None:
        session = self._store.get(session_id)
        return None if session is None else session.load().status

    def _read(self, claude_session_id: str) -> tuple[Record, str | None]:
        """Reads a record and its title.  Raises OSError if there is none."""
        path = self._files.find(claude_session_id)
        if path is None:
            raise FileNotFoundError(claude_session_id)
        status = path.stat()
        summary = read_summary(Found(path, status.st_mtime_ns, status.st_size))
        return read_record(path), None if summary is None else summary.title
