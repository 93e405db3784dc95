"""Numbers the rows of a result that an assistant can cite, such as events: `n` is the first field of each.  Pure.

Only rows that are in the answer get a number: the assistant does not know of those that were cut.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sidecar_protocol.contract import Model

from sidecar.hub.entries import Entry, entries

NUMBER: Final = "n"
_FIRST_PLACE: Final = 1_000_000
"""Until the rows of the answer are known, `n` is this and the position of the row: no number is longer."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a result that can be cited."""

    kind: str
    ids: Mapping[str, str]
    """The fields that identify it, by name."""
    title: str | None = None
    at: str | None = None
    url: str | None = None


NumberRows = Callable[[Sequence[Row]], Sequence[int | None]]
"""Returns the numbers of rows: always the same for the same row, and None if there are no more numbers."""


def mark_rows(model: type[Model], result: Entry) -> list[Row]:
    """Reserves the room for the numbers in a result, and returns its rows."""
    rows = list[Row]()
    for kind, entry in list(entries(model, result)):
        row = _row(kind, entry)
        if row is not None and NUMBER not in entry:
            fields = dict(entry)
            entry.clear()
            entry.update({NUMBER: _FIRST_PLACE + len(rows), **fields})
            rows.append(row)
    return rows


def number_rows(model: type[Model], shown: Entry, rows: Sequence[Row], number: NumberRows) -> None:
    """Replaces what `mark_rows` has left in the shown part of a result by numbers."""
    marked = [entry for kind, entry in entries(model, shown) if kind.cited is not None and NUMBER in entry]
    numbers = number([rows[entry[NUMBER] - _FIRST_PLACE] for entry in marked])
    for entry, given in zip(marked, numbers, strict=True):
        if given is None:
            del entry[NUMBER]
        else:
            entry[NUMBER] = given


def _row(model: type[Model], entry: Entry) -> Row | None:
    cited = model.cited
    if cited is None:
        return None
    ids = {name: entry.get(name) for name in cited.ids}
    if not all(isinstance(value, str) and value for value in ids.values()):
        return None
    title, at, url = (_text(entry, name) for name in (cited.title, cited.at, cited.url))
    return Row(cited.kind, {name: str(value) for name, value in ids.items()}, title, at, url)


def _text(entry: Mapping[str, Any], name: str | None) -> str | None:
    value = None if name is None else entry.get(name)
    return value if isinstance(value, str) and value else None
