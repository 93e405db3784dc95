"""Lets a test fail where the product blocks the loop by anything but SQLite and the exceptions named here.

blockbuster replaces the functions of Python that wait for a disk or a network; one that is called on a running loop by
code below `sidecar/` raises `BlockingError`.  SQLite, locks and sockets are left alone: SQLite is on the loop on
purpose, and the others are used without waiting.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from blockbuster import BlockBuster

WATCHED: Final = ("os.", "io.", "time.", "builtins.")
"""Beginnings of the names of the functions that are replaced."""
EXCEPTIONS: Final = {
    (
        "<frozen importlib._bootstrap>",
        "_find_and_load",
    ): "The first call of a room imports it, if no thread has yet.",
    ("tests/in_process_app.py", "__init__"): "The start: nothing is served before the database is open.",
    ("sidecar/storage/database.py", "close"): "The end: nothing is served any more.",
    ("sidecar/storage/secrets.py", "unlock"): "The key lies beside the database: what hangs one hangs the other.",
    ("sidecar/storage/secrets.py", "seal"): "The same: the key is made with the first credential.",
    ("sidecar/storage/database.py", "moved"): "Each commit looks whether the file that it goes to is still there.",
    ("sidecar/days.py", "computer_zone_name"): "The system's own zone, from /etc.",
    ("zoneinfo/__init__.py", "__new__"): "Rules of a zone, from the system or a package.",
    ("zoneinfo/_common.py", "load_tzdata"): "The same.",
    ("logging/__init__.py", "emit"): "A line of the log; the product's own handler writes in a thread.",
}
"""Functions below which anything may block, and why."""


@contextmanager
def nothing_blocks() -> Iterator[None]:
    """Lets code of the product raise if it blocks the loop."""
    watch = BlockBuster("sidecar", excluded_modules=["sidecar.commandline", "sidecar.transcripts"])  # other processes
    for name, function in watch.functions.items():
        if name.startswith(WATCHED):
            for file, where in EXCEPTIONS:
                function.can_block_in(file, where)
            function.activate()
    try:
        yield
    finally:
        watch.deactivate()
