"""Columns of a list: the fields of an entity that matter, as text."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import Any, Final

from pydantic import BaseModel
from rich.cells import cell_len
from rich.filesize import decimal as file_size
from sidecar_protocol.contract import Model

from sidecar.commandline.formatting import members, one_line, printable
from sidecar.commandline.views.fields import Kind, kind_of, models_of
from sidecar.commandline.views.local_times import LocalTimes

SHORT_ID: Final = 8
"""Characters at the end of a UUIDv7, which differ between two ids of the same moment."""
MAX_ID: Final = 20
"""A shorter id, such as that of a schedule, is always whole."""
NUMBERS: Final = frozenset({Kind.NUMBER, Kind.BYTES, Kind.SECONDS, Kind.DOLLARS})
UNITS: Final = ((86_400, "day"), (3_600, "h"), (60, "min"), (1, "s"))
_UNIT: Final = re.compile(r"_(ts|usd|bytes|s)$")
_BREAKS: Final = re.compile(r"[\n\t]")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A column: its cells, one a row, and `whole` ids to print instead where there is room."""

    heading: str
    kind: Kind
    cells: Sequence[str]
    whole: Sequence[str] = ()
    width: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", max(map(cell_len, (self.heading, *self.cells)), default=0))


def columns_of(
    model: type[BaseModel] | None, rows: Sequence[Row], times: LocalTimes, shown: Iterable[str] = ()
) -> list[Column]:
    """Returns the columns that are not empty, the most important first.

    `shown` are fields as in `Model.shown`, which is the default; a model without it shows all its fields.
    """
    names = tuple(shown) or shown_of(model) or tuple(dict.fromkeys(chain(*rows)))
    columns = (_column(name, model, rows, times) for name in names)
    return [column for column in columns if any(column.cells)]


def heading_of(name: str) -> str:
    """Returns a field's name in words, as the heading of a column: `created` for `created_at`."""
    return label_of(name.removesuffix("_at").removesuffix("_time"))


def label_of(name: str) -> str:
    """Returns a field's name in words, without its unit: `total cost` for `total_cost_usd`."""
    return one_line(_UNIT.sub("", name).replace("_", " "))


def shown_of(model: type[BaseModel] | None) -> tuple[str, ...]:
    return model.shown if model is not None and issubclass(model, Model) else ()


def _column(name: str, model: type[BaseModel] | None, rows: Sequence[Row], times: LocalTimes) -> Column:
    spans = [alternative.partition("..")[::2] for alternative in name.split("|")]
    first = spans[0][0]
    declared = None if model is None else model.model_fields.get(first)
    kind = kind_of(first, declared)
    heading = "when" if spans[0][1] else heading_of(first)
    if kind is Kind.TIME:
        return Column(heading, kind, _times(spans, rows, times))
    values = [next((row[one] for one, _ in spans if row.get(one) is not None), None) for row in rows]
    if kind is Kind.ID:
        return Column(heading, kind, [short_id(value) for value in values], [one_line(value or "") for value in values])
    inner = next(iter(models_of(declared)), None)
    return Column(heading, kind, [text_of(kind, value, times, inner) for value in values])


def _times(spans: Sequence[tuple[str, str]], rows: Sequence[Row], times: LocalTimes) -> list[str]:
    found = [next((pair for pair in spans if row.get(pair[0]) is not None), None) for row in rows]

    def shown(*, seconds: bool) -> list[str]:
        pairs = zip(rows, found, strict=True)
        return ["" if pair is None else _time(row, pair, times, seconds=seconds) for row, pair in pairs]

    minutes, precise = shown(seconds=False), shown(seconds=True)
    return precise if _need_seconds(minutes, precise) else minutes


def _time(row: Row, pair: tuple[str, str], times: LocalTimes, *, seconds: bool) -> str:
    if pair[1]:
        text = times.span(row[pair[0]], row.get(pair[1]), padded=True)
    else:
        text = times.show(row[pair[0]], padded=True, seconds=seconds)
    return _BREAKS.sub(" ", printable(text))  # another text is printed as it is


def _need_seconds(minutes: Sequence[str], precise: Sequence[str]) -> bool:
    """Whether the minutes do not show the order of two neighbours."""
    return any(
        one == other and ones != others
        for (one, other), (ones, others) in zip(pairwise(minutes), pairwise(precise), strict=True)
    )


def text_of(kind: Kind, value: Any, times: LocalTimes, model: type[BaseModel] | None = None) -> str:
    """Formats a value on one line; `model` describes an object, or the objects of a list."""
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float) and kind in FORMATS:
        return FORMATS[kind](value)
    if kind is Kind.TIME:
        return one_line(times.show(value))
    if isinstance(value, list):
        return ", ".join(filter(None, (text_of(kind, item, times, model) for item in value)))
    if isinstance(value, dict) and (names := shown_of(model)):
        cells = (column.cells[0] for column in columns_of(model, [value], times, names))
        return " ".join(cell.strip() for cell in cells)
    if isinstance(value, dict):
        return members(value)
    return one_line(value)


def short_id(value: Any) -> str:
    """Returns the end of an id, by which a person knows it again; it cannot be passed to a method."""
    text = one_line(value or "")
    return text if len(text) <= MAX_ID else f"…{text[-SHORT_ID:]}"


def length(seconds: float) -> str:
    """Formats a length of time in at most two units: `1 h 30 min`, `15 min`, `7 days`."""
    left = round(seconds)
    parts = []
    for size, unit in UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}{'s' if unit == 'day' and count != 1 else ''}")
        elif parts:
            break
    return " ".join(parts[:2]) or (f"{seconds:.1g} s" if seconds else "0 s")


def dollars(amount: float) -> str:
    return f"${amount:,.2f}" if amount >= 0.01 or amount == 0 else f"${amount:.4f}"


FORMATS: Final[Mapping[Kind, Callable[[Any], str]]] = {
    Kind.NUMBER: lambda number: f"{number:g}" if isinstance(number, float) else str(number),
    Kind.BYTES: lambda size: file_size(int(size)),
    Kind.SECONDS: length,
    Kind.DOLLARS: dollars,
}
