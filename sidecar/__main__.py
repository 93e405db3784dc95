"""`python -m sidecar`: serve, unless another command is named.

Serving does not import the command line: a host waits for it.
"""

import sys


def main() -> None:
    """Run what the arguments name."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] == "serve" or arguments[0].startswith("--db"):
        from sidecar.serve import main as serve  # noqa: PLC0415 - only one of the two is needed

        serve(arguments[1:] if arguments[:1] == ["serve"] else arguments)
    from sidecar.cli import main as command_line  # noqa: PLC0415

    command_line()


if __name__ == "__main__":
    main()
