"""A cache of encoded rows: a list that is read again, as windows do, encodes only the rows that have changed since."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from pydantic_core import to_json

from sidecar.storage.database import PAGE_BYTES, Database, Parameters, Row

MAX_BYTES: Final = 2 * 1024 * 1024
"""Maximum size of the rows that are kept of a table: some thousand jobs or events."""

EncodedRow = tuple[bytes, int]
"""A row as JSON, and its key."""


class RowCache:
    """Reads rows of a table as JSON, and keeps the JSON by the rows' keys and versions.

    The version must change with whatever the JSON is made of; a row whose version is NULL is encoded each time.  Call
    `clear` when a row is deleted or gets another key, since a new row may be given its key.
    """

    def __init__(self, database: Database, table: str, key: str, row: str, version: str) -> None:
        """`key` is the integer by which pages are sorted, highest first; `row` and `version` are SQL expressions."""
        self._database = database
        self._encoded = f"SELECT {row}, {key}"
        self._versions = f"SELECT {key}, {version}"
        self._at_keys = f"FROM {table} WHERE {key} IN (SELECT value FROM json_each(?)) ORDER BY {key} DESC"
        self._kept: OrderedDict[Row, bytes] = OrderedDict()
        self._bytes = 0
        self._revision: tuple[int, int] | None = None

    def clear(self) -> None:
        self._kept.clear()
        self._bytes = 0

    def at(self, keys: Sequence[int], limit: int) -> tuple[list[EncodedRow], bool]:
        """Does as `page` for the rows with these keys, of which there are at most `limit + 1`."""
        return self.page(self._at_keys, (to_json(keys).decode(),), limit)

    def page(
        self, from_clause: str, parameters: Parameters, limit: int, *, keep: bool = True
    ) -> tuple[list[EncodedRow], bool]:
        """Returns at most `limit` rows, fewer if they exceed PAGE_BYTES, and whether more follow.

        `from_clause` is the statement from FROM on, which must select `limit + 1` rows, highest key first.  The first
        row is always returned.  Rows that are not likely to be read again need not be kept.
        """
        if not keep:
            return self._database.page(f"{self._encoded} {from_clause}", parameters, limit)
        if (revision := self._database.revision()) != self._revision:
            self._revision = revision
            self.clear()
        rows = self._database.rows(f"{self._versions} {from_clause}", parameters)
        kept = self._kept
        missing = [row[0] for row in rows[:limit] if row not in kept]
        # Kept rows need not be counted: all of them are smaller than PAGE_BYTES together.
        taken = self._complete(rows[:limit], missing) if missing else [(kept[row], row[0]) for row in rows[:limit]]
        return taken, len(taken) < len(rows) and bool(taken)

    def _complete(self, rows: Sequence[Row], missing: Sequence[int]) -> list[EncodedRow]:
        """Encodes those rows of a page that are not kept, and keeps them; leaves out what exceeds PAGE_BYTES."""
        found, is_cut = self._database.page(
            f"{self._encoded} {self._at_keys}", (to_json(missing).decode(),), len(missing)
        )
        encoded: dict[int, bytes] = {key: json for json, key in found}
        taken: list[EncodedRow] = []
        size = 0
        for row in rows:
            json = self._kept.get(row) or encoded.get(row[0])
            if json is None and not is_cut:  # another program has deleted it meanwhile
                continue
            size += 0 if json is None else len(json)
            if json is None or (size > PAGE_BYTES and taken):
                break
            taken.append((json, row[0]))
        for row in rows:
            if row[1] is not None and (json := encoded.get(row[0])) is not None:
                self._keep(row, json)
        return taken

    def _keep(self, row: Row, json: bytes) -> None:
        self._kept[row] = json
        self._bytes += len(json)
        while self._bytes > MAX_BYTES:  # the oldest first
            self._bytes -= len(self._kept.popitem(last=False)[1])
