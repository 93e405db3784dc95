"""The findings of `claude.doctor` for homes that are set up in different ways."""

import os
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from sidecar_protocol.claude.doctor import (
    ClaudeCandidate,
    ClaudeReport,
    ExecutableSource,
    Finding,
    FindingState,
    LoginState,
)

from sidecar.claude.checks import User
from sidecar.claude.doctor import DoctorService
from sidecar.claude.process.discovery import Discovery
from sidecar.claude.process.login_shell import LoginShell
from tests.claude.client import connected
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
    """Installs a `claude` that answers the doctor's two commands; any other command is noted in the file `prompts`."""
    script = f"""
case "$1 $2" in
  "--version ") echo "{version} (Claude Code)";;
  "auth status") cat <<'END'
{status}
END
  ;;
  *) echo prompt >> "{path.parent}/prompts";;
esac"""
    return program(path, script)


def got_prompt(home: Path) -> bool:
    return any(home.rglob("prompts"))


async def examined(home: Path, *, setting: str | None = None, is_root: bool = False, **more: Any) -> ClaudeReport:
    environment = {"PATH": "/bin:/usr/bin", **more}
    discovery = Discovery(setting, environment, home, LoginShell(environment, 60.0))
    with anyio.fail_after(120):
        report = await DoctorService(discovery, User(environment, home, is_root)).doctor()
    assert not got_prompt(home)
    assert report.ok is all(finding.state is not FindingState.PROBLEM for finding in report.findings)
    return report


def finding_of(report: ClaudeReport, name: str) -> Finding | None:
    (*findings,) = (finding for finding in report.findings if finding.name == name)
    assert len(findings) <= 1
    return findings[0] if findings else None


def failed(report: ClaudeReport) -> dict[str, str]:
    """The states of the findings that are not ok; each must have advice."""
    findings = [finding for finding in report.findings if finding.state is not FindingState.OK]
    assert all(finding.advice for finding in findings)
    return {finding.name: finding.state.value for finding in findings}


async def test_a_complete_installation_has_no_warnings(tmp_path: Path) -> None:
    path = claude(tmp_path / "bin" / "claude")
    report = await examined(tmp_path, PATH=f"{tmp_path}/bin:/bin:/usr/bin")
    assert (report.ok, report.path, report.source, report.version) == (
        True, str(path), ExecutableSource.PATH, "2.1.330 (Claude Code)",
    )  # fmt: skip
    assert failed(report) == {}
    assert (report.login.state, report.login.method, report.login.provider) == (
        LoginState.LOGGED_IN, "oauth_token", "firstParty",
    )  # fmt: skip
    assert report.login.expires_at == "2027-01-01T00:00:00.000Z"
    assert "example.org" not in report.model_dump_json()


async def test_all_executables_are_listed_in_order_of_preference_with_their_versions(tmp_path: Path) -> None:
    second, third = claude(tmp_path / "b" / "claude", "2.1.300"), claude(tmp_path / ".local/bin/claude", "2.1.200")
    broken = program(tmp_path / "a" / "claude", "exit 1")
    hidden = claude(tmp_path / "hidden" / "claude")
    shell = program(tmp_path / "shell", f"echo {hidden}")
    report = await examined(tmp_path, PATH=f"relative:{tmp_path}/a:{tmp_path}/b:/bin:/usr/bin", SHELL=str(shell))
    assert report.candidates == [
        ClaudeCandidate(path=str(broken), source=ExecutableSource.PATH, version=None),
        ClaudeCandidate(path=str(second), source=ExecutableSource.PATH, version="2.1.300 (Claude Code)"),
        ClaudeCandidate(path=str(hidden), source=ExecutableSource.LOGIN_SHELL, version="2.1.330 (Claude Code)"),
        ClaudeCandidate(path=str(third), source=ExecutableSource.KNOWN_PLACE, version="2.1.200 (Claude Code)"),
    ]
    assert (report.path, failed(report)["executable"]) == (str(broken), "problem")


async def test_a_missing_claude_is_a_problem_and_the_advice_is_to_install_it(tmp_path: Path) -> None:
    report = await examined(tmp_path)
    assert (report.path, report.version, report.candidates) == (None, None, [])
    finding = finding_of(report, "executable")
    assert finding is not None
    assert "npm install" in (finding.advice or "")


