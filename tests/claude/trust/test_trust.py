"""Workspace trust, with the scripted `claude` and both releases of the real one: nothing of a folder runs unasked."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sidecar_protocol.claude.runs import Claude, ClaudeSettings, RunClaude
from sidecar_protocol.claude.sessions import MessageKind
from sidecar_protocol.claude.trust import Trust, TrustState

from sidecar.commandline.client import RemoteError
from tests.claude.client import FINAL, ClaudeClient, Talk, every_claude
from tests.claude.trust.folders import ForeignFolder, commit_all, emptied, trust_in_claude


@pytest.fixture
def foreign(tmp_path: Path) -> ForeignFolder:
    return ForeignFolder(tmp_path / "foreign", tmp_path / "marks")


async def run(claude: ClaudeClient, cwd: Path, **fields: Any) -> dict[str, Any]:
    """Queues a run in a folder, which gets what it brings only then; returns its finished job."""
    payload = {"prompt": "hi", "cwd": str(cwd), **fields}
    await claude.client.call("jobs.queue.pause")
    with emptied(cwd):
        created = await claude.client.call("jobs.create", {"type": "claude.run", "payload": payload})
    await claude.client.call("jobs.queue.resume")
    return await claude.until_job(created["job"]["job_id"], *FINAL)


async def refusal(call: Callable[[], Awaitable[object]]) -> RemoteError:
    """Returns the error of a call that is refused because of its folder."""
    with pytest.raises(RemoteError) as refused:
        await call()
    assert refused.value.kind == "workspace_untrusted"
    return refused.value


@every_claude
async def test_nothing_of_a_foreign_folder_runs_before_the_user_was_asked(
    talk: Talk, foreign: ForeignFolder, tmp_path: Path
) -> None:
    async with talk.connected() as claude:
        spawn, trust = claude.client.remote(Claude), claude.client.remote(Trust)
        empty, prompt = tmp_path / "empty", RunClaude(prompt="hi", cwd=str(foreign.path))
        empty.mkdir()
        # neither spawn, nor a session, nor a session that moves there
        error = await refusal(lambda: spawn.spawn(prompt))
        assert error.message == (
            "The folder foreign is not trusted, and brings hooks (SessionStart), MCP servers (docs),"
            " environment variables (FROM_FOLDER)."
        )
        assert "trust: true" in error.data["hint"]
        assert "secret-value" not in str(error.data)
        await refusal(lambda: claude.sessions.create(cwd=str(foreign.path)))
        session = await claude.sessions.create(cwd=str(empty))
        await refusal(lambda: claude.sessions.update(session_id=session.session_id, cwd=str(foreign.path)))
        assert (await claude.sessions.get(session_id=session.session_id)).cwd == str(empty)
        # nor a run that is queued, which fails at once
        failed = await run(claude, foreign.path)
        assert (failed["status"], failed["error"]["kind"]) == ("failed", "workspace_untrusted")
        assert failed["error"]["details"]["contents"]["mcp_servers"] == ["docs"]
        assert foreign.has_run == []
        # only the user's settings
        done = await run(claude, foreign.path, settings="user")
        assert done["status"] == "succeeded", done["error"]
        apart = await claude.sessions.create(cwd=str(foreign.path), settings=ClaudeSettings.USER)
        await claude.answer_text(apart.session_id, "[[text:hi]]")
        assert foreign.has_run == []
        # the job that failed goes on where it was, once the folder is trusted
        added = await trust.add(cwd=str(foreign.path))
        assert (added.state, added.folder) == (TrustState.SIDECAR, str(foreign.path))
        await claude.client.call("jobs.retry", {"job_id": failed["job_id"]})
        again = await claude.until_job(failed["job_id"], "succeeded")
        assert again["result"]["text"]
        assert foreign.has_run == ["hook", "server"]


@every_claude
async def test_a_folder_that_brings_nothing_is_not_asked_about_until_it_does(
    talk: Talk, foreign: ForeignFolder, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "CLAUDE.md").write_text("Be kind.")
    async with talk.connected() as claude:
        session = await claude.sessions.create(cwd=str(project))
        await claude.answer_text(session.session_id, "[[text:one]]")
        # as by `git pull`, while the session's process is kept
        (foreign.path / ".claude").rename(project / ".claude")
        job = await claude.take_turn(session.session_id, "[[text:two]]")
        assert (job["status"], job["error"]["kind"]) == ("failed", "workspace_untrusted")
        assert foreign.has_run == []
        await claude.sessions.update(session_id=session.session_id, trust=True)
        await claude.client.call("jobs.retry", {"job_id": job["job_id"]})
        await claude.until_job(job["job_id"], "succeeded")
        assert foreign.has_run == ["hook"]
        messages = await claude.messages(session.session_id)
        kinds = [one.kind for one in messages if one.kind is not MessageKind.RAW]
        said, error = [MessageKind.USER, MessageKind.ASSISTANT_TEXT], MessageKind.ERROR
        assert kinds == [*said, MessageKind.USER, error, MessageKind.ASSISTANT_TEXT]


@every_claude
async def test_an_answer_in_a_terminal_is_valid_and_can_be_withdrawn_there(talk: Talk, foreign: ForeignFolder) -> None:
    trust_in_claude(talk.config_dir, foreign.path)
    async with talk.connected() as claude:
        assert (await run(claude, foreign.path))["status"] == "succeeded"
        assert foreign.has_run == ["hook", "server"]
        trust_in_claude(talk.config_dir)
        assert (await run(claude, foreign.path))["error"]["kind"] == "workspace_untrusted"


@every_claude
async def test_a_fork_and_a_session_of_before_a_kill_are_asked_about(talk: Talk, foreign: ForeignFolder) -> None:
    async with talk.connected() as claude:
        session = await claude.sessions.create(cwd=str(foreign.path), trust=True)
        await claude.answer_text(session.session_id, "[[text:hi]]")
        for mark in foreign.marks.iterdir():
            mark.unlink()
        claude.client.process.kill()
        await claude.client.process.wait()
    async with talk.connected() as claude:
        trust = claude.client.remote(Trust)
        assert [one.folder for one in (await trust.list()).folders] == [str(foreign.path)]
        assert (await trust.remove(folder=str(foreign.path))).removed
        fork = await claude.sessions.fork(session_id=session.session_id)
        for session_id in (session.session_id, fork.session_id):
            assert (await claude.take_turn(session_id, "hi"))["error"]["kind"] == "workspace_untrusted"
        assert foreign.has_run == []
    async with talk.connected() as claude:
        trust = claude.client.remote(Trust)
        assert (await trust.list()).folders == []
        assert not (await trust.remove(folder=str(foreign.path))).removed
        assert (await trust.check(cwd=str(foreign.path))).state is TrustState.UNTRUSTED


@every_claude
async def test_a_worktree_is_made_only_of_commits_that_bring_nothing_or_are_trusted(
    talk: Talk, foreign: ForeignFolder
) -> None:
    commit_all(foreign.path)
    for one in (foreign.path / ".claude" / "settings.json", foreign.path / ".mcp.json"):
        one.unlink()  # the commit still has them
    hook = foreign.path / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch '{foreign.marks / 'git'}'\n")
    hook.chmod(0o755)
    async with talk.connected() as claude:
        error = await refusal(lambda: claude.sessions.create(cwd=str(foreign.path), worktree=True))
        contents = error.data["details"][0]["contents"]
        assert contents["git"] == ["hooks/post-checkout"]
        hook.rename(foreign.path / "hook")
        error = await refusal(lambda: claude.sessions.create(cwd=str(foreign.path), worktree=True))
        contents = error.data["details"][0]["contents"]
        assert contents["settings"] == [".claude/settings.json (in the commit)", ".mcp.json (in the commit)"]
        (foreign.path / "hook").rename(hook)
        apart = await claude.sessions.create(cwd=str(foreign.path), worktree=True, settings=ClaudeSettings.USER)
        await claude.answer_text(apart.session_id, "[[text:hi]]")
        assert foreign.has_run == []
        session = await claude.sessions.create(cwd=str(foreign.path), worktree=True, trust=True)
        await claude.answer_text(session.session_id, "[[text:hi]]")
        moved = await claude.sessions.get(session_id=session.session_id)
        assert moved.cwd is not None
        assert moved.cwd != str(foreign.path)
        trust = claude.client.remote(Trust)
        assert (await trust.check(cwd=moved.cwd)).state is TrustState.SIDECAR
