"""The table `activity_issue_states`: the state of each issue when its site was last asked."""

from collections.abc import Mapping, Sequence

from pydantic_core import to_json

from sidecar.activity.rows import Issue
from sidecar.storage.database import Database


class IssueStateStore:
    """Every statement about the table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, account_id: str, states: Mapping[str, str | None]) -> None:
        """Stores states by the issues' keys."""
        if states:
            self._database.execute(
                """
                INSERT INTO activity_issue_states (account_id, issue_key, status_kind)
                SELECT ?, key, value FROM json_each(?) WHERE true
                ON CONFLICT DO UPDATE SET status_kind = excluded.status_kind
                WHERE status_kind IS NOT excluded.status_kind
                """,
                (account_id, to_json(states).decode()),
            )

    def remove(self, account_id: str) -> None:
        self._database.execute("DELETE FROM activity_issue_states WHERE account_id = ?", (account_id,))

    def get(self, issues: Sequence[Issue]) -> dict[Issue, str | None]:
        """Returns the states of those of the issues that are stored."""
        rows = self._database.rows(
            """
            SELECT account_id, issue_key, status_kind FROM activity_issue_states
            WHERE (account_id, issue_key) IN (
                SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))
            """,
            (to_json(issues).decode(),),
        )
        return {(account_id, issue_key): kind for account_id, issue_key, kind in rows}
