"""Prints a list of entities as a table, with the most informative columns that fit on the terminal."""

from collections.abc import Iterable
from datetime import datetime
from itertools import chain
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from sidecar_protocol.contract import Method

from sidecar.commandline.formatting import ago, one_line, printable

GAP: Final = 2
FLEXIBLE_MIN: Final = 14
"""Minimum width of a column of texts or objects."""
TEXTS: Final = ("title", "message", "description", "detail", "payload", "result", "params", "meta", "raw", "error")
"""Columns whose cells are truncated to fit."""
BEST: Final = ("title", "name", "status", "kind", "level", "service", "type", "method", "event_type", "source", "email")
BEST_TEXTS: Final = ("message", "description", "detail", "start_time", "event_time", "created_at")
RANKS: Final = (*BEST, *BEST_TEXTS)
"""The most informative columns, best first.  Any other is only added if it takes no width from these."""


def list_member(result: Any) -> str | None:
    """Returns the name of the only list of entities in a result whose other members are plain values.

    Such a result can be printed as a table; None for any other.
    """
    members = {name: member for name, member in result.items() if member is not None} if type(result) is dict else {}
    lists = [name for name, member in members.items() if isinstance(member, list)]
    if len(lists) != 1 or any(isinstance(member, dict) for member in members.values()):
        return None
    rows = members[lists[0]]
    is_table = all(isinstance(row, dict) for row in rows) if rows else len(members) == 1
    return lists[0] if is_table else None


def print_table(console: Console, rows: list[dict[str, Any]], now: datetime) -> None:
    table = _table()
    cells = {name: [_cell(name, row.get(name), now) for row in rows] for name in dict.fromkeys(chain(*rows))}
    names = _chosen(cells, console.width)
    for name in names:
        flexible = name in TEXTS
        table.add_column(
            printable(name),
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
    table = _table()
    table.add_column("method", no_wrap=True, style="cyan")
    table.add_column("description")
    for declared in methods:
        table.add_row(declared.name, declared.doc.partition("\n")[0])
    Console(highlight=False).print(table, markup=False)


def _table() -> Table:
    return Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")


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
