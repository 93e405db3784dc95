"""`sidecar serve`: the process that a host spawns.

The claim on the pipes comes first, the heavy imports after it: whatever they print cannot reach the wire.
"""

import gc
import os
import sys
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from sidecar import exit_codes
from sidecar.wire.descriptors import claim_stdio

SEED = "make the same ids every time, for tests: what guards a sign-in can then be foretold"
PLUGIN_SEARCH = "pydantic.plugin._loader"
"""Where pydantic, with its first model, searches every installed package for plugins."""


class Options:
    """What the command line says."""

    db: str | None = None
    record: Path | None = None
    upstream_record: Path | None = None
    upstream: Path | None = None
    now: int | None = None
    seed: int | None = None


def arguments(argv: list[str]) -> Options:
    """The options; `--help` and mistakes end the process here."""
    if not argv:  # as a host starts it, which need not wait for the parser
        return Options()
    import argparse  # noqa: PLC0415

    parser = argparse.ArgumentParser(
        prog="sidecar serve",
        description="Serve JSON-RPC 2.0, one message a line, on stdin and stdout, until stdin ends.",
    )
    parser.add_argument("--db", metavar="PATH", help="the database (default: sidecar.db in APP_DATA_DIR)")
    parser.add_argument("--record", metavar="FILE", type=Path, help="append the conversation to a transcript")
    clouds = parser.add_mutually_exclusive_group()
    clouds.add_argument("--upstream-record", metavar="FILE", type=Path, help="record what the vendors' clouds answer")
    clouds.add_argument("--upstream", metavar="FILE", type=Path, help="let that recording answer in their place")
    parser.add_argument(
        "--now", metavar="TIME", type=_moment, help="let the clock stand still, at 2026-11-23T08:00:00Z"
    )
    parser.add_argument("--seed", metavar="NUMBER", type=int, help=SEED)
    return parser.parse_args(argv, Options())


def _moment(text: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 time."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time needs its offset")
    return round(moment.timestamp() * 1000)


def main(argv: list[str]) -> NoReturn:
    """Serve until the end, then end the process at once: nothing that is left over may keep it alive."""
    parent = os.getppid()  # before anything that takes time: a host that dies meanwhile must not be taken for init
    options = arguments(argv)
    # Nothing made while starting is garbage; looking for some in it costs a tenth of the start.
    gc.disable()
    code = _serve(options, claim_stdio(), parent)
    sys.stderr.flush()
    os._exit(code)


def _serve(options: Options, wire: tuple[int, int], parent: int) -> int:
    _forgo_plugins()
    from sidecar.app import serve  # noqa: PLC0415 - after the claim
    from sidecar.settings import process_settings  # noqa: PLC0415
    from sidecar.storage.database import DatabaseLocked  # noqa: PLC0415
    from sidecar.storage.migrations import DatabaseNewer, DatabaseUnusable  # noqa: PLC0415

    try:
        settings = process_settings(
            options.db,
            record=options.record,
            now_ms=options.now,
            seed=options.seed,
            upstream_record=options.upstream_record,
            upstream=options.upstream,
        )
        return serve(settings, wire, parent)
    except ValueError as error:
        return _refuse(exit_codes.USAGE, str(error))
    except DatabaseLocked as error:
        return _refuse(exit_codes.LOCKED, str(error))
    except DatabaseNewer as error:
        return _refuse(exit_codes.NEWER, f"{error}; update the app, or open a backup")
    except (DatabaseUnusable, OSError) as error:
        return _refuse(exit_codes.IO, str(error))
    except BaseException:  # noqa: BLE001 - the last line of defence: say it, and let the host restart us
        import traceback  # noqa: PLC0415

        traceback.print_exc()
        return exit_codes.CRASHED


def _forgo_plugins() -> None:
    """Put a module in the place of pydantic's search, which takes 7 ms of each start and 1.5 MiB, and finds nothing.

    Its own switch for that, an environment variable, leaves most of it, and what Claude runs would inherit it.
    """

    def real(name: str) -> object:  # a pydantic that wants more of the module than we know of gets it
        if name.startswith("__"):  # `import` itself looks whether it is a package
            raise AttributeError(name)
        import importlib  # noqa: PLC0415

        del sys.modules[PLUGIN_SEARCH]
        return getattr(importlib.import_module(PLUGIN_SEARCH), name)

    nothing = ModuleType(PLUGIN_SEARCH)
    vars(nothing).update(get_plugins=tuple, __getattr__=real)
    sys.modules[PLUGIN_SEARCH] = nothing


def _refuse(code: int, why: str) -> int:
    print(f"sidecar: {why}", file=sys.stderr)  # noqa: T201 - stderr; the logs may not exist yet
    return code
