"""`claude.status` and its notifications, with the scripted `claude` and both releases of the real one."""

import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import anyio
import psutil
import pytest
from sidecar_protocol.claude.sessions import MessageKind
from sidecar_protocol.claude.status import ClaudeStatus, LimitStatus, McpState, Status

from sidecar.commandline.client import RemoteError, SidecarEnded
from tests.claude.client import ClaudeClient, Talk, connected, every_claude
from tests.claude.harness import until

DOCUMENTED = ["low", "medium", "high", "xhigh", "max"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The user's home, in which one MCP server cannot be started."""
    (tmp_path / ".claude").mkdir()
    broken = {"command": "/nonexistent/birds", "env": {"BIRDS_TOKEN": "hunter2"}}
    (tmp_path / ".claude" / ".claude.json").write_text(json.dumps({"mcpServers": {"birds": broken}}))
    return tmp_path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder of others, whose hook and MCP server leave a file behind."""
    folder = tmp_path / "project"
    (folder / ".claude").mkdir(parents=True)
    touch = f"touch {tmp_path}/ran"
    hooks = {"SessionStart": [{"hooks": [{"type": "command", "command": touch}]}]}
    settings = {"enableAllProjectMcpServers": True, "hooks": hooks}
    (folder / ".claude" / "settings.json").write_text(json.dumps(settings))
    (folder / ".mcp.json").write_text(json.dumps({"mcpServers": {"own": {"command": "sh", "args": ["-c", touch]}}}))
    return folder


def at(home: Path, talk: Talk, **more: str) -> AbstractAsyncContextManager[ClaudeClient]:
    """A client of a sidecar with that home."""
    return connected(talk.sidecar, **{**talk.environment, "HOME": str(home), **more})


@pytest.fixture
async def claude(talk: Talk, home: Path) -> AsyncIterator[ClaudeClient]:
    async with at(home, talk) as claude:
        yield claude


def status_of(claude: ClaudeClient) -> Status:
    return claude.client.remote(Status)


def notices(claude: ClaudeClient) -> list[str]:
    return [
        one.params["message"]["text"]
        for one in claude.received
        if one.method == "claude.message_added" and one.params["message"]["kind"] == MessageKind.NOTICE
    ]


@every_claude
async def test_a_turn_tells_how_full_the_context_is_and_once_what_does_not_work(
    claude: ClaudeClient, talk: Talk, home: Path
) -> None:
    status = status_of(claude)
    nothing = await status.status()
    assert nothing == ClaudeStatus(installation=None, workspace=None, limits=None, contexts=[], problem=None)
    session = await claude.sessions.create(cwd=str(home))
    await claude.answer_text(session.session_id, "[[text:hello]]")
    updated = await claude.until(lambda one: one.method == "claude.context_updated")
    await claude.until(lambda _: notices(claude))
    await claude.answer_text(session.session_id, "[[text:again]]")
    learnt = await status.status(session_id=session.session_id)
    assert learnt.installation is not None
    assert learnt.workspace is not None
    assert learnt.workspace.mcp_servers is not None
    [context], [server] = learnt.contexts, learnt.workspace.mcp_servers
    assert updated["context"]["used_tokens"] == 28
    assert (context.used_tokens, context.session_id) == (28, session.session_id)
    assert context.window_tokens is not None
    assert context.used_percentage == round(2_800 / context.window_tokens, 1)
    assert (server.name, server.state) == ("birds", McpState.FAILED)
    assert "ENOENT" in (server.error or "")
    [notice] = notices(claude)
    assert "'birds' failed to start: ENOENT" in notice
    assert "claude mcp list" in notice
    assert {"default", "haiku"} <= {one.model for one in learnt.installation.models}
    assert learnt.installation.models[0].efforts == DOCUMENTED
    assert learnt.installation.version == (talk.environment.get("FAKE_CLAUDE_RELEASE") or learnt.installation.version)
    assert {"debug", "compact"} <= {one.name for one in learnt.workspace.commands or []}
    assert [one.is_skill for one in learnt.workspace.commands or [] if one.name == "debug"] == [True]
    assert "hunter2" not in learnt.model_dump_json()
    assert "@" not in learnt.installation.account.model_dump_json()
    await claude.take_turn(session.session_id, "/clear")
    [context] = (await status.status(session_id=session.session_id)).contexts
    assert (context.used_tokens, context.used_percentage) == (None, None)


@every_claude
async def test_a_refresh_asks_claude_without_running_what_the_folder_brings(
    claude: ClaudeClient, project: Path, home: Path
) -> None:
    learnt = await status_of(claude).status(cwd=str(project), refresh=True)
    assert learnt.problem is None
    assert learnt.workspace is not None
    assert learnt.workspace.has_project is False
    assert [(one.name, one.state) for one in learnt.workspace.mcp_servers or []] == [("birds", McpState.FAILED)]
    assert learnt.contexts == []
    assert not (home / "ran").exists()
    findings = (await claude.client.call("claude.doctor"))["findings"]
    [finding] = [one for one in findings if one["name"] == "mcp:birds"]
    assert finding["state"] == "warning"
    assert "ENOENT" in finding["detail"]
    assert finding["advice"] is not None
    jobs = (await claude.client.call("jobs.list"))["jobs"]
    assert jobs == []
    with pytest.raises(RemoteError, match="invalid") as refused:
        await claude.sessions.create(model="default", effort="bogus")
    assert "low, medium" in str(refused.value.data)


@every_claude
async def test_a_limit_that_is_nearly_reached_is_known_after_a_restart(talk: Talk, home: Path) -> None:
    subscription = {"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-fake", "ANTHROPIC_API_KEY": ""}
    resets_at = int(time.time()) + 3_600
    async with at(home, talk, **subscription) as claude:
        session = await claude.sessions.create()
        await claude.answer_text(session.session_id, f"[[near:{resets_at}]]")
        await claude.until(lambda one: one.method == "claude.limits_updated")
    async with at(home, talk) as claude:
        limits = (await status_of(claude).status()).limits
    assert limits is not None
    assert (limits.status, limits.limiting) == (LimitStatus.WARNING, "five_hour")
    [limit] = limits.limits
    assert (limit.kind, limit.status, limit.utilization) == ("five_hour", LimitStatus.WARNING, 0.93)
    assert limit.resets_at is not None


@every_claude
async def test_a_run_logs_what_does_not_work(claude: ClaudeClient) -> None:
    job = await claude.client.call("claude.spawn", {"prompt": "[[text:hello]]"})
    await claude.until_job(job["job_id"], "succeeded")
    log = (await claude.client.call("jobs.log.list", {"job_id": job["job_id"]}))["lines"]
    told = [line["message"] for line in log if "'birds' failed to start" in line["message"]]
    assert len(told) == 1


async def kill_while_asking(claude: ClaudeClient, executable: Path) -> psutil.Process:
    """Kills the sidecar while a process that it has started to ask about itself runs; returns that process.

    One that answers before it is seen is no such process: then Claude is asked again.
    """
    found: list[psutil.Process] = []

    def is_asking() -> bool:
        found.clear()
        for child in psutil.Process(claude.client.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):  # it has ended
                if "stream-json" in " ".join(child.cmdline()):
                    found.append(child)
        return bool(found)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask_until_its_end, status_of(claude), executable.parent)
        await until(is_asking)
        claude.client.process.kill()
    await claude.client.process.wait()
    return found[0]


async def ask_until_its_end(status: Status, cwd: Path) -> None:
    """Asks again and again until the sidecar has ended."""
    with contextlib.suppress(SidecarEnded):
        while True:
            await status.status(cwd=str(cwd), refresh=True)


@every_claude
async def test_a_kill_while_claude_is_asked_leaves_no_process_and_the_next_question_is_answered(
    talk: Talk, home: Path
) -> None:
    async with at(home, talk) as claude:
        asked = await kill_while_asking(claude, home / "any")
    async with at(home, talk) as claude:
        learnt = await status_of(claude).status(cwd=str(home), refresh=True)
        assert (learnt.problem, learnt.installation is None) == (None, False)
        await until(lambda: not asked.is_running() or asked.status() == psutil.STATUS_ZOMBIE)


async def test_after_a_kill_a_process_that_ignores_its_end_is_killed_at_the_next_start(
    talk: Talk, tmp_path: Path
) -> None:
    stubborn = tmp_path / "claude"
    stubborn.write_text(
        f"#!{sys.executable}\nimport signal, sys, time\n"
        "for one in (signal.SIGTERM, signal.SIGHUP): signal.signal(one, signal.SIG_IGN)\n"
        "print('2.1.332 (Claude Code)') if '--version' in sys.argv else time.sleep(3_600)\n"
    )
    stubborn.chmod(0o755)
    async with at(tmp_path, talk, CLAUDE_PATH=str(stubborn)) as claude:
        asked = await kill_while_asking(claude, stubborn)
    async with at(tmp_path, talk):
        await until(lambda: not asked.is_running() or asked.status() == psutil.STATUS_ZOMBIE)


async def test_a_probe_that_says_nothing_is_ended(talk: Talk, tmp_path: Path) -> None:
    mute = tmp_path / "claude"
    mute.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('no claude today')\n")
    mute.chmod(0o755)
    async with at(tmp_path, talk, CLAUDE_PATH=str(mute)) as claude:
        learnt = await status_of(claude).status(refresh=True)
    assert learnt.installation is None
    assert "no claude today" in (learnt.problem or "")
