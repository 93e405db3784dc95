"""The documents: links lead somewhere, tables agree with the code, and the samples run.

The TypeScript samples are type-checked in tests/electron/test_packing.py.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from sidecar_protocol import connection, json_line

from sidecar import exit_codes
from sidecar.claude import limits as claude_limits
from sidecar.claude.permissions import cli_requests
from sidecar.claude.permissions import journal as permissions
from sidecar.claude.records import reading
from sidecar.claude.sessions import handover
from sidecar.clock import DAY_MS, DAY_S
from sidecar.commandline.commands import MODULES, SERVERS
from sidecar.jobs import journal, running, worker
from sidecar.wire import dispatch, event_log, in_flight, outbox, stdio
from tests.process.raw_client import MODIFIED_SIDECAR

ROOT = Path(__file__).parent.parent
MIB = 2**20
PATIENT = (*MODIFIED_SIDECAR, "patient")
"""A sidecar that serves what stdin leaves behind at its end on a busy machine too."""
DOCUMENTS = sorted(
    path
    for path in (
        *ROOT.glob("*.md"),
        *ROOT.glob(".github/*.md"),
        *ROOT.glob("protocol/**/*.md"),
        *ROOT.glob("sidecar/**/*.md"),
    )
    if "node_modules" not in path.parts
)


def section(document: str, heading: str) -> str:
    """Returns the text under a heading, up to the next one of any level."""
    text = (ROOT / document).read_text("utf-8")
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found, f"{document} has no section {heading}"
    return found[1]


def rows(document: str, heading: str) -> list[list[str]]:
    """Returns the cells of the table under a heading, without its head."""
    lines = [line for line in section(document, heading).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def code(document: str, heading: str, language: str) -> list[str]:
    """Returns the code blocks of a language under a heading."""
    return re.findall(rf"^```{language}\n(.*?)^```", section(document, heading), re.DOTALL | re.MULTILINE)


def anchor(heading: str) -> str:
    """Returns the fragment that GitHub gives a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_or_a_section_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8")):
        if re.match(r"https?:", target):
            continue
        name, _, fragment = target.partition("#")
        linked = (path.parent / name).resolve() if name else path
        assert linked.exists(), f"{target} is missing"
        if fragment:
            headings = re.findall(r"^#+ (.*)$", linked.read_text("utf-8"), re.MULTILINE)
            assert fragment in map(anchor, headings), f"{target} has no such section"


def named_modules(document: Path) -> set[str]:
    """Returns the modules that the tables of a document name; `*` matches any text in a name."""
    lines = [line for line in document.read_text("utf-8").splitlines() if line.startswith("|")]
    return {name for line in lines for name in re.findall(r"`([\w./*]+\.py)`", line)}


@pytest.mark.parametrize("path", sorted(ROOT.glob("sidecar/**/README.md")), ids=lambda path: path.parent.name)
def test_the_tables_of_a_room_name_its_modules_and_no_others(path: Path) -> None:
    named = named_modules(path)
    for name in named:
        is_here = any(path.parent.rglob(name)) if "/" not in name else (path.parent / name).exists()
        assert is_here or (ROOT / name).exists(), f"{name} is missing"
    modules = {module.name for module in path.parent.glob("*.py") if module.name != "__init__.py"}
    assert {name for name in modules if not any(fnmatch(name, pattern) for pattern in named)} == set()


def test_every_environment_variable_is_documented() -> None:
    source = (ROOT / "sidecar" / "settings.py").read_text("utf-8")
    read = set(re.findall(r"environ(?:\.get\(|\[|, )\"([A-Z_]+)\"", source))
    documented = {
        name for cells in rows("protocol/README.md", "Environment") for name in re.findall(r"`([A-Z_]+)`", cells[0])
    }
    assert documented == read


def test_every_exit_code_is_documented() -> None:
    codes = {value for name, value in vars(exit_codes).items() if name.isupper()}
    assert {int(cells[0]) for cells in rows("protocol/README.md", "Exit codes")} == codes


