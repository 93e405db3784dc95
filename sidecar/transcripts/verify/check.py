"""One transcript, verified or recorded anew, with all that this needs: a data folder, an environment, processes.

What a header may ask for: `fixed` (where the clock stands, the seed of the ids, what answers in the clouds' place, a
file beside the transcript) and `env`, in which a path that begins with `./` or `../` is seen from the transcript.
"""

import difflib
import errno
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from sidecar.paths import schema_dir
from sidecar.transcripts.file.format import Entry, Header, read_lives, write
from sidecar.transcripts.file.patterns import is_secret, said_again
from sidecar.transcripts.file.schemas import Contract
from sidecar.transcripts.verify.compare import Comparison
from sidecar.transcripts.verify.sidecar_process import PATIENCE_S, Process, environment, serve_command
from sidecar.transcripts.verify.update import retake
from sidecar.transcripts.verify.verify import Conversation, Finding, alive, verify

CONTEXT_LINES: Final = 3
MAX_DIFF_LINES: Final = 80
"""Of one finding; who wants more has the file."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How a transcript is verified."""

    command: tuple[str, ...] = ()
    """What serves, without options; empty: this installation."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Beside what the header asks for; it outranks that."""
    data: Path | None = None
    """A data folder to begin with, of which a copy is used; None: an empty one."""
    now: str | None = None
    seed: int | None = None
    exact: bool = False
    """Ids and times must be as recorded, too, which takes a clock and a seed that are fixed."""
    patience_s: float = PATIENCE_S


class NotAsRecorded(AssertionError):
    """The sidecar said something else; the message shows what."""


def contract() -> Contract:
    """The one of this installation."""
    return Contract((schema_dir() / "openrpc.json").read_bytes())


def check(path: Path, terms: Terms, record: Path | None = None) -> list[Finding]:
    """What is not as recorded; none: all is.  The sidecar records what is said into `record`, where given.

    Raises NotATranscript, OSError.
    """
    lives = read_lives(path)
    loose = next((header for header, _ in lives if terms.exact and not _is_fixed(header, terms)), None)
    if loose is not None:
        return [Finding(loose.line, "nothing fixes its clock and its ids (--now, --seed), so it cannot be exact")]
    with _data_dir(terms) as data_dir:
        start = partial(_start, path, terms, data_dir, record=record)
        return verify(lives, start, contract(), exact=terms.exact)


def record_anew(path: Path, terms: Terms) -> None:
    """Put what the sidecar says now into the file.  Raises NotATranscript, CutShort, OSError; the file is as it was."""
    if not path.stat().st_mode & 0o222:  # it could be replaced all the same, where its folder may be written
        raise PermissionError(errno.EACCES, "the file is read-only, and so is not recorded anew", str(path))
    lives = read_lives(path)
    with _data_dir(terms) as data_dir, tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "new.jsonl"
        start = partial(_start, path, terms, data_dir, record=record)
        write(path, retake(lives, start, record, contract()))


@contextmanager
def brought_to(path: Path, terms: Terms) -> Iterator[Process]:
    """A real sidecar after the conversation of a transcript, up to its end if it has one; it goes on from there.

    Raises NotAsRecorded where the way there was another.
    """
    lives = read_lives(path)
    with _data_dir(terms) as data_dir:
        comparison = Comparison(contract(), exact=terms.exact)
        start = partial(_start, path, terms, data_dir)
        for number, (_, entries) in enumerate(lives[:-1]):
            with alive(lives, number, start) as process:
                _converse(path, process, comparison, entries)
        header, entries = lives[-1]
        with start(header) as process:
            end = next((place for place, entry in enumerate(entries) if entry.is_eof), len(entries))
            _converse(path, process, comparison, entries[:end])
            yield process


def _converse(path: Path, process: Process, comparison: Comparison, entries: list[Entry]) -> None:
    conversation = Conversation(process, comparison)
    conversation.run(entries)
    if conversation.findings:
        raise NotAsRecorded("\n".join(explain(path, finding) for finding in conversation.findings))


@contextmanager
def _data_dir(terms: Terms) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sidecar-verify-", ignore_cleanup_errors=True) as folder:
        data_dir = Path(folder) / "data"
        if terms.data is not None:
            shutil.copytree(terms.data, data_dir)
        yield data_dir


def _is_fixed(header: Header, terms: Terms) -> bool:
    fixed = _fixed(header, terms)
    return fixed["--now"] is not None and fixed["--seed"] is not None


def _fixed(header: Header, terms: Terms) -> dict[str, Any]:
    fixed = header.facts.get("fixed") or {}
    return {
        "--now": fixed.get("now") if terms.now is None else terms.now,
        "--seed": fixed.get("seed") if terms.seed is None else terms.seed,
    }


def _start(path: Path, terms: Terms, data_dir: Path, header: Header, record: Path | None = None) -> Process:
    fixed = header.facts.get("fixed") or {}
    options = {
        **_fixed(header, terms),
        "--upstream": path.parent / fixed["upstream"] if "upstream" in fixed else None,
        "--record": record,
    }
    arguments = [str(part) for name, value in options.items() if value is not None for part in (name, value)]
    command = [*terms.command, *arguments] if terms.command else serve_command(*arguments)
    asked = {name: _value(value, path) for name, value in (header.facts.get("env") or {}).items()}
    return Process(command, environment(data_dir, {**asked, **terms.env}), terms.patience_s)


def _value(value: Any, path: Path) -> str:
    if is_secret(value):
        return said_again(value)
    text = str(value)
    return str((path.parent / text).resolve()) if text.startswith(("./", "../")) else text


# --- saying it ----------------------------------------------------------------------------------------------------


def explain(path: Path, finding: Finding) -> str:
    """A finding for a person: where it stands in the file, and a diff of the message."""
    lines = [f"{path}:{finding.line}: {finding.what}"]
    if finding.differences:
        lines[0] += " is another"
        places = [one.path for one in finding.differences if one.path]
        lines.append(f"  at {', '.join(places[:10])}{', …' if len(places) > 10 else ''}" if places else "")
    if finding.expected is not None or finding.actual is not None:
        lines += _diff(finding.expected, finding.actual)
    return "\n".join(line for line in lines if line)


def _diff(expected: Any, actual: Any) -> list[str]:
    one, other = (json.dumps(value, indent=2, ensure_ascii=False).splitlines() for value in (expected, actual))
    diff = list(difflib.unified_diff(one, other, "recorded", "came", lineterm="", n=CONTEXT_LINES))
    shown = [f"  {line}" for line in diff[:MAX_DIFF_LINES]]
    return [*shown, f"  … {len(diff) - MAX_DIFF_LINES} more lines"] if len(diff) > MAX_DIFF_LINES else shown
