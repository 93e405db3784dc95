"""The `sidecar` command, and `python -m sidecar`: runs the server, or one of the commands for people.

A host waits for `serve` and `replay`, so that neither imports the other commands.
"""

import os
import sys

SERVE_OPTIONS = (
    *("--db", "--record", "--record-anew", "--redact"),
    *("--now", "--clock-start", "--seed", "--upstream", "--upstream-record"),
)
"""Options of `serve`, whose name can be omitted."""
COMPLETION = "_SIDECAR_COMPLETE"
"""The variable with which a shell requests completions, as click names it."""


def main() -> None:
    try:
        wants_help = not {"-h", "--help"}.isdisjoint(sys.argv[2:])  # which looks the same for all commands
        if _serves(sys.argv[1:]) and not wants_help:
            from sidecar.serve import main as serve  # noqa: PLC0415 - only one of the three is needed

            serve(sys.argv[2:] if sys.argv[1:2] == ["serve"] else sys.argv[1:])
        if sys.argv[1:2] == ["replay"] and COMPLETION not in os.environ and not wants_help:
            from sidecar.transcripts.replay.server import main as replay  # noqa: PLC0415 - see above

            replay(sys.argv[2:])
        from sidecar.commandline.commands import main as commands  # noqa: PLC0415 - see above

        commands()
    except KeyboardInterrupt:
        sys.exit(130)


def _serves(arguments: list[str]) -> bool:
    if COMPLETION in os.environ:
        return False
    if not arguments:
        # A host connects pipes; a user who only typed `sidecar` gets the help.
        return not (sys.stdin is not None and sys.stdin.isatty())
    return arguments[0] == "serve" or arguments[0].split("=")[0] in SERVE_OPTIONS


if __name__ == "__main__":
    main()
