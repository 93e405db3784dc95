"""Claims file descriptors 0 and 1 for the protocol.

Runs before anything heavy is imported, so this module imports only the standard library's lightest parts.
The Windows branch has not been tested on Windows.
"""

import os
import sys


class StdoutClosed(Exception):
    """The process was started without stdout."""


def _open_missing() -> set[int]:
    """Opens the null device in place of stdin, stdout and stderr that are closed; returns which were.

    Otherwise the next file that is opened, such as the database, would get the number, and prints would go into it.
    A Windows program without a console has none of the three, and `sys.stderr` is then None.
    """
    closed = set()
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            closed.add(number)
            null = os.open(os.devnull, os.O_RDWR)  # as a rule the number itself, since it is the lowest unused one
            if null != number:
                os.dup2(null, number)
                os.close(null)
        if getattr(sys, name) is None:
            stream = os.fdopen(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False)
            setattr(sys, name, stream)
    return closed


def claim_stdio() -> tuple[int, int]:
    """Moves stdin and stdout to private descriptors: (to read from, to write to).

    Afterwards 0 is the null device and 1 is stderr, so a stray print or a child process can neither write to the
    protocol nor read from it.  A closed stdin is one that has ended.  Raises `StdoutClosed`.
    """
    if 1 in _open_missing():
        raise StdoutClosed("stdout is closed, so nothing could be answered; connect a pipe to it")
    wire_in, wire_out = os.dup(0), os.dup(1)  # child processes do not inherit descriptors from os.dup
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 - exists on Windows only

        msvcrt.setmode(wire_in, os.O_BINARY)
        msvcrt.setmode(wire_out, os.O_BINARY)
    return wire_in, wire_out
