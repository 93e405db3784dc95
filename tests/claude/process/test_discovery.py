"""The order in which the places of `claude` are searched."""

import os
import sys
from pathlib import Path

import anyio
import pytest
from sidecar_protocol.claude.doctor import ExecutableSource

from sidecar.claude.process import command_output
from sidecar.claude.process.discovery import Discovery, Executable, install_paths, read_version
from sidecar.claude.process.login_shell import LoginShell
from sidecar.job_handler import JobFailed

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="programs here are shell scripts")


def program(path: Path, script: str = "exit 0") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


async def find(
    home: Path, *, setting: str | None = None, shell_timeout_s: float = 30.0, **environment: str
) -> Executable:
    with anyio.fail_after(120):
        return await Discovery(setting, environment, home, LoginShell(environment, shell_timeout_s)).find()


async def test_the_setting_takes_precedence(tmp_path: Path) -> None:
    chosen, other = program(tmp_path / "mine" / "claude-nightly"), program(tmp_path / "bin" / "claude")
    assert await find(tmp_path, setting=str(chosen), PATH=str(other.parent)) == Executable(
        chosen, ExecutableSource.SETTING
    )


@pytest.mark.parametrize("setting", ["/no/such/claude", "claude"])
async def test_a_wrong_setting_is_an_error(tmp_path: Path, setting: str) -> None:
    program(tmp_path / "bin" / "claude")
    with pytest.raises(JobFailed) as raised:
        await find(tmp_path, setting=setting, PATH=str(tmp_path / "bin"))
    assert raised.value.kind == "executable_missing"
    assert "CLAUDE_PATH" in (raised.value.hint or "")


async def test_the_path_comes_before_the_known_places(tmp_path: Path) -> None:
    program(tmp_path / ".local" / "bin" / "claude")
    on_path = program(tmp_path / "bin" / "claude")
    assert await find(tmp_path, PATH=str(on_path.parent)) == Executable(on_path, ExecutableSource.PATH)


async def test_the_login_shell_is_used_if_the_path_has_no_claude(tmp_path: Path) -> None:
    hidden = program(tmp_path / "hidden" / "claude")
    shell = program(tmp_path / "shell", f'echo "Welcome!"; [ "$1" = -ilc ] && echo {hidden}')
    assert await find(tmp_path, SHELL=str(shell), PATH="") == Executable(hidden, ExecutableSource.LOGIN_SHELL)


async def test_the_login_shell_does_not_start_in_a_project_that_could_bring_its_own_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = program(tmp_path / "hidden" / "claude")
    shell = program(tmp_path / "shell", f"[ -e .envrc ] || echo {hidden}")  # as direnv does, which reads this file
    (tmp_path / ".envrc").touch()
    monkeypatch.chdir(tmp_path)
    assert (await find(tmp_path, SHELL=str(shell), PATH="")).path == hidden


async def test_a_daemon_that_a_profile_starts_does_not_block_the_search(tmp_path: Path) -> None:
    hidden = program(tmp_path / "hidden" / "claude")
    shell = program(tmp_path / "shell", f"sleep 60 &\necho {hidden}")
    found = await find(tmp_path, SHELL=str(shell), PATH=os.environ["PATH"])
    assert found == Executable(hidden, ExecutableSource.LOGIN_SHELL)


async def test_a_shell_that_hangs_is_terminated(tmp_path: Path) -> None:
    shell = program(tmp_path / "shell", "exec sleep 30")
    local = program(tmp_path / ".local" / "bin" / "claude")
    found = await find(tmp_path, SHELL=str(shell), PATH=os.environ["PATH"], shell_timeout_s=1.0)
    assert found == Executable(local, ExecutableSource.KNOWN_PLACE)


async def test_the_shell_does_not_get_the_sidecars_secrets(tmp_path: Path) -> None:
    found = tmp_path / "claude-of-${BACKEND_TOKEN:-nothing}"
    program(tmp_path / "claude-of-nothing")
    shell = program(tmp_path / "shell", f'echo "{found}"')
    executable = await find(tmp_path, SHELL=str(shell), PATH="", BACKEND_TOKEN="secret")
    assert executable.path == tmp_path / "claude-of-nothing"


async def test_a_file_that_is_not_executable_is_skipped(tmp_path: Path) -> None:
    (tmp_path / ".local" / "bin").mkdir(parents=True)
    (tmp_path / ".local" / "bin" / "claude").write_text("not a program")
    other = program(tmp_path / ".claude" / "local" / "claude")
    assert await find(tmp_path, PATH="") == Executable(other, ExecutableSource.KNOWN_PLACE)


def test_the_newest_node_of_nvm_is_tried_first(tmp_path: Path) -> None:
    for number in ("v9.11.2", "v22.1.0", "v18.20.0"):
        (tmp_path / ".nvm/versions/node" / number).mkdir(parents=True)
    nvm = [place.parts[-3] for place in install_paths({}, tmp_path) if ".nvm" in place.parts]
    assert nvm == ["v22.1.0", "v18.20.0", "v9.11.2"]


async def test_the_hint_for_a_missing_claude_is_how_to_install_it(tmp_path: Path) -> None:
    if any(place.exists() for place in install_paths({}, tmp_path)):
        pytest.skip("this machine has a claude in a folder that all users share")
    with pytest.raises(JobFailed) as raised:
        await find(tmp_path, PATH="")
    assert raised.value.kind == "executable_missing"
    assert "npm install -g @anthropic-ai/claude-code" in (raised.value.hint or "")
    assert "CLAUDE_PATH" in (raised.value.hint or "")


async def test_the_version_is_the_programs_output(standin: Path) -> None:
    with anyio.fail_after(120):
        assert await read_version(standin, dict(os.environ)) == "2.1.332 (Claude Code)"


async def test_a_program_without_a_version_is_broken(tmp_path: Path) -> None:
    with pytest.raises(JobFailed) as raised:
        await read_version(program(tmp_path / "claude"), {})
    assert raised.value.kind == "executable_broken"


async def test_a_terminated_shell_has_time_to_release_its_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile that runs pyenv holds a lock; left behind, it would delay every terminal."""
    monkeypatch.setattr(command_output, "TERMINATE_GRACE_S", 5.0)  # on a busy machine half a second is short
    lock = tmp_path / "lock"
    shell = program(tmp_path / "shell", f"trap 'sleep 0.1; rm {lock}; exit' TERM; touch {lock}; sleep 60 & wait")
    with pytest.raises(JobFailed):
        await find(tmp_path, SHELL=str(shell), PATH="/bin:/usr/bin", shell_timeout_s=1.0)
    assert not lock.exists()
