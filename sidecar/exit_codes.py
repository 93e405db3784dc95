"""Exit codes, by which the host decides what to do; taken from sysexits.h where it defines a matching one."""

from typing import Final

OK: Final = 0
USAGE: Final = 2
"""A command-line option, an environment variable or the installation is invalid; nothing was changed."""
CRASHED: Final = 70
"""Unexpected error; start the process again, with backoff."""
LOCKED: Final = 73
"""Another process has the database open or locked."""
IO: Final = 74
"""The database or the disk cannot be used, or the host stopped reading."""
HOST_DIED: Final = 75
"""The host process ended without closing stdin."""
NEWER: Final = 78
"""The database was written by a newer version; nothing was changed."""
