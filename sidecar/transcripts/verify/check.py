"""Verifies or updates one transcript file: sets up the data folder, the environment and the processes.

A header can set `fixed` (`now`: the fixed time of the clock; `seed`: the seed of ids; `upstream`: a file
next to the transcript with recorded responses of the vendors' servers) and `env`, in which paths that begin with `./`
or `../` are relative to the transcript.
"""

import difflib
import errno
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sidecar.paths import command, isolated_environment, options_of, relative_to, schema_dir
from sidecar.transcripts.file.format import Entry, Header, read_runs, write
from sidecar.transcripts.file.patterns import is_secret, secret_to_send
from sidecar.transcripts.file.schemas import ContractSchemas
from sidecar.transcripts.verify.compare import Comparison
from sidecar.transcripts.verify.sidecar_process import TIMEOUT_S, SidecarProcess
from sidecar.transcripts.verify.update import rerecorded
from sidecar.transcripts.verify.verifier import Mismatch, RunVerifier, Start, running, verify

CONTEXT_LINES: Final = 3
MAX_DIFF_LINES: Final = 80
"""Maximum length of the diff for one mismatch."""


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """How a transcript is verified."""

    command: tuple[str, ...] = ()
    """The command that serves, without options; empty for this installation."""
    env: dict[str, str] = field(default_factory=dict)
    """Environment variables; they override those of the header."""
    data: Path | None = None
    """A data folder of which a copy is used, or None for an empty one."""
    now: str | None = None
    seed: int | None = None
    exact: bool = False
    """Ids and times must be as recorded; requires a fixed clock and seed."""
    timeout_s: float = TIMEOUT_S


class NotAsRecorded(AssertionError):
    """The sidecar sent something else; the message shows what."""


def contract_schemas() -> ContractSchemas:
    return ContractSchemas((schema_dir() / "openrpc.json").read_bytes())


def check(path: Path, options: VerifyOptions, record: Path | None = None) -> list[Mismatch]:
    """Verifies a transcript and returns the mismatches.  The sidecar records all messages into `record`, if given.

    Raises NotATranscript or OSError.
    """
    runs = read_runs(path)
    for header, _ in runs:
        if options.exact and None in _fixed(header, options).values():
            return [Mismatch(header.line, "neither clock nor ids are fixed (--now, --seed), so it cannot be exact")]
    with _starter(path, options, record) as start:
        return verify(runs, start, contract_schemas(), exact=options.exact)


def verified(path: Path, options: VerifyOptions, *, can_update: bool) -> tuple[list[Mismatch], bool]:
    """Verifies a transcript and updates it first if that is allowed and it differs.

    Returns the mismatches and whether the file was updated.  An order of messages that varies between runs differs
    again after an update.  Raises NotATranscript, EndedEarly or OSError.
    """
    mismatches = check(path, options)
    if not mismatches or not can_update:
        return mismatches, False
    update(path, options)
    return check(path, options), True


def update(path: Path, options: VerifyOptions) -> None:
    """Updates the file to what the sidecar sends now, or raises NotATranscript, EndedEarly or OSError."""
    if not path.stat().st_mode & 0o222:  # replacing it would work if the folder is writable
        raise PermissionError(errno.EACCES, "the file is read-only, so it is not updated", str(path))
    runs = read_runs(path)
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "new.jsonl"
        with _starter(path, options, record) as start:
            write(path, rerecorded(runs, start, record, contract_schemas()))


@contextmanager
def sidecar_after(path: Path, options: VerifyOptions) -> Iterator[SidecarProcess]:
    """Yields a real sidecar after the messages of a transcript, before its stdin ends.

    Raises NotAsRecorded if the messages differ.
    """
    runs = read_runs(path)
    with _starter(path, options) as start:
        comparison = Comparison(contract_schemas(), exact=options.exact)
        for number, (_, entries) in enumerate(runs[:-1]):
            with running(runs, number, start) as process:
                _run(path, process, comparison, entries)
        header, entries = runs[-1]
        with start(header) as process:
            end = next((place for place, entry in enumerate(entries) if entry.is_eof), len(entries))
            _run(path, process, comparison, entries[:end])
            yield process


def _run(path: Path, process: SidecarProcess, comparison: Comparison, entries: list[Entry]) -> None:
    verifier = RunVerifier(process, comparison)
    verifier.run(entries)
    if verifier.mismatches:
        raise NotAsRecorded(explain_all(path, verifier.mismatches))


@contextmanager
def _starter(path: Path, options: VerifyOptions, record: Path | None = None) -> Iterator[Start]:
    """Yields a function that starts a sidecar as the header of a run says; all of them have the same data folder."""
    with tempfile.TemporaryDirectory(prefix="sidecar-verify-", ignore_cleanup_errors=True) as folder:
        data_dir = Path(folder) / "data"
        if options.data is not None:
            shutil.copytree(options.data, data_dir)

        def start(header: Header) -> SidecarProcess:
            upstream = (header.facts.get("fixed") or {}).get("upstream")
            upstream_path = None if upstream is None else path.parent / upstream
            arguments = options_of(**_fixed(header, options), upstream=upstream_path, record=record)
            recorded = header.facts.get("env") or {}
            values = {name: secret_to_send(one) if is_secret(one) else str(one) for name, one in recorded.items()}
            env = {name: relative_to(path.parent, value) for name, value in values.items()} | options.env
            program = options.command or command("serve")
            return SidecarProcess([*program, *arguments], isolated_environment(data_dir, env), options.timeout_s)

        yield start


def _fixed(header: Header, options: VerifyOptions) -> dict[str, Any]:
    fixed = header.facts.get("fixed") or {}
    return {
        "now": fixed.get("now") if options.now is None else options.now,
        "seed": fixed.get("seed") if options.seed is None else options.seed,
    }


def explain_all(path: Path, mismatches: Iterable[Mismatch]) -> str:
    return "\n".join(explain(path, mismatch) for mismatch in mismatches)


def explain(path: Path, mismatch: Mismatch) -> str:
    lines = [f"{path}:{mismatch.line}: {mismatch.what}"]
    if mismatch.differences:
        lines[0] += " differs"
        places = [one.path for one in mismatch.differences if one.path]
        lines.append(f"  at {', '.join(places[:10])}{', …' if len(places) > 10 else ''}" if places else "")
    if mismatch.expected is not None or mismatch.actual is not None:
        lines += _diff(mismatch.expected, mismatch.actual)
    return "\n".join(line for line in lines if line)


def _diff(expected: Any, actual: Any) -> list[str]:
    one, other = (json.dumps(value, indent=2, ensure_ascii=False).splitlines() for value in (expected, actual))
    diff = list(difflib.unified_diff(one, other, "recorded", "received", lineterm="", n=CONTEXT_LINES))
    shown = [f"  {line}" for line in diff[:MAX_DIFF_LINES]]
    return [*shown, f"  … {len(diff) - MAX_DIFF_LINES} more lines"] if len(diff) > MAX_DIFF_LINES else shown
