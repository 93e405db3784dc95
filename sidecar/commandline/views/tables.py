"""Tables without lines: as many columns as fit, the most important ones whole."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sidecar_protocol.contract import Method

from sidecar.commandline.summaries import STYLES
from sidecar.commandline.views.columns import NUMBERS, Column
from sidecar.commandline.views.fields import Kind

GAP: Final = 2
TEXT_MIN: Final = 14
"""Width to which a text is cut at most, so that other columns fit."""
SHORT_TEXT: Final = 18
"""A column of texts that are at most this long is not cut."""
FIRST_TEXT_MIN: Final = 28
"""The same of the first text, which is what a row is about."""
COLUMN_STYLES: Final = {Kind.TIME: "cyan", Kind.ID: "dim"}


def print_table(console: Console, columns: Sequence[Column], indent: int = 0) -> None:
    """Prints the columns that fit, times first and ids last.  `columns` has the most important one first."""
    fitting = arrange(columns, console.width - indent)
    for line in lines(fitting, indent):
        print_line(console, line)


def print_methods(methods: Iterable[Method]) -> None:
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("method", no_wrap=True, style="cyan")
    table.add_column("description")
    for declared in methods:
        table.add_row(declared.name, declared.doc.partition("\n")[0])
    Console(highlight=False).print(table, markup=False)


def print_line(console: Console, line: Text) -> None:
    line.rstrip()
    console.print(line, no_wrap=True, overflow="ignore", crop=False)


def arrange(columns: Sequence[Column], width: int) -> list[tuple[Column, int]]:
    """Returns the columns to print, from left to right, with their widths.

    Each column is added if it fits beside the more important ones, with its texts cut to a minimum.  The width that
    remains goes to the texts, the most important first, and then to whole ids.
    """
    chosen: list[Column] = []
    widths: dict[int, int] = {}
    left = width + GAP
    for column in columns:
        least = min(_least(column, chosen), width)
        if GAP + least <= left or not chosen:
            chosen.append(column)
            widths[id(column)] = least
            left -= GAP + least
    for column in chosen:
        more = max(min(column.width - widths[id(column)], left), 0)
        widths[id(column)] += more
        left -= more
    shown = []
    for column in chosen:
        whole = max(map(cell_len, column.whole), default=0)
        if 0 < whole - widths[id(column)] <= left:
            left -= whole - widths[id(column)]
            column = Column(column.heading, column.kind, column.whole)  # noqa: PLW2901 - the same with whole ids
            widths[id(column)] = whole
        shown.append(column)
    return [(column, widths[id(column)]) for column in sorted(shown, key=_place)]


def lines(columns: Sequence[tuple[Column, int]], indent: int = 0, *, heading: bool = True) -> Iterator[Text]:
    """Yields the heading and the rows."""
    if heading:
        cells = [_cell(column.heading, column, width) for column, width in columns]
        yield Text(" " * indent + (" " * GAP).join(cells), style="bold")
    for row in zip(*(column.cells for column, _ in columns), strict=True):
        line = Text(" " * indent)
        for number, (cell, (column, width)) in enumerate(zip(row, columns, strict=True)):
            style = STYLES.get(cell, "") if column.kind is Kind.WORD else COLUMN_STYLES.get(column.kind, "")
            line.append(" " * GAP if number else "").append(_cell(cell, column, width), style)
        yield line


def _least(column: Column, chosen: Sequence[Column]) -> int:
    if column.kind is not Kind.TEXT or column.width <= SHORT_TEXT:
        return column.width
    is_first = all(one.kind is not Kind.TEXT for one in chosen)
    return min(column.width, FIRST_TEXT_MIN if is_first else TEXT_MIN)


def _place(column: Column) -> int:
    return {Kind.TIME: 0, Kind.ID: 2}.get(column.kind, 1)


def _cell(text: str, column: Column, width: int) -> str:
    if column.kind in NUMBERS:
        text = " " * (width - cell_len(text)) + text
    cut = Text(text)
    cut.truncate(width, overflow="ellipsis")
    return set_cell_size(cut.plain, width)
