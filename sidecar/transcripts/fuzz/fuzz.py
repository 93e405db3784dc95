"""Fuzzes a sidecar: sends damaged conversations and checks what it owes to any client."""

import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sidecar_protocol.meta import PROTOCOL_VERSION

from sidecar.paths import command, isolated_environment, options_of
from sidecar.transcripts.fuzz.damage import conversation
from sidecar.transcripts.fuzz.promises import broken
from sidecar.transcripts.fuzz.shrink import shrunk
from sidecar.transcripts.sidecar_process import TIMEOUT_S, SidecarProcess, SidecarTimeout

HELLO: Final = {"protocol_version": PROTOCOL_VERSION, "client_info": {"name": "sidecar fuzz", "version": "1"}}
SHRINK_S: Final = 240.0
"""How long to look for a smaller conversation, in seconds."""
REPEATS: Final = 3
"""How often a failing conversation is repeated, to see whether it fails again."""


@dataclass(frozen=True, slots=True)
class FuzzOptions:
    """Which sidecar is fuzzed, and how long to wait for it."""

    command: tuple[str, ...] = ()
    """The command that serves; empty for this installation."""
    timeout_s: float = TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Failure:
    """A round that failed: `lines` is the smallest conversation that was found to fail."""

    seed: int
    reasons: list[str]
    lines: list[bytes] = field(default_factory=list)
    is_repeatable: bool = True
    """False if it failed once and not again; then the lines are all that were sent."""


def fuzz(sources: Sequence[Sequence[bytes]], seeds: Sequence[int], options: FuzzOptions) -> Iterator[Failure | None]:
    """Yields the result of each round: None, or what failed."""
    for seed in seeds:
        lines = conversation(sources, random.Random(seed))  # noqa: S311 - no secret depends on it
        reasons = run(lines, options)
        yield _shrunk(seed, lines, reasons, options) if reasons else None


def run(lines: Sequence[bytes], options: FuzzOptions) -> list[str]:
    """Sends lines to a new sidecar after the handshake, closes its stdin and returns what it broke.

    It has its own data folder, no Claude, and no network: servers have "not recorded" for every request.
    """
    with tempfile.TemporaryDirectory(prefix="sidecar-fuzz-", ignore_cleanup_errors=True) as folder:
        upstream = Path(folder) / "nothing.upstream"
        upstream.touch()
        arguments = [*(options.command or command("serve")), *options_of(upstream=upstream)]
        environment = isolated_environment(Path(folder) / "data", {})
        messages: list[Any] = []
        with SidecarProcess(arguments, environment, options.timeout_s) as process:
            try:
                process.call("initialize", **HELLO)
                messages += process.notifications
                process.send(b"\n".join(lines))
                process.close_stdin()
                while (message := process.receive()) is not None:
                    messages.append(message)
                code = process.exit_code()
            except SidecarTimeout as error:
                process.kill()
                return [f"no end: {error}"]
            except (ValueError, EOFError) as error:
                return [str(error)]
            reasons = [] if code == 0 else [f"exit code {code}: {process.stderr_tail()}"]
    return reasons + list(broken(lines, messages))


def _shrunk(seed: int, lines: list[bytes], reasons: list[str], options: FuzzOptions) -> Failure:
    kinds = set(map(_kind, reasons))

    deadline = time.monotonic() + SHRINK_S

    def fails(candidate: list[bytes]) -> bool:
        return time.monotonic() < deadline and bool(kinds & set(map(_kind, run(candidate, options))))

    if not any(fails(lines) for _ in range(REPEATS)):
        return Failure(seed, reasons, lines, is_repeatable=False)
    smallest = shrunk(lines, fails)
    return Failure(seed, run(smallest, options) or reasons, smallest)


def _kind(reason: str) -> str:
    """Returns what a failure is without its details, such as numbers and ids."""
    return reason.partition(":")[0]


def readable(line: bytes) -> str:
    """Returns a line as text that can be printed: as it is, or as Python writes bytes."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return repr(line)
    return text if text.isprintable() else repr(line)
