"""Claims file descriptors 0 and 1 for the protocol.

Runs before anything heavy is imported, so this module imports only the standard library's lightest parts.
The Windows branch has not been tested on Windows.
"""

import os
import sys


def claim_stdio() -> tuple[int, int]:
    """Moves stdin and stdout to private descriptors: (to read from, to write to).

    Afterwards 0 is the null device and 1 is stderr, so a stray print or a child process can neither write to the
    protocol nor read from it.
    """
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
