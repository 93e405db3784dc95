"""`sidecar mcp`: a server of the Model Context Protocol on stdin and stdout, for assistants other than our Claude.

It offers the tools that only read, from the database of a sidecar that may be running beside it.  It starts no work,
needs no lock, and writes nothing.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

import click
from pydantic_core import to_json
from sidecar_protocol.contract import Ephemeral, Notification, ToolUse
from sidecar_protocol.json_line import Unreadable, read_json

from sidecar import exit_codes
from sidecar.claude.process.environment import OWNER_ENVS
from sidecar.clock import SystemClock
from sidecar.features import JOB_TYPES, SECRETS, Features, methods
from sidecar.http.client import Http
from sidecar.hub.connection import HubConnection
from sidecar.hub.tools import Hub
from sidecar.ids import Randomness, Uuid7
from sidecar.jobs.feature import JobsFeature
from sidecar.paths import schema_dir
from sidecar.runtime import Runtime
from sidecar.settings import Settings, process_settings
from sidecar.storage.database import check_sqlite
from sidecar.storage.inspection import DatabaseNewer, DatabaseUnusable
from sidecar.storage.lock_file import DatabaseLocked
from sidecar.storage.migrations import InstallationDamaged, migration_files
from sidecar.storage.reading import DatabaseOlder, ReadDatabase, open_to_read
from sidecar.storage.secrets import Vault
from sidecar.wire.descriptors import StdoutClosed, claim_stdio
from sidecar.wire.dispatch import Route, Routes
from sidecar.wire.event_log import EventLog

MAX_LINE: Final = 1024 * 1024
"""Maximum length of a message in bytes; an assistant's are shorter than a page."""
CHUNK: Final = 64 * 1024
LAST_CALLS_S: Final = 10.0
"""Time for the calls that are not answered when stdin ends."""
PARSE_ERROR: Final = -32700
EXIT_CODES: Final = {
    DatabaseLocked: exit_codes.LOCKED,
    DatabaseNewer: exit_codes.NEWER,
    DatabaseUnusable: exit_codes.IO,
}


@click.command()
@click.option(
    "--data-dir",
    metavar="PATH",
    type=click.Path(file_okay=False, path_type=Path),
    help="The data folder of the app (default: APP_DATA_DIR, or the platform's).",
)
def mcp(*, data_dir: Path | None) -> NoReturn:
    """Serve the hub's data to an assistant: MCP on stdin and stdout, read-only.

    For Claude Code:  claude mcp add hub -- sidecar mcp --data-dir PATH

    An app may be running meanwhile.  Exits with 78 if the database is of a newer version.
    """
    try:
        wire = claim_stdio()
        check_sqlite()
        settings = process_settings(None if data_dir is None else str(data_dir.absolute() / "sidecar.db"))
        database = open_to_read(settings.database, migration_files(schema_dir()), SystemClock().now_ms())
    except (DatabaseLocked, DatabaseNewer, DatabaseUnusable) as error:
        _refuse(str(error), EXIT_CODES[type(error)])
    except (DatabaseOlder, InstallationDamaged, ValueError) as error:
        _refuse(str(error), exit_codes.USAGE)
    except (OSError, StdoutClosed) as error:
        _refuse(str(error), exit_codes.IO)
    with suppress(BrokenPipeError):
        asyncio.run(_serve(settings, database, wire))
    os._exit(exit_codes.OK)  # the thread that reads stdin may still wait for it


def _refuse(problem: str, code: int) -> NoReturn:
    click.echo(f"sidecar: {problem}.", err=True)
    sys.exit(code)


def make_hub(settings: Settings, database: ReadDatabase) -> Hub:
    """Returns the tools over a database that is only read."""
    clock = SystemClock()
    randomness = Randomness(None)
    new_id = Uuid7(clock, randomness.bytes_for("ids"))

    def never(*_: object, **__: object) -> Any:
        raise RuntimeError("this process only reads")

    jobs = JobsFeature(database, _Nobody(), clock, new_id, JOB_TYPES, never)

    runtime = Runtime(
        settings=settings,
        database=database,
        clock=clock,
        new_id=new_id,
        randomness=randomness,
        notify=never,
        committed=never,
        after_commit=never,
        is_draining=lambda: False,
        vault=Vault(database, settings.data_dir, SECRETS),
        queue=jobs.queue,
        schedules=jobs.schedules,
        feed=lambda: features.feed(),  # noqa: PLW0108 - it is made below
        hub=lambda: hub,
        http=lambda: Http(clock, random_fraction=randomness.fractions_for("pauses of requests")),
    )
    features = Features(runtime, jobs, EventLog(database))
    routes = Routes(jobs.services, features.deferred)

    def find(name: str) -> Route | None:
        database.check()
        return routes.find(name)

    hub = Hub(find, methods, new_id)
    return hub


class _Nobody:
    """Receives the notifications of a process that sends none."""

    def notify(self, notification: Notification) -> None:
        del notification

    def discard(self, kind: type[Ephemeral], *key: object) -> None:
        del kind, key


async def _serve(settings: Settings, database: ReadDatabase, wire: tuple[int, int]) -> None:
    hub = make_hub(settings, database)
    # The sidecar's own Claude has the hub behind its gate, or is not to have it: what this server gives is not gated.
    is_own = any(name in os.environ for name in OWNER_ENVS)
    connection = HubConnection(hub, [] if is_own else hub.tools(ToolUse.READ))
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def send(message: dict[str, Any]) -> None:
        rest = memoryview(to_json(message) + b"\n")
        while rest:
            rest = rest[os.write(wire[1], rest) :]

    def receive(line: bytes | None) -> None:
        if line is None:
            send(_parse_error(f"A message may have at most {MAX_LINE:,} bytes."))
            return
        try:
            connection.receive(read_json(line), send)
        except Unreadable as error:
            send(_parse_error(str(error)))
        except EOFError:
            pass
        except BrokenPipeError:
            ended.set()

    def read() -> None:
        _read_lines(wire[0], lambda line: loop.call_soon_threadsafe(receive, line))
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=read, daemon=True).start()
    await ended.wait()
    await connection.finish(LAST_CALLS_S)


def _parse_error(message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": None, "error": {"code": PARSE_ERROR, "message": message}}


def _read_lines(descriptor: int, on_line: Callable[[bytes | None], object]) -> None:
    """Reads lines until the end, also a last one that does not end; `on_line` gets None for one that is too long."""
    buffer, is_skipping = b"", False
    while chunk := os.read(descriptor, CHUNK):
        *lines, buffer = (buffer + chunk).split(b"\n")
        for line in lines:
            if not is_skipping:
                on_line(line)
            is_skipping = False
        if len(buffer) > MAX_LINE:
            if not is_skipping:
                on_line(None)
            buffer, is_skipping = b"", True
    if buffer and not is_skipping:
        on_line(buffer)
