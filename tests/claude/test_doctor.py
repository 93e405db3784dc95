"""What the doctor finds in homes that are set up in all the ways that homes are."""

import os
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from sidecar_protocol.claude.doctor import (
    ClaudeCandidate,
    ClaudeFinding,
    ClaudeReport,
    ExecutableSource,
    FindingName,
    FindingState,
    LoginState,
)

from sidecar.claude.doctor import examine
from sidecar.claude.findings import User
from sidecar.claude.process.discovery import Discovery
from tests.claude.talk import talking
from tests.conftest import StartSidecar
from tests.fakes.anthropic import FakeAnthropic

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="programs here are shell scripts")
STATUS = """{"loggedIn": true, "authMethod": "oauth_token", "apiProvider": "firstParty", "email": "me@example.org",
"loginExpiresAt": "2027-01-01T00:00:00Z"}"""


def program(path: Path, script: str = "exit 0", interpreter: str = "/bin/sh") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{interpreter}\n{script}\n")
    path.chmod(0o755)
    return path


def claude(path: Path, version: str = "2.1.330", status: str = STATUS) -> Path:
    """A `claude` that answers what the doctor asks; a prompt ends the test."""
    script = f"""
case "$1 $2" in
  "--version ") echo "{version} (Claude Code)";;
  "auth status") cat <<'END'
{status}
END
  ;;
  *) echo asked >> "{path.parent}/asked";;
esac"""
    return program(path, script)


def was_asked(home: Path) -> bool:
    return any(home.rglob("asked"))


async def report(home: Path, *, setting: str | None = None, is_root: bool = False, **more: Any) -> ClaudeReport:
    environment = {"PATH": "/bin:/usr/bin", **more}
    discovery = Discovery(setting=setting, environment=environment, home=home, shell_timeout_s=2.0)
    with anyio.fail_after(120):
        made = await examine(discovery, User(environment, home, is_root))
    assert not was_asked(home)
    assert made.ok is all(finding.state is not FindingState.PROBLEM for finding in made.findings)
    return made


def found(report: ClaudeReport, name: FindingName) -> ClaudeFinding | None:
    (*findings,) = (finding for finding in report.findings if finding.name is name)
    assert len(findings) <= 1
    return findings[0] if findings else None


def trouble(report: ClaudeReport) -> dict[str, str]:
    """What is not in order, each with something to do about it."""
    findings = [finding for finding in report.findings if finding.state is not FindingState.OK]
    assert all(finding.advice for finding in findings)
    return {finding.name.value: finding.state.value for finding in findings}


async def test_a_home_in_order_has_nothing_to_find(tmp_path: Path) -> None:
    path = claude(tmp_path / "bin" / "claude")
    made = await report(tmp_path, PATH=f"{tmp_path}/bin:/bin:/usr/bin")
    assert (made.ok, made.path, made.source, made.version) == (
        True, str(path), ExecutableSource.PATH, "2.1.330 (Claude Code)",
    )  # fmt: skip
    assert trouble(made) == {}
    assert (made.login.state, made.login.method, made.login.provider) == (
        LoginState.LOGGED_IN, "oauth_token", "firstParty",
    )  # fmt: skip
    assert made.login.expires_at == "2027-01-01T00:00:00.000Z"
    assert "example.org" not in made.model_dump_json()


async def test_all_that_were_found_are_told_in_order_with_what_they_say(tmp_path: Path) -> None:
    second, third = claude(tmp_path / "b" / "claude", "2.1.300"), claude(tmp_path / ".local/bin/claude", "2.1.200")
    broken = program(tmp_path / "a" / "claude", "exit 1")
    hidden = claude(tmp_path / "hidden" / "claude")
    shell = program(tmp_path / "shell", f"echo {hidden}")
    made = await report(tmp_path, PATH=f"relative:{tmp_path}/a:{tmp_path}/b:/bin:/usr/bin", SHELL=str(shell))
    assert made.candidates == [
        ClaudeCandidate(path=str(broken), source=ExecutableSource.PATH, version=None),
        ClaudeCandidate(path=str(second), source=ExecutableSource.PATH, version="2.1.300 (Claude Code)"),
        ClaudeCandidate(path=str(hidden), source=ExecutableSource.LOGIN_SHELL, version="2.1.330 (Claude Code)"),
        ClaudeCandidate(path=str(third), source=ExecutableSource.KNOWN_PLACE, version="2.1.200 (Claude Code)"),
    ]
    assert (made.path, trouble(made)["executable"]) == (str(broken), "problem")


