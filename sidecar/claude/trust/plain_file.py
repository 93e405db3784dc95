"""Reads files of a folder that are not trusted yet: only plain ones, since a pipe or a device could block forever."""

import os
import stat
from pathlib import Path


def read_plain(path: Path, limit: int) -> bytes | None:
    """Returns at most `limit` bytes of a file; None if there is no such file.

    Raises OSError if it cannot be read, is larger, or is not a plain file.
    """
    try:
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (FileNotFoundError, NotADirectoryError):
        return None
    with os.fdopen(number, "rb") as file:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            raise OSError(f"{path} is not a plain file of at most {limit} bytes")
        return file.read(limit)
