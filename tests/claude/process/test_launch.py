"""The failures for errors of the operating system when the CLI is started."""

import errno
import os
from pathlib import Path

import pytest

from sidecar.claude.budgets import BudgetBook
from sidecar.claude.process.discovery import Discovery
from sidecar.claude.process.launch import Launcher, not_started
from sidecar.claude.process.login_shell import LoginShell
from sidecar.claude.process.orphans import ProcessTable
from sidecar.claude.status.journal import StatusJournal
from sidecar.claude.trust.gate import Gate
from sidecar.claude.trust.store import TrustStore
from sidecar.claude.usage import UsageStore
from sidecar.files import TimedThreads
from tests.claude.harness import MakeRunHarness
from tests.claude.test_handlers import failure
from tests.in_process_app import InProcessApp

CLAUDE, FOLDER = Path("/usr/bin/claude"), Path("/home/user/project")


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        (OSError(errno.EAGAIN, "Resource temporarily unavailable"), "no_resources", True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "no_resources", True),
        (OSError(errno.E2BIG, "Argument list too long"), "arguments_too_long", False),
        (PermissionError(errno.EACCES, "Permission denied", str(FOLDER)), "cwd_missing", False),
        (PermissionError(errno.EACCES, "Permission denied", str(CLAUDE)), "executable_broken", False),
        (OSError(errno.ENOEXEC, "Exec format error"), "executable_broken", False),
    ],
)
def test_each_error_has_its_own_kind(error: OSError, kind: str, retryable: bool) -> None:
    failed = not_started(CLAUDE, "PATH", FOLDER, error)
    assert (failed.kind, failed.retryable, bool(failed.hint)) == (kind, retryable, True)


async def test_a_script_whose_interpreter_is_missing_is_broken(
    make_run_harness: MakeRunHarness, tmp_path: Path
) -> None:
    script = tmp_path / "claude"
    script.write_text("#!/usr/bin/env no-such-node\n")
    script.chmod(0o755)
    assert (await failure(make_run_harness(script), "hi")).kind == "executable_broken"


async def test_settings_of_a_project_that_cannot_be_read_to_their_end_hold_no_start(
    app: InProcessApp, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    (project / ".claude").mkdir(parents=True)
    os.mkfifo(pipe := project / ".claude" / "settings.json")
    store = TrustStore(app.database, app.clock)
    gate = Gate({}, tmp_path, store, threads=TimedThreads(limit_s=0.05))
    discovery = Discovery(None, {}, tmp_path, LoginShell({}))
    budgets = BudgetBook(app.database, app.clock, UsageStore(app.database, app.clock))
    launcher = Launcher(discovery, tmp_path, ProcessTable(app.database), gate, StatusJournal(app.runtime), budgets)
    assert await launcher.default_model(str(project)) == "default"
    os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))