async def test_none_at_all_is_a_problem_with_how_to_install_it(tmp_path: Path) -> None:
    made = await report(tmp_path)
    assert (made.path, made.version, made.candidates) == (None, None, [])
    finding = found(made, FindingName.EXECUTABLE)
    assert finding is not None
    assert "npm install" in (finding.advice or "")


async def test_a_setting_that_is_wrong_is_a_problem_even_if_others_are_there(tmp_path: Path) -> None:
    other = claude(tmp_path / ".local/bin/claude")
    made = await report(tmp_path, setting="/no/such/claude")
    assert (made.path, [one.path for one in made.candidates]) == (None, [str(other)])
    assert trouble(made)["executable"] == "problem"


@pytest.mark.parametrize(("version", "state"), [("2.1.197", None), ("2.1.196", "warning"), ("nightly", "warning")])
async def test_a_release_that_is_too_old_is_said_to_be(tmp_path: Path, version: str, state: str | None) -> None:
    claude(tmp_path / ".local/bin/claude", version)
    made = await report(tmp_path)
    assert trouble(made).get("version") == state
    # What does not know the question could take it for a prompt, which costs money.
    assert made.login.state is (LoginState.LOGGED_IN if state is None else LoginState.UNKNOWN)


async def test_a_newer_one_elsewhere_is_told(tmp_path: Path) -> None:
    claude(tmp_path / "bin" / "claude", "2.1.200")
    newer = claude(tmp_path / ".local/bin/claude", "2.1.330")
    finding = found(await report(tmp_path, PATH=f"{tmp_path}/bin:/bin:/usr/bin"), FindingName.VERSION)
    assert finding is not None
    assert finding.state is FindingState.WARNING
    assert str(newer) in (finding.advice or "")


@pytest.mark.parametrize(("node", "state"), [(True, FindingState.OK), (False, FindingState.PROBLEM)])
async def test_a_script_needs_its_node(tmp_path: Path, node: bool, state: FindingState) -> None:
    program(tmp_path / "bin" / "claude", "", "/usr/bin/env node")
    if node:
        program(tmp_path / "bin" / "node", 'echo "2.1.330 (Claude Code)"')
    made = await report(tmp_path, PATH=f"{tmp_path}/bin")
    finding = found(made, FindingName.NODE)
    assert finding is not None
    assert finding.state is state
    assert made.version == ("2.1.330 (Claude Code)" if node else None)


async def test_what_only_a_terminal_has_on_its_path_is_told(tmp_path: Path) -> None:
    hidden = claude(tmp_path / "hidden" / "claude")
    script = f'echo Welcome!\nPATH="{tmp_path}/hidden:/opt/tools:$PATH"\nshift\neval "$1"'
    shell = program(tmp_path / "shell", script)
    made = await report(tmp_path, SHELL=str(shell))
    assert (made.path, made.source) == (str(hidden), ExecutableSource.LOGIN_SHELL)
    finding = found(made, FindingName.PATH)
    assert finding is not None
    assert finding.state is FindingState.WARNING
    assert f"{tmp_path}/hidden, /opt/tools" in finding.detail
    assert made.ok


