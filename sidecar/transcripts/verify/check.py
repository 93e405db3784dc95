"""Verifies or updates one transcript file: sets up the data folder, the environment and the processes.

A header can set `fixed` (`now`: the fixed time of the clock; `seed`: the seed of ids; `upstream`: a file
next to the transcript with recorded responses of the vendors' servers) and `env`, in which paths that begin with `./`
or `../` are relative to the transcript.
"""

import errno
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from sidecar.paths import command, isolated_environment, options_of, relative_to
from sidecar.transcripts.file.facts import contract_facts
from sidecar.transcripts.file.format import Header, Run, read_runs, write
from sidecar.transcripts.file.redact import Redactor
from sidecar.transcripts.sidecar_process import TIMEOUT_S, SidecarProcess
from sidecar.transcripts.verify.compare import Comparison
from sidecar.transcripts.verify.contract_notes import contract_notes
from sidecar.transcripts.verify.findings import NEW, UNSTOPPED, Mismatch, Report, accepted, explain_all
from sidecar.transcripts.verify.update import rerecorded
from sidecar.transcripts.verify.verifier import RunVerifier

Start = Callable[[Header], SidecarProcess]
TRIES: Final = 20
"""How often a file is verified in which work was not stopped, as it may have ended in the instant of the request.

After the first time, work is stopped as early as it can have been.
"""
TRIES_S: Final = 60.0
"""How many seconds after the first try began the last one may begin."""


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
    secrets: dict[int, str] = field(default_factory=dict)
    """Values for `{"$secret": n}`, by n."""
    strict: bool = False
    """Members that the contract has and the recording lacks are differences."""
    slower_than: float | None = None
    """Methods whose answers take longer than recorded by more than this factor are differences."""


class NotAsRecorded(AssertionError):
    """The sidecar sent something else; the message shows what."""


def check(path: Path, options: VerifyOptions, record: Path | None = None) -> Report:
    """Verifies a transcript.  The sidecar records all messages into `record`, if given.

    Raises NotATranscript or OSError.
    """
    runs = read_runs(path)
    for header, _ in runs:
        if options.exact and None in _fixed(header, options).values():
            what = "neither clock nor ids are fixed (--now, --seed), so it cannot be exact"
            return Report([Mismatch(header.line, what)])
    tries, last_at = 0, time.monotonic() + TRIES_S
    while True:
        with _prepared(path, options, runs, record) as (start, comparison):
            comparison.races.stops_early = tries > 0
            report = report_of(verify(runs, start, comparison), comparison, options)
        tries += 1
        if tries == TRIES or time.monotonic() > last_at or all(one.kind != UNSTOPPED for one in report.mismatches):
            return report


def verify(runs: list[Run], start: Start, comparison: Comparison, *, goes_on: bool = False) -> list[RunVerifier]:
    """Verifies the runs in the order of the file, up to the first that differs unless it `goes_on`.

    `start` starts a sidecar; it is called once per run and must use the same data folder each time.
    """
    verifiers: list[RunVerifier] = []
    for number in range(len(runs)):
        with running(runs, number, start, comparison) as verifier:
            verifiers.append(verifier)
            verifier.run()
        if verifier.mismatches and not goes_on:
            break  # later runs would differ because of these
    return verifiers


@contextmanager
def running(runs: list[Run], number: int, start: Start, comparison: Comparison) -> Iterator[RunVerifier]:
    """Starts the sidecar of one run; kills it at the end of the block if the recorded one was killed."""
    header, entries = runs[number]
    with start(header) as process:
        verifier = RunVerifier(process, comparison, runs[number])
        yield verifier
        if number + 1 < len(runs) and all(entry.exit_code is None for entry in entries):
            process.kill()
            verifier.see_rest()


def verified(path: Path, options: VerifyOptions, *, can_update: bool) -> tuple[Report, str]:
    """Verifies a transcript and updates it if that is allowed and it differs.

    Returns the report and what the update accepted, an empty text if it was not updated.  What an update must not
    accept is in the report of the verification after it.  Raises NotATranscript, EndedEarly or OSError.
    """
    report = check(path, options)
    if not report.mismatches or not can_update:
        return report, ""
    text = accepted(update(path, options).mismatches) or "nothing"
    return check(path, options), text