async def test_a_wrong_setting_is_a_problem_even_if_another_executable_exists(tmp_path: Path) -> None:
    other = claude(tmp_path / ".local/bin/claude")
    report = await examined(tmp_path, setting="/no/such/claude")
    assert (report.path, [one.path for one in report.candidates]) == (None, [str(other)])
    assert failed(report)["executable"] == "problem"


@pytest.mark.parametrize(("version", "state"), [("2.1.197", None), ("2.1.196", "warning"), ("nightly", "warning")])
async def test_an_old_or_unknown_release_is_a_warning(tmp_path: Path, version: str, state: str | None) -> None:
    claude(tmp_path / ".local/bin/claude", version)
    report = await examined(tmp_path)
    assert failed(report).get("version") == state
    # An old release could take `auth status` for a prompt, which costs money.
    assert report.login.state is (LoginState.LOGGED_IN if state is None else LoginState.UNKNOWN)


async def test_a_newer_release_elsewhere_is_a_warning(tmp_path: Path) -> None:
    claude(tmp_path / "bin" / "claude", "2.1.200")
    newer = claude(tmp_path / ".local/bin/claude", "2.1.330")
    finding = finding_of(await examined(tmp_path, PATH=f"{tmp_path}/bin:/bin:/usr/bin"), "version")
    assert finding is not None
    assert finding.state is FindingState.WARNING
    assert str(newer) in (finding.advice or "")


@pytest.mark.parametrize(("node", "state"), [(True, FindingState.OK), (False, FindingState.PROBLEM)])
async def test_a_script_for_node_needs_node(tmp_path: Path, node: bool, state: FindingState) -> None:
    program(tmp_path / "bin" / "claude", "", "/usr/bin/env node")
    if node:
        program(tmp_path / "bin" / "node", 'echo "2.1.330 (Claude Code)"')
    report = await examined(tmp_path, PATH=f"{tmp_path}/bin")
    finding = finding_of(report, "node")
    assert finding is not None
    assert finding.state is state
    assert report.version == ("2.1.330 (Claude Code)" if node else None)


async def test_the_path_is_the_login_shells(tmp_path: Path) -> None:
    hidden = claude(tmp_path / "hidden" / "claude")
    script = f'echo Welcome!\nPATH="{tmp_path}/hidden:/opt/tools:$PATH"\nshift\neval "$1"'
    shell = program(tmp_path / "shell", script)
    report = await examined(tmp_path, SHELL=str(shell))
    assert (report.path, report.source) == (str(hidden), ExecutableSource.LOGIN_SHELL)
    finding = finding_of(report, "path")
    assert finding is not None
    assert (finding.state, finding.detail) == (FindingState.OK, "the same as in a terminal")


async def test_a_login_shell_without_an_answer_is_a_warning(tmp_path: Path) -> None:
    claude(tmp_path / "bin" / "claude")
    shell = program(tmp_path / "shell", "exit 1")
    report = await examined(tmp_path, SHELL=str(shell), PATH=f"{tmp_path}/bin:/bin:/usr/bin")
    finding = finding_of(report, "path")
    assert finding is not None
    assert finding.state is FindingState.WARNING
    assert f"{shell} did not print its PATH" in finding.detail
    assert f"{shell} -ilc true" in (finding.advice or "")
    assert report.ok


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
async def test_the_login_is_read_from_claude_or_guessed_from_the_environment(
    tmp_path: Path, status: str, environment: dict[str, Any], state: LoginState
) -> None:
    claude(tmp_path / ".local/bin/claude", status=status)
    report = await examined(tmp_path, **environment)
    assert report.login.state is state
    expected = {LoginState.LOGGED_OUT: "problem", LoginState.UNKNOWN: "warning", LoginState.LOGGED_IN: None}[state]
    assert failed(report).get("login") == expected
    assert "sk-secret" not in report.model_dump_json()


async def test_a_credentials_file_counts_as_a_login(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / ".credentials.json").write_text("{}")
    report = await examined(tmp_path, CLAUDE_CONFIG_DIR=str(tmp_path / "config"))
    assert report.login.state is LoginState.LOGGED_IN


