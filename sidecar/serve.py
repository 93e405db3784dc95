"""`sidecar serve`: the process that a host spawns.

It claims the pipes before it imports anything heavy, so that nothing that an import prints reaches the wire.
"""

import gc
import os
import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from sidecar import exit_codes
from sidecar.http.lean_imports import import_asyncio_and_pydantic
from sidecar.wire.descriptors import StdoutClosed, claim_stdio

if TYPE_CHECKING:
    import argparse

PRINT_S: Final = 0.5
"""Time limit for printing a traceback, in seconds."""
SEED_HELP = "create the same ids every time, for tests: what protects a sign-in becomes predictable"


def parser() -> "argparse.ArgumentParser":
    """Returns the parser of the options of `serve`."""
    import argparse  # noqa: PLC0415 - a host passes no options, and should not wait for the parser

    parser = argparse.ArgumentParser(
        prog="sidecar serve",
        description="Serve JSON-RPC 2.0, one message a line, on stdin and stdout, until stdin ends.",
    )
    parser.add_argument(
        "--db", dest="database", metavar="PATH", help="the database (default: sidecar.db in APP_DATA_DIR)"
    )
    parser.add_argument("--record", metavar="FILE", type=Path, help="append all messages to a transcript")
    files_help = "with --record: keep the images and files of prompts in it"
    parser.add_argument("--record-files", action="store_true", help=files_help)
    parser.add_argument(
        "--record-anew", metavar="FILE", type=Path, nargs="?", const=True, help="as --record, but replace the file"
    )
    parser.add_argument(
        "--redact", metavar="REGEX", action="append", default=[], help="also leave out of it each text that matches"
    )
    clouds = parser.add_mutually_exclusive_group()
    clouds.add_argument(
        "--upstream-record", metavar="FILE", type=Path, help="record the responses of the vendors' clouds"
    )
    clouds.add_argument(
        "--upstream", metavar="FILE", type=Path, help="replay such a recording instead of calling the clouds"
    )
    now_help = "stop the clock at this time: 2026-11-23T08:00:00Z"
    clock = parser.add_mutually_exclusive_group()
    clock.add_argument("--now", dest="now_ms", metavar="TIME", type=_moment, help=now_help)
    clock.add_argument(
        "--clock-start", dest="clock_start_ms", metavar="TIME", type=_moment, help="start the clock at this time"
    )
    parser.add_argument("--seed", metavar="NUMBER", type=int, help=SEED_HELP)
    return parser


def arguments(argv: list[str]) -> dict[str, Any]:
    """Parses the options to arguments of `process_settings`; mistakes end the process."""
    if not argv:
        return {}
    options = vars(parser().parse_args(argv))
    options["redact"] = tuple(options["redact"])
    options["record_anew"] = (anew := options["record_anew"]) is not None
    options["record"] = anew if isinstance(anew, Path) else options["record"]
    return options


def _moment(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time needs its offset")
    return round(moment.timestamp() * 1000)


def main(argv: list[str]) -> NoReturn:
    """Serves until the end, then ends the process at once: no thread or task that is left may keep it alive."""
    parent = os.getppid()  # first: a host that dies during the start must be noticed
    forgo_core_dumps()
    options = arguments(argv)
    gc.disable()  # until `freeze`: nothing created until then is garbage, and looking for some takes a tenth of it
    os._exit(_serve(options, parent))


def forgo_core_dumps() -> None:
    """Keeps the kernel from writing the memory, which holds keys and tokens, to a file if the process crashes."""
    try:
        import resource  # noqa: PLC0415 - does not exist on Windows
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))  # children may raise it again, as a shell's `ulimit -c` does


def freeze() -> None:
    """Exempts everything imported and created so far from garbage collection, which is on from here."""
    gc.freeze()
    gc.enable()


def _serve(options: dict[str, Any], parent: int) -> int:
    try:
        wire = claim_stdio()
        import_asyncio_and_pydantic()
        from sidecar import app  # noqa: PLC0415 - after the claim

        return app.serve(wire, parent, freeze, options)
    except StdoutClosed as error:
        print(f"sidecar: {error}", file=sys.stderr)  # noqa: T201 - stderr
        return exit_codes.IO
    except BaseException:  # noqa: BLE001 - the last resort: print it, and let the host start a new process
        import traceback  # noqa: PLC0415 - needed only here

        # In a thread: a host that does not read stderr must not keep the process from ending.
        printing = threading.Thread(target=sys.stderr.write, args=(traceback.format_exc(),), daemon=True)
        printing.start()
        printing.join(PRINT_S)
        return exit_codes.CRASHED
