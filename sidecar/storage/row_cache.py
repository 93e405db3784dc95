"""A cache of encoded rows: a list that is read again, as windows do, encodes only the rows that have changed since."""

from collections.abc import Sequence
from typing import Final

from pydantic_core import to_json

from sidecar.storage.database import PAGE_BYTES, Database, Parameters, Row

MAX_BYTES: Final = 2 * 1024 * 1024
"""Maximum size of the rows that are kept of a table: some thousand jobs or events."""

EncodedRow = tuple[bytes, int]
"""A row as JSON, and its key."""


class RowCache:
    """Reads rows of a table as JSON, and keeps the JSON by an id and a version.

    The id must never be another row's; call `clear` if rows are deleted that could be inserted again.  The version must
    change with whatever the JSON is made of; a row whose version is NULL is encoded each time.
    """

    def __init__(self, database: Database, table: str, key: str, row: str, *, row_id: str, version: str) -> None:
        """`key` is the column by which pages are sorted, highest first; the others are SQL expressions."""
        self.columns = f"{key}, {row_id}, {version}"
        """The columns of a statement for `page`."""
        self._database = database
        self._select = f"SELECT {row}, {key} FROM {table} WHERE {key} IN (SELECT value FROM json_each(?))"
        self._select += f" ORDER BY {key} DESC"
        self._kept: dict[tuple[str, int], bytes] = {}
        self._bytes = 0
        self._revision = database.revision()

    def clear(self) -> None:
        self._kept.clear()
        self._bytes = 0

    def page(self, sql: str, parameters: Parameters, limit: int) -> tuple[list[EncodedRow], bool]:
        """Returns at most `limit` of the selected rows, fewer if they exceed PAGE_BYTES, and whether more follow.

        The statement must select `columns` of `limit + 1` rows.  The first row is always returned.
        """
        if (revision := self._database.revision()) != self._revision:
            self._revision = revision
            self.clear()
        rows = self._database.rows(sql, parameters)
        kept = self._kept
        # All that is kept is less than PAGE_BYTES.
        page = [(kept.get(row[1:]), row[0]) for row in rows[:limit]]
        taken = [(json, key) for json, key in page if json is not None]
        if len(taken) < len(page):
            taken = self._encode(rows[: len(page)])
        return taken, len(taken) < len(rows) and bool(taken)

    def _encode(self, rows: Sequence[Row]) -> list[EncodedRow]:
        """Returns rows of which some are not kept, until they exceed PAGE_BYTES; keeps them."""
        missing = [row[0] for row in rows if row[1:] not in self._kept]
        found, is_cut = self._database.page(self._select, (to_json(missing).decode(),), len(missing))
        encoded: dict[int, bytes] = {key: json for json, key in found}
        taken: list[EncodedRow] = []
        size = 0
        for key, *identity in rows:
            json = self._kept.get(tuple(identity)) or encoded.get(key)
            if json is None and not is_cut:  # another program has deleted it meanwhile
                continue
            size += 0 if json is None else len(json)
            if json is None or (size > PAGE_BYTES and taken):
                break
            taken.append((json, key))
        for row in rows:
            if row[2] is not None and (json := encoded.get(row[0])) is not None:
                self._keep(row[1:], json)
        return taken

    def _keep(self, identity: tuple[str, int], json: bytes) -> None:
        self._kept[identity] = json
        self._bytes += len(json)
        while self._bytes > MAX_BYTES:  # the oldest first
            self._bytes -= len(self._kept.pop(next(iter(self._kept))))