def test_the_documented_limits_are_the_real_ones() -> None:
    documented = {cells[0]: cells[1] for cells in rows("protocol/README.md", "Limits")}
    unsent = [cells[1] for cells in rows("protocol/README.md", "Limits") if cells[0] == "unread output"]
    assert unsent == [
        f"{outbox.COALESCE_BYTES // MIB} MiB",
        f"{outbox.LAG_BYTES // MIB} MiB",
        f"{stdio.STALLED_BYTES // MIB} MiB for {stdio.STALL_TIMEOUT_S:g} s",
    ]
    del documented["unread output"]
    log = (event_log.LOG_ROWS, event_log.LOG_MS // DAY_MS, event_log.LOG_BYTES // MIB)
    assert documented == {
        "a line from the client": f"{connection.MAX_MESSAGE_BYTES // MIB} MiB",
        "JSON in a line": (
            f"{json_line.MAX_DEPTH} levels, numbers of {json_line.MAX_DIGITS:,} digits,"
            f" {json_line.MAX_CONTAINERS:,} objects and arrays"
        ),
        "a result": f"{dispatch.MAX_RESULT_BYTES // MIB} MiB",
        "requests in flight": f"{in_flight.MAX_IN_FLIGHT}",
        "the response to a batch": f"{connection.MAX_BATCH_BYTES // MIB} MiB",
        "requests in a batch": f"{connection.MAX_BATCH}",
        "the payload of a job": f"{journal.MAX_PAYLOAD_BYTES // MIB} MiB",
        "the result of a job": f"{worker.MAX_RESULT_BYTES // MIB} MiB",
        "the log of a job": f"{running.MAX_LOG_LINES:,} lines, {running.MAX_LOG_BYTES // MIB} MiB",
        "open permission requests of a session": f"{permissions.MAX_OPEN}",
        "the input of a permission request": f"{cli_requests.MAX_INPUT_BYTES // MIB} MiB",
        "what a new conversation of Claude is handed over": (
            f"{handover.TOTAL_CHARS:,} characters, {handover.MAX_MESSAGES:,} messages"
        ),
        "a record of Claude that is read": f"{reading.READ_BYTES // MIB} MiB",
        "waiting for a usage limit of Claude": f"{claude_limits.MAX_WAIT_S / DAY_S:g} days",
        "a run or a turn with its background tasks": "`timeout_s`, one hour by default",
        "jobs that wait for the user without a place": f"{worker.MAX_WAITING_JOBS}",
        "the event log": "{:,} events, {} days, {} MiB".format(*log),
    }


def test_every_command_is_in_the_readme() -> None:
    documented = {cells[0].strip("`").split()[1] for cells in rows("README.md", "Command line")}
    assert documented == {*MODULES, *SERVERS}


def test_the_architecture_is_one_page_and_maps_every_room_and_module_at_the_top() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    assert len(text.splitlines()) <= 120
    modules = {path.stem for path in (ROOT / "sidecar").glob("*.py") if not path.stem.startswith("__")}
    rooms = {path.parent.name for path in (ROOT / "sidecar").glob("*/__init__.py")}
    assert {name for name in modules | rooms if not re.search(rf"`[^`]*\b{name}(\.py|/)?`", text)} == set()


def run(script: str, data_dir: Path, *, command: tuple[str, ...] = (sys.executable, "-m", "sidecar")) -> list[Any]:
    """Runs a sample of a document with our Python, and returns the parsed lines of its output."""
    program = shlex.join(command)
    script = re.sub(r"uv run python -m sidecar|^sidecar", program, script, flags=re.MULTILINE)
    script = script.replace("$(mktemp -d)", f'"{data_dir}"')
    environment = {**os.environ, "APP_DATA_DIR": str(data_dir), "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        ["bash", "-ec", script], cwd=data_dir, env=environment, capture_output=True, check=False, timeout=60
    )
    assert ended.returncode == 0, ended.stderr.decode()
    return [json.loads(line) for line in ended.stdout.decode().splitlines() if line.startswith("{")]


@pytest.mark.skipif(sys.platform == "win32", reason="the samples are for a POSIX shell")
def test_the_readmes_conversation_by_hand_is_answered(tmp_path: Path) -> None:
    (script,) = code("README.md", "Use it from anything else", "sh")
    answers = {message["id"]: message for message in run(script, tmp_path, command=PATIENT) if "id" in message}
    assert answers[1]["result"]["protocol_version"] == 1
    assert answers[2]["result"]["job"]["type"] == "maintenance.backup"


@pytest.mark.skipif(sys.platform == "win32", reason="the samples are for a POSIX shell")
def test_the_protocols_first_lines_are_answered(tmp_path: Path) -> None:
    (lines,) = code("protocol/README.md", "Spawn it", "json")
    answers = run(f"sidecar <<'END'\n{lines}END\n", tmp_path, command=PATIENT)
    assert {message["id"] for message in answers if "result" in message} == {1, 2, 3}


@pytest.mark.skipif(sys.platform == "win32", reason="the samples are for a POSIX shell")
def test_what_the_readme_records_can_be_replayed_and_verified(tmp_path: Path) -> None:
    (script,) = code("README.md", "Record and replay", "sh")
    (sample,) = code("protocol/README.md", "Spawn it", "json")
    handshake, _, listing = sample.splitlines(keepends=True)  # without the job, which may or may not end in time
    lines = handshake + listing
    record, replay, verify = (line.partition("#")[0].strip() for line in script.splitlines())
    spoken = f" <<'END'\n{lines}END\n"
    recorded = run(record + spoken, tmp_path)
    replayed = run(replay + spoken, tmp_path)
    by_id = [{message["id"]: message for message in messages if "id" in message} for messages in (recorded, replayed)]
    assert by_id[0] == by_id[1]
    run(verify, tmp_path)
