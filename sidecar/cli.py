"""The `sidecar` command: serves, or hands over to the commands for people.

Serving imports nothing of those: a host waits for it.
"""

import os
import sys

SERVE_OPTIONS = ("--db", "--record", "--now", "--seed", "--upstream", "--upstream-record")
"""What `serve` takes; the word itself may be left out."""
COMPLETION = "_SIDECAR_COMPLETE"
"""Set by a shell that asks for completions; click's name for it."""


def main() -> None:
    """Run what the arguments name."""
    try:
        if _serves(sys.argv[1:]):
            from sidecar.serve import main as serve  # noqa: PLC0415 - only one of the two is needed

            serve(sys.argv[2:] if sys.argv[1:2] == ["serve"] else sys.argv[1:])
        if sys.argv[1:2] == ["replay"] and COMPLETION not in os.environ:
            from sidecar.transcripts.replay.server import main as replay  # noqa: PLC0415 - as above: a host waits for it

            replay(sys.argv[2:])
        from sidecar.commandline.commands import main as commands  # noqa: PLC0415

        commands()
    except KeyboardInterrupt:
        sys.exit(130)


def _serves(arguments: list[str]) -> bool:
    if COMPLETION in os.environ:
        return False
    if not arguments:
        # A host spawns us with pipes; to a person who only typed the name, help says more than silence.
        return not (sys.stdin is not None and sys.stdin.isatty())
    return arguments[0] == "serve" or arguments[0].split("=")[0] in SERVE_OPTIONS


if __name__ == "__main__":
    main()
