"""Claude gets none of the sidecar's secrets, and reads nothing that a client sends as a flag."""

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartRawClient

if sys.platform == "win32":
    pytest.skip("the program is a script with a shebang line", allow_module_level=True)

SECRETS = {"BACKEND_TOKEN": "hunter2-token", "GOOGLE_CLIENT_SECRET": "hunter2-secret"}
KEY = "aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMmh1bnQ="
"""32 bytes."""


def spy(folder: Path) -> Path:
    """A `claude` that writes down what it is started with: its arguments, its environment, its folder."""
    path = folder / "claude"
    path.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && { echo "2.1.332 (Claude Code)"; exit; }\n'
        f'{{ for one in "$@"; do printf "%s\\0" "$one"; done; env; pwd; }} >> "{folder}/seen"\nexit 1\n'
    )
    path.chmod(0o755)
    return path


def test_no_text_of_a_client_is_read_as_a_flag_and_no_secret_reaches_claude(
    raw_client: StartRawClient, tmp_path: Path
) -> None:
    project = tmp_path / "--project; touch x"
    project.mkdir()
    (project / "sh").write_text(f"#!/bin/sh\ntouch '{tmp_path}/chosen-by-the-project'\n")
    (project / "sh").chmod(0o755)
    claude = spy(tmp_path)
    environment = {**SECRETS, "CLAUDE_PATH": str(claude), "PATH": f".:{project.name}::/usr/bin:/bin"}
    with raw_client(**environment) as client:
        client.initialize(token=SECRETS["BACKEND_TOKEN"], secrets={"key": KEY})
        for refused in (
            {"model": "--dangerously-skip-permissions"},
            {"session_id": "--continue"},
            {"effort": "--x"},
            {"allowed_tools": ["--x"]},
            {"permission_mode": "--x"},
            {"system_prompt": "a\0--x"},
            {"allowed_tools": ["Bash(\0)"]},
        ):
            answer = client.call("claude.spawn", prompt="x", **refused)
            assert answer["error"]["data"]["kind"] == "invalid_params", refused
        for odd in ({"cwd": f"{project}\0"}, {"cwd": "--x"}, {"cwd": "."}):
            assert ends(client, prompt="x", **odd) == "failed"
        assert ends(client, content=[{"type": "file", "path": f"{project}\0"}]) == "failed"
        assert not (tmp_path / "seen").exists(), "nothing was started"
        system = "--dangerously-skip-permissions"
        ends(client, prompt=f"{system}\0", cwd=str(project), system_prompt=system, allowed_tools=["Bash(--x *)"])
    seen = (tmp_path / "seen").read_bytes()
    arguments = seen.split(b"\0")[:-1]
    assert b"--append-system-prompt=--dangerously-skip-permissions" in arguments
    assert b"--allowedTools=Bash(--x *)" in arguments
    assert b"--dangerously-skip-permissions" not in arguments
    for secret in (*SECRETS.values(), KEY, *SECRETS):
        assert secret.encode() not in seen
    (path,) = [line for line in seen.split(b"\n") if line.startswith(b"PATH=")]
    assert all(entry.startswith(b"/") for entry in path.removeprefix(b"PATH=").split(b":"))
    assert not (tmp_path / "chosen-by-the-project").exists()


def ends(client: Any, **params: Any) -> str:
    """Returns how a run ends, `failed` also if it is refused."""
    answer = client.call("claude.spawn", **params)
    if "job_id" not in answer:
        assert answer["error"]["data"]["kind"] != "internal", params
        return "failed"
    job = client.until_job(answer["job_id"], "failed", "succeeded")
    assert job["error"]["kind"] != "internal", (params, job)
    return str(job["status"])


@pytest.mark.parametrize("setting", ["claude", "./claude", "../claude", "--version", "sh -c 'touch x'", "\x1b[31m"])
def test_only_an_absolute_path_names_claude(raw_client: StartRawClient, tmp_path: Path, setting: str) -> None:
    """A relative one would be of the folder that the sidecar happens to be started in."""
    with raw_client(CLAUDE_PATH=setting) as client:
        client.initialize()
        job = client.call("claude.spawn", prompt="x")
        failed = client.until_job(job["job_id"], "failed")
        assert failed["error"]["kind"] == "executable_missing"
