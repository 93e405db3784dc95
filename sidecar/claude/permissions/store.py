"""The table `claude_permissions`.  SQLite encodes the rows as JSON."""

from dataclasses import dataclass
from typing import Final

from pydantic_core import to_json
from sidecar_protocol.claude.permissions import PermissionRequest
from sidecar_protocol.contract import Encoded

from sidecar.claude.permissions.cli_requests import CliRequest
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
class Resolution:
    """The end of a request; `updated_input` and `remembered` are JSON."""

    status: str
    message: str | None = None
    updated_input: str | None = None
    remembered: str = "[]"
    resumed_by: str | None = None
    has_unused_grant: bool = False
    """Whether the call is allowed and will be made in the turn `resumed_by`."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A call that a turn may make once, because a late response allowed it.  The inputs are JSON."""

    request_id: str
    input: str
    allowed_input: str


class PermissionStore:
    """Every statement about permission requests."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(
        self, request_id: str, session_id: str, job_id: str, request: CliRequest, input_json: str, now: str
    ) -> Encoded[PermissionRequest]:
        rules = to_json([str(rule) for rule in request.rules]).decode()
        stored = self._request(
            f"""
            INSERT INTO claude_permissions (request_id, session_id, job_id, kind, tool_name, tool_use_id, description,
                                            input_json, blocked_path, rules_json, suggested_mode, created_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            RETURNING {REQUEST_JSON}
            """,
            request_id, session_id, job_id, request.kind, request.tool_name, request.tool_use_id, request.description,
            input_json, request.blocked_path, rules, request.suggested_mode, now,
        )  # fmt: skip
        assert stored is not None  # an INSERT returns its row
        return stored

    def get(self, request_id: str) -> Encoded[PermissionRequest] | None:
        return self._request(f"SELECT {REQUEST_JSON} FROM claude_permissions WHERE request_id = ?", request_id)

    def page(
        self, session_id: str | None, status: str | None, limit: int, cursor: str | None
    ) -> tuple[list[Encoded[PermissionRequest]], str | None]:
        """Returns requests, newest first, and the cursor of the next page."""
        return _REQUESTS.page(self._database, limit, cursor, equal={"session_id": session_id, "status": status})

    def open_ids(self, session_id: str) -> list[str]:
        rows = self._database.rows(
            "SELECT request_id FROM claude_permissions WHERE session_id = ? AND status = 'open'", (session_id,)
        )
        return [row[0] for row in rows]

    def resolve(self, request_id: str, resolution: Resolution, now: str) -> Encoded[PermissionRequest] | None:
        """Closes a request; returns None if it is not open."""
        return self._request(
            f"""
            UPDATE claude_permissions SET
                status = ?, message = ?, updated_input_json = ?, remembered_json = ?, resumed_by = ?,
                has_unused_grant = ?,
                resolved_at = ?, version = version + 1
            WHERE request_id = ? AND status = 'open'
            RETURNING {REQUEST_JSON}
            """,
            resolution.status, resolution.message, resolution.updated_input, resolution.remembered,
            resolution.resumed_by, resolution.has_unused_grant, now, request_id,
        )  # fmt: skip

    def end_turns(self, session_id: str | None) -> list[Encoded[PermissionRequest]]:
        """Marks the open requests of one or all sessions as outliving their turns; returns those that changed."""
        rows = self._database.rows(
            f"""
            UPDATE claude_permissions SET turn_ended = 1, version = version + 1
            WHERE status = 'open' AND turn_ended = 0 AND session_id = coalesce(?, session_id)
            RETURNING {REQUEST_JSON}
            """,
            (session_id,),
        )
        return [Encoded(PermissionRequest, row[0].encode()) for row in rows]

    def sessions_with_open_requests(self) -> list[str]:
        rows = self._database.rows("SELECT DISTINCT session_id FROM claude_permissions WHERE status = 'open'")
        return [row[0] for row in rows]

    def grants(self, job_id: str) -> list[Grant]:
        """Returns the unused grants of a turn."""
        rows = self._database.rows(
            """
            SELECT request_id, input_json, coalesce(updated_input_json, input_json) FROM claude_permissions
            WHERE resumed_by = ? AND has_unused_grant = 1
            """,
            (job_id,),
        )
        return [Grant(*row) for row in rows]

    def use_grant(self, request_id: str) -> None:
        self._database.execute("UPDATE claude_permissions SET has_unused_grant = 0 WHERE request_id = ?", (request_id,))

    def delete_closed(self, session_id: str, limit: int) -> None:
        """Deletes all but the newest `limit` closed requests of a session."""
        self._database.execute(
            """
            DELETE FROM claude_permissions WHERE session_id = :session_id AND status <> 'open' AND request_id NOT IN (
                SELECT request_id FROM claude_permissions WHERE session_id = :session_id AND status <> 'open'
                ORDER BY created_at DESC, request_id DESC LIMIT :limit)
            """,
            {"session_id": session_id, "limit": limit},
        )

    def _request(self, sql: str, *parameters: object) -> Encoded[PermissionRequest] | None:
        row = self._database.row(sql, parameters)
        return None if row is None else Encoded(PermissionRequest, row[0].encode())