@pytest.mark.parametrize(
    ("mode", "environment", "state"),
    [
        ("default", {}, "warning"),
        ("bypassPermissions", {}, "problem"),
        ("bypassPermissions", {"IS_SANDBOX": "1"}, None),
    ],
)
async def test_root_gets_a_warning_or_a_problem_if_permissions_are_bypassed(
    tmp_path: Path, mode: str, environment: dict[str, Any], state: str | None
) -> None:
    claude(tmp_path / ".local/bin/claude")
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude" / "settings.json").write_text(f'{{"permissions": {{"defaultMode": "{mode}"}}}}')
    assert failed(await examined(tmp_path, is_root=True, **environment)).get("root") == state
    assert "root" not in failed(await examined(tmp_path, **environment))


async def test_a_config_folder_that_cannot_be_written_is_a_problem(tmp_path: Path) -> None:
    claude(tmp_path / ".local/bin/claude")
    (tmp_path / "config").write_text("a file instead of a folder")
    report = await examined(tmp_path, CLAUDE_CONFIG_DIR=str(tmp_path / "config"))
    assert failed(report)["files"] == "problem"
    assert "files" not in failed(await examined(tmp_path))


@pytest.mark.parametrize(
    ("settings", "days", "state"),
    [
        (None, 30, FindingState.OK),
        ('{"cleanupPeriodDays": 365}', 365, FindingState.OK),
        ('{"cleanupPeriodDays": 3}', 3, FindingState.WARNING),
        ('{"cleanupPeriodDays": "never"}', 30, FindingState.OK),
        ("not JSON", 30, FindingState.OK),
    ],
)
async def test_the_days_after_which_claude_deletes_its_records_are_named(
    tmp_path: Path, settings: str | None, days: int, state: FindingState
) -> None:
    claude(tmp_path / "bin" / "claude")
    if settings is not None:
        (tmp_path / ".claude").mkdir()
        (tmp_path / ".claude" / "settings.json").write_text(settings)
    finding = finding_of(await examined(tmp_path, PATH=f"{tmp_path}/bin:/bin:/usr/bin"), "retention")
    assert finding is not None
    assert finding.state is state
    assert f"{days} days" in finding.detail
    assert "cleanupPeriodDays" in finding.detail


async def test_the_method_and_the_diagnostics_agree(sidecar: StartSidecar, standin: Path) -> None:
    async with connected(sidecar, CLAUDE_PATH=str(standin), ANTHROPIC_API_KEY="sk-secret") as claude:
        report = ClaudeReport.model_validate(await claude.client.call("claude.doctor"))
        diagnostics = await claude.client.call("system.diagnostics")
    assert (report.ok, report.login.method) == (True, "api_key")
    assert diagnostics["claude"] == {"path": report.path, "version": report.version, "problem": None}
    assert report.path == str(standin)


async def test_diagnostics_start_no_login_shell_and_the_doctor_one_at_a_time(
    sidecar: StartSidecar, standin: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    shell = program(tmp_path / "shell", f"echo begin >> {log}; sleep 0.2; echo end >> {log}; echo PATH=/bin")
    async with connected(sidecar, CLAUDE_PATH=str(standin), SHELL=str(shell)) as claude:
        await claude.client.call("system.diagnostics")
        assert not log.exists()
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(claude.client.call, "claude.doctor")
    assert log.read_text().split() == ["begin", "end"] * 3


@pytest.mark.parametrize("key", ["dummy", ""])
async def test_the_real_claude_reports_whether_it_is_logged_in(
    real_claude: Path, api: FakeAnthropic, tmp_path: Path, key: str
) -> None:
    environment: dict[str, Any] = {**api.environment(tmp_path), "ANTHROPIC_API_KEY": key, "PATH": os.environ["PATH"]}
    report = await examined(tmp_path, setting=str(real_claude), **environment)
    assert (report.login.state, report.login.method) == (
        (LoginState.LOGGED_IN, "api_key") if key else (LoginState.LOGGED_OUT, "none")
    )
    assert report.version is not None
    assert api.messages() == []