@pytest.mark.parametrize(
    ("status", "environment", "state"),
    [
        ('{"loggedIn": false, "authMethod": "none"}', {}, LoginState.LOGGED_OUT),
        ('{"loggedIn": false, "authMethod": "none"}', {"ANTHROPIC_API_KEY": "sk-secret"}, LoginState.LOGGED_OUT),
        ("error: unknown command", {"ANTHROPIC_API_KEY": "sk-secret"}, LoginState.LOGGED_IN),
        ("error: unknown command", {}, LoginState.UNKNOWN),
        ("[" * 3_000, {}, LoginState.UNKNOWN),
    ],
)
async def test_the_login_is_what_claude_says_or_what_can_be_seen(
    tmp_path: Path, status: str, environment: dict[str, Any], state: LoginState
) -> None:
    claude(tmp_path / ".local/bin/claude", status=status)
    made = await report(tmp_path, **environment)
    assert made.login.state is state
    expected = {LoginState.LOGGED_OUT: "problem", LoginState.UNKNOWN: "warning", LoginState.LOGGED_IN: None}[state]
    assert trouble(made).get("login") == expected
    assert "sk-secret" not in made.model_dump_json()


async def test_credentials_that_are_kept_in_a_file_are_seen(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / ".credentials.json").write_text("{}")
    made = await report(tmp_path, CLAUDE_CONFIG_DIR=str(tmp_path / "config"))
    assert made.login.state is LoginState.LOGGED_IN


@pytest.mark.parametrize(
    ("mode", "environment", "state"),
    [
        ("default", {}, "warning"),
        ("bypassPermissions", {}, "problem"),
        ("bypassPermissions", {"IS_SANDBOX": "1"}, None),
    ],
)
async def test_root_is_told_what_claude_refuses_to_it(
    tmp_path: Path, mode: str, environment: dict[str, Any], state: str | None
) -> None:
    claude(tmp_path / ".local/bin/claude")
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude" / "settings.json").write_text(f'{{"permissions": {{"defaultMode": "{mode}"}}}}')
    assert trouble(await report(tmp_path, is_root=True, **environment)).get("root") == state
    assert "root" not in trouble(await report(tmp_path, **environment))


async def test_files_that_claude_cannot_write_are_a_problem(tmp_path: Path) -> None:
    claude(tmp_path / ".local/bin/claude")
    (tmp_path / "config").write_text("a file where a folder is wanted")
    made = await report(tmp_path, CLAUDE_CONFIG_DIR=str(tmp_path / "config"))
    assert trouble(made)["files"] == "problem"
    assert "files" not in trouble(await report(tmp_path))


async def test_the_method_tells_the_same_as_the_diagnostics(sidecar: StartSidecar, standin: Path) -> None:
    async with talking(sidecar, CLAUDE_PATH=str(standin), ANTHROPIC_API_KEY="sk-secret") as talk:
        made = ClaudeReport.model_validate(await talk.client.call("claude.doctor"))
        diagnostics = await talk.client.call("system.diagnostics")
    assert (made.ok, made.login.method) == (True, "api_key")
    assert diagnostics["claude"] == {"path": made.path, "version": made.version, "problem": None}
    assert made.path == str(standin)


async def test_no_shell_is_started_for_diagnostics_and_one_at_a_time_for_the_doctor(
    sidecar: StartSidecar, standin: Path, tmp_path: Path
) -> None:
    asked = tmp_path / "asked"
    shell = program(tmp_path / "shell", f"echo begin >> {asked}; sleep 0.2; echo end >> {asked}")
    async with talking(sidecar, CLAUDE_PATH=str(standin), SHELL=str(shell)) as talk:
        await talk.client.call("system.diagnostics")
        assert not was_asked(tmp_path)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(talk.client.call, "claude.doctor")
    assert words(asked) == ["begin", "end"] * 3


def words(path: Path) -> list[str]:
    return path.read_text().split()


@pytest.mark.parametrize("key", ["dummy", ""])
async def test_the_real_claude_says_whether_it_is_logged_in(
    real_claude: Path, api: FakeAnthropic, tmp_path: Path, key: str
) -> None:
    environment: dict[str, Any] = {**api.environment(tmp_path), "ANTHROPIC_API_KEY": key, "PATH": os.environ["PATH"]}
    made = await report(tmp_path, setting=str(real_claude), **environment)
    assert (made.login.state, made.login.method) == (
        (LoginState.LOGGED_IN, "api_key") if key else (LoginState.LOGGED_OUT, "none")
    )
    assert made.version is not None
    assert api.messages() == []
