"""Prints a list of entities as a table, with the most informative columns that fit on the terminal.

The columns are chosen by the fields' names and declared types, so that this works for any entity.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from typing import Any, Final, Union, get_args

from pydantic.fields import FieldInfo
from rich.console import Console
from rich.table import Table
from sidecar_protocol.contract import Method, Model

from sidecar.commandline.formatting import ago, one_line

GAP: Final = 2
FLEXIBLE_MIN: Final = 14
"""Minimum width of a column of texts or objects, which are truncated to fit."""
NAMES: Final = ("title", "name")
KINDS: Final = ("type", "method", "level", "event_type", "source", "email")
WORDS: Final = ("message", "title", "description", "detail")
TEXTS: Final = (*WORDS, "payload", "result", "params", "meta", "raw", "error")
TIMES: Final = ("_at", "_time", "start")
LOW_RANK: Final = 5
"""The rank from which a column is only added if it takes no width from the others."""


def list_field(result: type[Model] | None) -> tuple[str, type[Model]] | None:
    """Returns the name and item type of the only list of models in a result whose other fields are plain values.

    Such a result can be printed as a table; None for any other.
    """
    if result is None:
        return None
    found = None
    for name, field in result.model_fields.items():
        item = _list_item(field)
        if item is not None and found is None:
            found = name, item
        elif item is not None or not _is_plain(field.annotation):
            return None
    return found


def print_table(console: Console, item: type[Model], rows: list[dict[str, Any]], now: datetime) -> None:
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold", expand=False)
    cells = {name: [_cell(name, row.get(name), now) for row in rows] for name in item.model_fields}
    for name in _chosen(item, cells, console.width):
        flexible = name in TEXTS
        table.add_column(
            name,
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if flexible else None,
            min_width=None if flexible else _width(name, cells[name]),
            style="cyan" if name == next(iter(cells)) else "",
        )
    table.expand = any(column.ratio for column in table.columns)
    names = [str(column.header) for column in table.columns]
    for index in range(len(rows)):
        table.add_row(*(cells[name][index] for name in names))
    console.print(table, markup=False, highlight=False)


def print_methods(methods: Iterable[Method]) -> None:
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("method", no_wrap=True, style="cyan")
    table.add_column("description")
    for declared in methods:
        table.add_row(declared.name, declared.doc.partition("\n")[0])
    Console(highlight=False).print(table, markup=False)


def _chosen(item: type[Model], cells: dict[str, list[str]], width: int) -> list[str]:
    """Returns the columns that fit, in declared order, without those that are empty in every row."""
    candidates = [name for name in item.model_fields if any(cells[name])]
    needs = {name: GAP + _width(name, cells[name]) for name in candidates}
    least = {name: min(needs[name], GAP + FLEXIBLE_MIN) if name in TEXTS else needs[name] for name in candidates}
    chosen: list[str] = []
    left = width + GAP
    for name in sorted(candidates, key=lambda name: _rank(name, candidates, item)):
        # A column of low rank must not shorten the texts of the columns chosen before it.
        spare = 0 if _rank(name, candidates, item) < LOW_RANK else sum(needs[one] - least[one] for one in chosen)
        if least[name] + spare <= left or not chosen:
            chosen.append(name)
            left -= least[name]
    return [name for name in item.model_fields if name in chosen]


def _rank(name: str, candidates: list[str], item: type[Model]) -> int:
    """Ranks a column: the id, then names and states, kinds, texts, the first time, and the rest."""
    if name == candidates[0]:
        return 0
    if name in NAMES or any(_is_enum(one) for one in _flat(item.model_fields[name].annotation)):
        return 1
    if name in KINDS:
        return 2
    if name in WORDS:
        return 3
    if name == next((one for one in candidates if one.endswith(TIMES)), None):
        return 4
    return LOW_RANK + (name in TEXTS)


def _cell(name: str, value: Any, now: datetime) -> str:
    if value in (None, "", [], {}, False):
        return ""
    return ago(value, now) if name.endswith("_at") and isinstance(value, str) else one_line(value)


def _width(name: str, cells: list[str]) -> int:
    return max(len(name), *map(len, cells)) if cells else len(name)


def _list_item(field: FieldInfo) -> type[Model] | None:
    for annotation in _flat(field.annotation):
        if getattr(annotation, "__origin__", None) is list:
            (item,) = get_args(annotation)
            if isinstance(item, type) and issubclass(item, Model):
                return item
    return None


def _is_plain(annotation: Any) -> bool:
    return all(one in (str, int, float, bool, type(None)) or _is_enum(one) for one in _flat(annotation))


def _is_enum(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Enum)


def _flat(annotation: Any) -> list[Any]:
    """Returns the members of a union, or the annotation itself, without constraints."""
    if hasattr(annotation, "__metadata__"):
        return _flat(annotation.__origin__)
    # A union with an Annotated member is a typing.Union, which has an origin; `A | B` has none.
    if getattr(annotation, "__origin__", Union) is not Union or not get_args(annotation):
        return [annotation]
    return [flat for argument in get_args(annotation) for flat in _flat(argument)]
