"""The failures for errors of the operating system when the CLI is started."""

import errno
from pathlib import Path

import pytest

from sidecar.claude.process.launch import not_started
from tests.claude.harness import MakeRunHarness
from tests.claude.test_handlers import failure

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
