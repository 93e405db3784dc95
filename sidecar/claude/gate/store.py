"""The tables of the gate: the texts of others, whom the user trusts, and the decisions about tools."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from sidecar_protocol.claude.gate import MAX_EXPOSURES, DecidedBy, Decision, Exposure, TrustedSource, Verdict
from sidecar_protocol.contract import Encoded
from sidecar_protocol.errors import InvalidParams

from sidecar.clock import DAY_S, Clock, iso, iso_now
from sidecar.hub.foreign import ForeignText
from sidecar.storage.database import Database
from sidecar.storage.paging import PagedList, row_json

MAX_DECISIONS: Final = 10_000
MAX_TRUSTED: Final = 500
RUNS_KEPT_S: Final = 90 * DAY_S
"""Age up to which the exposures of runs and of the CLI's conversations are kept, as the runs themselves."""
OTHERS: Final = "hub:others"
"""The source of all texts beyond the limit of sources, so that these make a session ask, too."""
DECISION_JSON: Final = row_json(Decision)
EXPOSURE_JSON: Final = row_json(Exposure)
_DECISIONS: Final = PagedList(Decision, "claude_decisions", DECISION_JSON, {"decision_id": int}, descending=True)


@dataclass(frozen=True, slots=True)
class Owner:
    """A session, the job of a run, or else a conversation in the CLI's records, which outlives both."""

    session_id: str | None = None
    job_id: str | None = None
    conversation: str | None = None

    @property
    def owner_id(self) -> str:
        return self.session_id or self.job_id or self.conversation or ""


