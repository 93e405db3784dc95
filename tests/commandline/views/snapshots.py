"""Texts that a terminal shows, kept in files.  `UPDATE=1` writes them."""

import os
import re
from io import StringIO
from pathlib import Path
from typing import Final

from rich.cells import cell_len
from rich.console import Console

FOLDER: Final = Path(__file__).parent / "snapshots"
WIDTHS: Final = (80, 120)
UNPRINTABLE: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def console(width: int) -> tuple[Console, StringIO]:
    """Returns a console without colours, and what it prints."""
    out = StringIO()
    return Console(file=out, width=width, highlight=False, force_terminal=False), out


def check(name: str, width: int, text: str) -> None:
    """Compares a text with its snapshot; no line may be wider than the terminal, or contain what a terminal obeys."""
    text = "".join(f"{line.rstrip()}\n" for line in text.splitlines())
    assert UNPRINTABLE.findall(text) == []
    assert [line for line in text.splitlines() if cell_len(line) > width] == []
    file = FOLDER / f"{name}.{width}.txt"
    if os.environ.get("UPDATE") == "1":
        FOLDER.mkdir(exist_ok=True)
        file.write_text(text, "utf-8")
    assert text == file.read_text("utf-8"), f"{file} differs: UPDATE=1 accepts the new text"
