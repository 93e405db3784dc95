"""Contents of a session or run that came from the hub: texts of others, which it shows, and rows to cite."""

from collections.abc import Collection, Iterable, Sequence

from sidecar_protocol.claude.gate import DecisionPage, ExposureList, Gate, TrustedSourceList
from sidecar_protocol.claude.sessions import MessageKind
from sidecar_protocol.contract import as_models, encode
from sidecar_protocol.scalars import DEFAULT_LIMIT

from sidecar.claude.citations.store import CitationStore
from sidecar.claude.gate.store import GateStore, Owner
from sidecar.claude.sessions.journal import SessionJournal
from sidecar.claude.sessions.messages import NewMessage
from sidecar.hub.foreign import ForeignText
from sidecar.hub.rows import Row
from sidecar.runtime import Runtime


class GateJournal:
    """Every exposure of a session or run, and the rows that it can cite."""

    def __init__(self, runtime: Runtime, store: GateStore, sessions: SessionJournal) -> None:
        self.store = store
        self.citations = CitationStore(runtime.database, runtime.clock)
        self._runtime = runtime
        self._sessions = sessions

    def untrusted(self, owner_ids: Iterable[str]) -> list[tuple[str, str]]:
        return self.store.untrusted(owner_ids)

    def expose(self, owner: Owner, tool: str, texts: Sequence[ForeignText], conversation: str | None = None) -> None:
        """Stores the texts of an answer, of which some can be by others.  Raises `sqlite3.Error`.

        `conversation` is that in the CLI's records, which then stays exposed without its session or run.
        """
        with self._runtime.database.write():
            self._tell(owner, self.store.expose(owner, tool, texts))
            if conversation is not None:
                self.store.expose(Owner(conversation=conversation), tool, texts)

    def inherit(self, owner: Owner, from_ids: Collection[str]) -> None:
        """Exposes an owner to the texts in the conversations that it goes on with.  Raises `sqlite3.Error`."""
        if self.store.is_exposed(from_ids):
            with self._runtime.database.write():
                self._tell(owner, self.store.inherit(owner, from_ids))

    def _tell(self, owner: Owner, added: Sequence[str]) -> None:
        if added and owner.session_id is not None:
            self._sessions.assign(owner.session_id, "exposed_at = coalesce(exposed_at, :now)")
            notice = (
                f"Texts that others wrote are in this conversation now: {', '.join(added[:5])}. From here on, tools"
                " that can do more than read ask first."
            )
            self._sessions.add_message(owner.session_id, None, NewMessage(MessageKind.NOTICE, notice))

    def number(self, owner: Owner, rows: Sequence[Row]) -> list[int | None]:
        """Returns the numbers of the rows of an answer, which it stores.  Raises `sqlite3.Error`."""
        if not rows:
            return []
        after_seq = 0 if owner.session_id is None else self._sessions.store.last_position(owner.session_id)
        return self.citations.number(owner, rows, after_seq)

    async def committed(self) -> None:
        """Returns once all that was stored is durable.  Raises `sqlite3.Error`."""
        await self._runtime.committed()


class GateService(Gate):
    """Implements `Gate`."""

    def __init__(self, store: GateStore) -> None:
        self._store = store

    async def list_exposures(self, *, session_id: str | None = None, job_id: str | None = None) -> ExposureList:
        return encode(ExposureList, exposures=as_models(self._store.exposures(session_id, job_id))).as_model()

    async def list_decisions(
        self,
        *,
        session_id: str | None = None,
        job_id: str | None = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
    ) -> DecisionPage:
        decisions, next_cursor = self._store.decisions(session_id, job_id, limit, cursor)
        return encode(DecisionPage, decisions=as_models(decisions), next_cursor=next_cursor).as_model()

    async def list_sources(self) -> TrustedSourceList:
        return TrustedSourceList(sources=self._store.sources())

    async def trust_source(self, *, source: str) -> TrustedSourceList:
        self._store.trust(source)
        return await self.list_sources()

    async def remove_source(self, *, source: str) -> TrustedSourceList:
        self._store.distrust(source)
        return await self.list_sources()
