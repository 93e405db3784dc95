"""The exit codes, by which a host knows what to do; after sysexits.h where that has a word for it."""

from typing import Final

OK: Final = 0
USAGE: Final = 2
CRASHED: Final = 70
"""Start again, with backoff."""
LOCKED: Final = 73
"""Another process has the database."""
IO: Final = 74
"""Input or output failed, or the host did not read."""
HOST_DIED: Final = 75
NEWER: Final = 78
"""The database is from a newer version; nothing was written."""
