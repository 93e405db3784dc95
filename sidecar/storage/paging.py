"""Pages of sorted lists, and the opaque cursors at which they continue."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from pydantic_core import from_json, to_json
from sidecar_protocol.contract import Encoded, Model
from sidecar_protocol.errors import InvalidCursor

from sidecar.storage.database import Database
from sidecar.storage.row_cache import RowCache

M = TypeVar("M", bound=Model)

PageKey = tuple[str | int, ...]
"""The sort key of a page's last row."""


def encode_cursor(*key: str | int) -> str:
    """Returns the cursor of the page after the row with this key."""
    return urlsafe_b64encode(to_json(key)).decode().rstrip("=")


def decode_cursor(cursor: str, *types: type[str] | type[int]) -> PageKey:
    """Returns the key in a cursor.  Raises `InvalidCursor` if its parts are not of these types."""
    try:
        key = from_json(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        raise InvalidCursor from None
    if type(key) is not list or [type(part) for part in key] != list(types):
        raise InvalidCursor
    if any(type(part) is int and abs(part) >= 2**63 for part in key):  # SQLite's integers have 64 bits
        raise InvalidCursor
    return tuple(key)


def row_json(model: type[Model], **expressions: str) -> str:
    """Returns the SQL expression that encodes a row as the model's JSON, as `row_object`, in bytes."""
    return f"CAST({row_object(model, **expressions)} AS BLOB)"  # else Python would decode and encode its text


def row_object(model: type[Model], **expressions: str) -> str:
    """Returns the SQL expression of a row as a JSON object with the model's fields, for use in `row_json`.

    A field is the column of its name or one of `expressions`; either is a condition if the field is a boolean.
    """
    members = []
    for name, field in model.model_fields.items():
        value = expressions.get(name, name)
        if field.annotation is bool:
            value = f"iif({value}, json('true'), json('false'))"  # constants: nothing is parsed in each row
        members.append(f"'{name}', {value}")
    return f"json_object({', '.join(members)})"


class PagedList(NamedTuple, Generic[M]):
    """The rows of a table, encoded as `M`, in the order of a unique key."""

    model: type[M]
    table: str
    row: str
    """The SQL expression that encodes a row as JSON."""
    key: Mapping[str, type[str] | type[int]]
    """The columns of the sort key, with their types."""
    descending: bool = False

    def page(
        self,
        database: Database,
        limit: int,
        cursor: str | None,
        *,
        equal: Mapping[str, object] | None = None,
        conditions: Sequence[str] = (),
        parameters: Mapping[str, object] | None = None,
        arms: Sequence[str] = ("TRUE",),
        list_id: str | None = None,
        cache: RowCache | None = None,
    ) -> tuple[list[Encoded[M]], str | None]:
        """Returns up to `limit` rows after the cursor, and the cursor of the next page.

        Rows have the values of `equal` that are not None, and fulfil all of the SQL `conditions` and one of `arms`,
        which must exclude each other: each is a sorted index range, and SQLite merges them.  Cursors are valid only for
        the list of this id, which is the table's name by default.  A list with one arm may have a cache, which
        keeps the rows of first pages: windows read these again.  Raises `InvalidCursor`.
        """
        values = {name: value for name, value in (equal or {}).items() if value is not None}
        where = [*conditions, *(f"{name} = :{name}" for name in values)]
        values |= parameters or {}
        if cursor is not None:
            after = self._key_in(cursor, list_id or self.table)
            names = [f"after_{number}" for number in range(len(after))]
            values |= zip(names, after, strict=True)
            sign = "<" if self.descending else ">"
            where.append(f"({', '.join(self.key)}) {sign} ({', '.join(f':{name}' for name in names)})")
        order = ", ".join(f"{name} DESC" if self.descending else name for name in self.key)
        lists = [f"FROM {self.table} WHERE {' AND '.join((arm, *where))}" for arm in arms]
        end = f"ORDER BY {order} LIMIT :limit"
        values["limit"] = limit + 1
        if cache is not None:
            (listed,) = lists
            rows, more = cache.page(f"{listed} {end}", values, limit, keep=cursor is None)
        else:
            columns = ", ".join((self.row, *self.key))
            union = " UNION ALL ".join(f"SELECT {columns} {one}" for one in lists)
            rows, more = database.page(f"{union} {end}", values, limit)
        encoded = [Encoded(self.model, row[0]) for row in rows]
        return encoded, encode_cursor(*rows[-1][1:], list_id or self.table) if more else None

    def _key_in(self, cursor: str, list_id: str) -> PageKey:
        *key, cursor_list = decode_cursor(cursor, *self.key.values(), str)
        if cursor_list != list_id:
            raise InvalidCursor
        return tuple(key)
