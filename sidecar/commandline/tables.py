"""Prints a list of entities as a table, with the most informative columns that fit on the terminal."""

from collections.abc import Iterable
from datetime import datetime
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from rich.console import Console
from rich.table import Table
from sidecar_protocol.contract import Method, Model

from sidecar.commandline.formatting import ago, one_line

GAP: Final = 2
FLEXIBLE_MIN: Final = 14
"""Minimum width of a column of texts or objects."""
TEXTS: Final = ("title", "message", "description", "detail", "payload", "result", "params", "meta", "raw", "error")
"""Columns whose cells are truncated to fit."""
BEST: Final = ("title", "name", "status", "kind", "level", "service", "type", "method", "event_type", "source", "email")
BEST_TEXTS: Final = ("message", "description", "detail", "start_time", "event_time", "created_at")
RANKS: Final = (*BEST, *BEST_TEXTS)
"""The most informative columns, best first.  Any other is only added if it takes no width from these."""


def list_field(result: type[Model] | None) -> tuple[str, type[Model]] | None:
    """Returns the name and item type of the only list of models in a result whose other fields are plain values.

    Such a result can be printed as a table; None for any other.
    """
    fields = {} if result is None else {name: _flat(field.annotation) for name, field in result.model_fields.items()}
    others = [name for name, types in fields.items() if not all(map(_is_plain, types))]
    items = [get_args(one)[0] for name in others for one in fields[name] if get_origin(one) is list]
    is_table = len(others) == len(items) == 1 and isinstance(items[0], type) and issubclass(items[0], Model)
    return (others[0], items[0]) if is_table else None


def print_table(console: Console, item: type[Model], rows: list[dict[str, Any]], now: datetime) -> None:
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    cells = {name: [_cell(name, row.get(name), now) for row in rows] for name in item.model_fields}
    names = _chosen(cells, console.width)
    for name in names:
        flexible = name in TEXTS
        table.add_column(
            name,
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if flexible else None,
            min_width=None if flexible else _width(name, cells[name]),
            style="cyan" if name == next(iter(cells)) else "",
        )
    table.expand = not set(names).isdisjoint(TEXTS)
    for row in zip(*(cells[name] for name in names), strict=True):
        table.add_row(*row)
    console.print(table, markup=False, highlight=False)


def print_methods(methods: Iterable[Method]) -> None:
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("method", no_wrap=True, style="cyan")
    table.add_column("description")
    for declared in methods:
        table.add_row(declared.name, declared.doc.partition("\n")[0])
    Console(highlight=False).print(table, markup=False)


def _chosen(cells: dict[str, list[str]], width: int) -> list[str]:
    """Returns the columns that fit, in declared order, without those that are empty in every row."""
    candidates = [name for name in cells if any(cells[name])]
    ranked = [name for name in RANKS if name in candidates[1:]]
    needs = {name: GAP + _width(name, cells[name]) for name in candidates}
    least = {name: min(needs[name], GAP + FLEXIBLE_MIN) if name in TEXTS else needs[name] for name in candidates}
    chosen: list[str] = []
    left = width + GAP
    for name in dict.fromkeys([*candidates[:1], *ranked, *candidates]):
        # A column without a rank must not shorten the texts of the columns chosen before it.
        spare = 0 if name in ranked else sum(needs[one] - least[one] for one in chosen)
        if least[name] + spare <= left or not chosen:
            chosen.append(name)
            left -= least[name]
    return [name for name in cells if name in chosen]


def _cell(name: str, value: Any, now: datetime) -> str:
    if value in (None, "", [], {}, False):
        return ""
    return ago(value, now) if name.endswith("_at") and isinstance(value, str) else one_line(value)


def _width(name: str, cells: list[str]) -> int:
    return max(map(len, [name, *cells]))


def _is_plain(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, (str, int, float, type(None)))


def _flat(annotation: Any) -> list[Any]:
    """Returns the members of a union, or the annotation itself, without constraints."""
    if hasattr(annotation, "__metadata__"):
        return _flat(annotation.__origin__)
    if get_origin(annotation) in (Union, UnionType):
        return [flat for argument in get_args(annotation) for flat in _flat(argument)]
    return [annotation]
