"""The table `claude_permissions`.  Rows leave as JSON that SQLite made, which `PermissionRequest` describes."""

from dataclasses import dataclass
from typing import Final

from sidecar_protocol.claude.permissions import PermissionRequest
from sidecar_protocol.contract import Encoded

from sidecar.storage.database import Database
from sidecar.storage.paging import PagedList

REQUEST_JSON: Final = """json_object(
    'request_id', request_id, 'session_id', session_id, 'job_id', job_id, 'kind', kind, 'tool_name', tool_name,
    'tool_use_id', tool_use_id, 'description', description, 'input', json(input_json), 'blocked_path', blocked_path,
    'rules', json(rules_json), 'suggested_mode', suggested_mode, 'status', status,
    'turn_ended', json(iif(turn_ended, 'true', 'false')),
    'message', message, 'updated_input', json(updated_input_json), 'remembered', json(remembered_json),
    'resumed_by', resumed_by, 'created_at', created_at, 'resolved_at', resolved_at, 'version', version)"""

_REQUESTS: Final = PagedList(
    PermissionRequest, "claude_permissions", REQUEST_JSON, {"created_at": str, "request_id": str}, descending=True
)


@dataclass(frozen=True, slots=True)
class NewRequest:
    """What a question is stored as; `input` and `rules` are JSON."""

    request_id: str
    session_id: str
    job_id: str
    kind: str
    tool_name: str
    tool_use_id: str | None
    description: str | None
    input: str
    blocked_path: str | None
    rules: str
    suggested_mode: str | None


@dataclass(frozen=True, slots=True)
class Resolution:
    """What becomes of a question; `updated_input` and `remembered` are JSON.

    `has_unused_grant`: the call that it allows is still to come, in the turn `resumed_by`.
    """

    status: str
    message: str | None = None
    updated_input: str | None = None
    remembered: str = "[]"
    resumed_by: str | None = None
    has_unused_grant: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """A call that a turn may make once; both inputs are JSON, the second the one to use."""

    request_id: str
    shown: str
    allowed: str


class PermissionStore:
    """Every statement about what Claude asks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, new: NewRequest, now: str) -> Encoded[PermissionRequest]:
        """A new question."""
        row = self._database.row(
            f"""
            INSERT INTO claude_permissions (request_id, session_id, job_id, kind, tool_name, tool_use_id, description,
                                            input_json, blocked_path, rules_json, suggested_mode, created_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            RETURNING {REQUEST_JSON}
            """,
            (new.request_id, new.session_id, new.job_id, new.kind, new.tool_name, new.tool_use_id, new.description,
             new.input, new.blocked_path, new.rules, new.suggested_mode, now),
        )  # fmt: skip
        assert row is not None  # an INSERT returns its row
        return Encoded(PermissionRequest, row[0].encode())

    def get(self, request_id: str) -> Encoded[PermissionRequest] | None:
        """One question."""
        row = self._database.row(f"SELECT {REQUEST_JSON} FROM claude_permissions WHERE request_id = ?", (request_id,))
        return None if row is None else Encoded(PermissionRequest, row[0].encode())

    def page(
        self, session_id: str | None, status: str | None, limit: int, cursor: str | None
    ) -> tuple[list[Encoded[PermissionRequest]], str | None]:
        """Questions, the newest first, and the cursor of the next page."""
        return _REQUESTS.page(self._database, limit, cursor, equal={"session_id": session_id, "status": status})

    def open_ids(self, session_id: str) -> list[str]:
        """The open questions of a session."""
        rows = self._database.rows(
            "SELECT request_id FROM claude_permissions WHERE session_id = ? AND status = 'open'", (session_id,)
        )
        return [row[0] for row in rows]

    def resolve(self, request_id: str, resolution: Resolution, now: str) -> Encoded[PermissionRequest] | None:
        """Close a question; None where it is not open."""
        row = self._database.row(
            f"""
            UPDATE claude_permissions SET
                status = ?, message = ?, updated_input_json = ?, remembered_json = ?, resumed_by = ?,
                has_unused_grant = ?,
                resolved_at = ?, version = version + 1
            WHERE request_id = ? AND status = 'open'
            RETURNING {REQUEST_JSON}
            """,
            (resolution.status, resolution.message, resolution.updated_input, resolution.remembered,
             resolution.resumed_by, resolution.has_unused_grant, now, request_id),
        )  # fmt: skip
        return None if row is None else Encoded(PermissionRequest, row[0].encode())

    def keep(self, session_id: str | None = None) -> list[Encoded[PermissionRequest]]:
        """The turns of the open questions, of one session or of all, are gone, the questions stay: those changed."""
        rows = self._database.rows(
            f"""
            UPDATE claude_permissions SET turn_ended = 1, version = version + 1
            WHERE status = 'open' AND turn_ended = 0 AND session_id = coalesce(?, session_id)
            RETURNING {REQUEST_JSON}
            """,
            (session_id,),
        )
        return [Encoded(PermissionRequest, row[0].encode()) for row in rows]

    def asking_sessions(self) -> list[str]:
        """The sessions that have open questions."""
        rows = self._database.rows("SELECT DISTINCT session_id FROM claude_permissions WHERE status = 'open'")
        return [row[0] for row in rows]

    def grants(self, job_id: str) -> list[Grant]:
        """The calls that a turn may still make because a late answer allowed them."""
        rows = self._database.rows(
            """
            SELECT request_id, input_json, coalesce(updated_input_json, input_json) FROM claude_permissions
            WHERE resumed_by = ? AND has_unused_grant = 1
            """,
            (job_id,),
        )
        return [Grant(*row) for row in rows]

    def spend(self, request_id: str) -> None:
        """The call was made."""
        self._database.execute("UPDATE claude_permissions SET has_unused_grant = 0 WHERE request_id = ?", (request_id,))

    def forget(self, session_id: str, kept: int) -> None:
        """Delete the oldest closed questions of a session beyond so many."""
        self._database.execute(
            """
            DELETE FROM claude_permissions WHERE session_id = :session_id AND status <> 'open' AND request_id NOT IN (
                SELECT request_id FROM claude_permissions WHERE session_id = :session_id AND status <> 'open'
                ORDER BY created_at DESC, request_id DESC LIMIT :kept)
            """,
            {"session_id": session_id, "kept": kept},
        )