class GateStore:
    """Every statement about exposures, trusted sources and decisions."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def expose(self, owner: Owner, tool: str, texts: Iterable[ForeignText]) -> list[str]:
        """Adds the sources of these texts; returns those that are new and not trusted."""
        added = []
        with self._database.write():
            oldest = iso(self._clock.now_ms() - RUNS_KEPT_S * 1000)
            self._database.execute(
                "DELETE FROM claude_exposures WHERE session_id IS NULL AND created_at < ?", (oldest,)
            )
            for one in texts:
                row = self._database.row(
                    """
                    INSERT INTO claude_exposures (owner_id, session_id, job_id, source, tool, text, created_at)
                    SELECT :owner_id, :session_id, :job_id,
                        iif(count(*) < :limit OR max(source = :source), :source, :others), :tool, :text, :now
                    FROM claude_exposures WHERE owner_id = :owner_id
                    ON CONFLICT DO NOTHING RETURNING source NOT IN (SELECT source FROM claude_trusted_sources), source
                    """,
                    {
                        "owner_id": owner.owner_id,
                        "session_id": owner.session_id,
                        "job_id": owner.job_id,
                        "source": one.source,
                        "tool": tool,
                        "text": one.text,
                        "now": iso_now(self._clock),
                        "limit": MAX_EXPOSURES,
                        "others": OTHERS,
                    },
                )
                if row is not None and row[0]:
                    added.append(row[1])
        return added

    def is_exposed(self, owner_ids: Iterable[str]) -> bool:
        """Returns whether texts of others are in one of these, also of sources that are trusted for now."""
        sql = "SELECT 1 FROM claude_exposures WHERE owner_id = ? LIMIT 1"
        return any(self._database.value(sql, (one,)) is not None for one in owner_ids)

    def untrusted(self, owner_ids: Iterable[str]) -> list[tuple[str, str]]:
        """Returns the sources of these owners that are not trusted, each with the beginning of a text."""
        sql = """
            SELECT source, text FROM claude_exposures
            WHERE owner_id = ? AND source NOT IN (SELECT source FROM claude_trusted_sources)
            ORDER BY exposure_id
            """
        return [(source, text) for one in owner_ids for source, text in self._database.rows(sql, (one,))]

    def inherit(self, owner: Owner, from_ids: Collection[str]) -> list[str]:
        """Copies the record of others' texts to an owner that goes on with the conversations of these.

        Returns the sources that are new and not trusted.
        """
        if not self.is_exposed(from_ids):  # saves the write lock
            return []
        with self._database.write():
            return [
                source
                for one in from_ids
                for source, is_untrusted in self._database.rows(
                    """
                    INSERT INTO claude_exposures (owner_id, session_id, job_id, source, tool, text, created_at)
                    SELECT :owner_id, :session_id, :job_id, source, tool, text, :now FROM claude_exposures
                    WHERE owner_id = :from_id ORDER BY exposure_id
                    ON CONFLICT DO NOTHING RETURNING source, source NOT IN (SELECT source FROM claude_trusted_sources)
                    """,
                    {
                        "owner_id": owner.owner_id,
                        "session_id": owner.session_id,
                        "job_id": owner.job_id,
                        "from_id": one,
                        "now": iso_now(self._clock),
                    },
                )
                if is_untrusted
            ]

    def exposures(self, session_id: str | None, job_id: str | None) -> list[Encoded[Exposure]]:
        """Returns the exposures of a session or run, oldest first; those of all, newest first."""
        owner = session_id or job_id
        if owner is None:
            sql = f"""
                SELECT {EXPOSURE_JSON} FROM claude_exposures WHERE session_id IS NOT NULL OR job_id IS NOT NULL
                ORDER BY exposure_id DESC LIMIT ?
                """
            return self._database.all_encoded(Exposure, sql, (MAX_EXPOSURES,))
        sql = f"SELECT {EXPOSURE_JSON} FROM claude_exposures WHERE owner_id = ? ORDER BY exposure_id"
        return self._database.all_encoded(Exposure, sql, (owner,))

    def sources(self) -> list[TrustedSource]:
        sql = "SELECT source, trusted_at FROM claude_trusted_sources ORDER BY trusted_at DESC, source"
        return [TrustedSource(source=source, trusted_at=at) for source, at in self._database.rows(sql)]

    def trust(self, source: str) -> None:
        """Raises `InvalidParams` if too many sources are trusted."""
        with self._database.write():
            sql = "INSERT INTO claude_trusted_sources (source, trusted_at) VALUES (?, ?) ON CONFLICT DO NOTHING"
            self._database.execute(sql, (source, iso_now(self._clock)))
            if self._database.value("SELECT count(*) FROM claude_trusted_sources") > MAX_TRUSTED:
                problem = f"{MAX_TRUSTED} sources are trusted; withdraw some with claude.sources.remove"
                raise InvalidParams(details=[{"path": "source", "message": problem}])

    def distrust(self, source: str) -> None:
        with self._database.write():
            self._database.execute("DELETE FROM claude_trusted_sources WHERE source = ?", (source,))

    def decide(
        self,
        owner: Owner,
        call: tuple[str, str | None, str | None],
        verdict: Verdict,
        decided_by: DecidedBy,
        reason: str | None,
    ) -> None:
        """Adds a decision about a call: the tool's name, the id of its use, and the digest of its input."""
        with self._database.write():
            decision_id = self._database.execute(
                """
                INSERT INTO claude_decisions (session_id, job_id, tool_name, tool_use_id, input_digest, verdict,
                                              decided_by, reason, created_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                (owner.session_id, owner.job_id, *call, verdict, decided_by, reason, iso_now(self._clock)),
            )
            self._database.execute(
                "DELETE FROM claude_decisions WHERE decision_id <= ?", (decision_id - MAX_DECISIONS,)
            )

    def decisions(
        self, session_id: str | None, job_id: str | None, limit: int, cursor: str | None
    ) -> tuple[list[Encoded[Decision]], str | None]:
        """Returns decisions, newest first, and the cursor of the next page."""
        equal = {"session_id": session_id, "job_id": job_id}
        return _DECISIONS.page(self._database, limit, cursor, equal=equal)