def update(path: Path, options: VerifyOptions) -> Report:
    """Updates the file to what the sidecar sends now.

    Returns what differed.  Raises NotATranscript, EndedEarly or OSError.
    """
    if not path.stat().st_mode & 0o222:  # replacing it would work if the folder is writable
        raise PermissionError(errno.EACCES, "the file is read-only, so it is not updated", str(path))
    runs = read_runs(path)
    with _prepared(path, options, runs) as (start, comparison):
        verifiers = verify(runs, start, comparison, goes_on=True)
        write(path, rerecorded(runs, verifiers, Redactor(comparison.contract)))
        return report_of(verifiers, comparison, options)


def report_of(verifiers: list[RunVerifier], comparison: Comparison, options: VerifyOptions) -> Report:
    report = Report([mismatch for one in verifiers for mismatch in one.mismatches], [*comparison.unsettled.notes])
    for name, count in comparison.added.items():
        text = f"{name} is new: the recording lacks it in {count} places"
        if options.strict:
            report.mismatches.append(Mismatch(1, text, kind=NEW))
        else:
            report.notes.append(text)
    report.notes[:0] = contract_notes(verifiers, report)
    if options.slower_than is not None:
        report.mismatches += [one for run in verifiers for one in run.checks.slower_than(options.slower_than)]
    return report


@contextmanager
def sidecar_after(path: Path, options: VerifyOptions) -> Iterator[SidecarProcess]:
    """Yields a real sidecar after the messages of a transcript, before its stdin ends.

    Raises NotAsRecorded if the messages differ.
    """
    runs = read_runs(path)
    with _prepared(path, options, runs) as (start, comparison):
        for number, (_, entries) in enumerate(runs):
            with running(runs, number, start, comparison) as verifier:
                is_last = number == len(runs) - 1
                verifier.run(list(takewhile(lambda one: not one.is_eof, entries)) if is_last else None)
                if verifier.mismatches:
                    raise NotAsRecorded(explain_all(path, report_of([verifier], comparison, options)))
                if is_last:
                    yield verifier.process


@contextmanager
def _prepared(
    path: Path, options: VerifyOptions, runs: list[Run], record: Path | None = None
) -> Iterator[tuple[Start, Comparison]]:
    """Yields a function that starts a sidecar as the header of a run says, and the comparison.

    All sidecars have the same data folder, and the same folder for the files that requests name to be written.
    """
    with tempfile.TemporaryDirectory(prefix="sidecar-verify-", ignore_cleanup_errors=True) as folder:
        data_dir, written = Path(folder) / "data", Path(folder) / "written"
        comparison = Comparison(contract_facts(), written, exact=options.exact, secrets=options.secrets)
        comparison.files.put_back(entry for _, entries in runs for entry in entries)
        if options.data is not None:
            shutil.copytree(options.data, data_dir)

        def start(header: Header) -> SidecarProcess:
            fixed = _fixed(header, options)
            upstream = (header.facts.get("fixed") or {}).get("upstream")
            upstream_path = None if upstream is None else path.parent / upstream
            clock_start = comparison.times.start(header.facts.get("started_at"), fixed["now"])
            name = header.facts.get("database")
            database = data_dir / Path(name).name if type(name) is str else None
            arguments = options_of(**fixed, db=database, clock_start=clock_start, upstream=upstream_path, record=record)
            recorded = header.facts.get("env") or {}
            values = {name: str(comparison.value_to_send(one)) for name, one in recorded.items()}
            env = {name: relative_to(path.parent, value) for name, value in values.items()} | options.env
            program = options.command or command("serve")
            return SidecarProcess([*program, *arguments], isolated_environment(data_dir, env), options.timeout_s)

        yield start, comparison


def _fixed(header: Header, options: VerifyOptions) -> dict[str, Any]:
    fixed = header.facts.get("fixed") or {}
    return {
        "now": fixed.get("now") if options.now is None else options.now,
        "seed": fixed.get("seed") if options.seed is None else options.seed,
    }
