"""A kill of the sidecar in the first turn of a fork, of a worktree and after a deleted record.

Each test runs with the scripted `claude` and with both releases of the real one.
"""

import os
import subprocess
from pathlib import Path

from sidecar_protocol.claude.sessions import MessageKind

from tests.claude.client import ClaudeClient, Talk, every_claude
from tests.claude.harness import cli_of, processes_of, until

pytestmark = every_claude


async def kill_in_turn(claude: ClaudeClient, session_id: str) -> None:
    """Begins a turn, kills the sidecar while Claude answers, and waits until Claude has ended as well."""
    job = await claude.sessions.send(session_id=session_id, prompt="[[slow:5000]]")
    await claude.first_delta(job.job_id)
    claude.client.process.kill()
    await claude.client.process.wait()
    await until(lambda: processes_of(session_id) == [])


async def test_a_fork_that_was_killed_in_its_first_turn_branches_off_at_the_same_message(talk: Talk) -> None:
    async with talk.connected() as claude:
        parent = (await claude.sessions.create()).session_id
        await claude.answer_text(parent, "Remember the word heron.")
        fork = (await claude.sessions.fork(session_id=parent)).session_id
        await claude.answer_text(parent, "The next word is osprey.")
        await kill_in_turn(claude, fork)
    async with talk.connected() as claude:
        known = await talk.known(claude, fork)
        assert "heron" in known
        assert "osprey" not in known


async def test_a_session_without_a_record_that_was_killed_still_goes_on_with_its_messages(talk: Talk) -> None:
    async with talk.connected() as claude:
        session_id = (await claude.sessions.create()).session_id
        await claude.answer_text(session_id, "Remember the word heron.")
    talk.delete_records()
    async with talk.connected() as claude:
        await kill_in_turn(claude, session_id)
    async with talk.connected() as claude:
        assert "heron" in await talk.known(claude, session_id)
        kinds = [one.kind for one in await claude.messages(session_id)]
        assert kinds.count(MessageKind.NOTICE) in (1, 2)  # 2 if Claude had not recorded its new conversation yet


async def test_a_session_that_was_killed_in_its_first_turn_works_in_its_worktree(talk: Talk, tmp_path: Path) -> None:
    repository = tmp_path / "project"
    repository.mkdir()
    user = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t"}
    for arguments in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *arguments], cwd=repository, check=True, env={**os.environ, **user})  # noqa: ASYNC221 - takes no time
    async with talk.connected() as claude:
        session = await claude.sessions.create(cwd=str(repository), worktree=True)
        await kill_in_turn(claude, session.session_id)
    async with talk.connected() as claude:
        await claude.answer_text(session.session_id, "hi")
        inside = repository / ".claude" / "worktrees" / str(session.worktree)
        assert (await claude.sessions.get(session_id=session.session_id)).cwd == str(inside)
        assert Path(cli_of(session.session_id).cwd()) == inside


async def test_what_a_terminal_said_before_a_kill_is_neither_lost_nor_doubled(talk: Talk, tmp_path: Path) -> None:
    async with talk.connected() as claude:
        session_id = (await claude.sessions.create(cwd=str(tmp_path))).session_id
        await claude.answer_text(session_id, "Remember the word heron.")
        conversation = (await claude.sessions.get(session_id=session_id)).claude_session_id
        await talk.say_in_terminal(conversation, "The next word is osprey.", tmp_path)
        await kill_in_turn(claude, session_id)
    async with talk.connected() as claude:
        assert "osprey" in await talk.known(claude, session_id)
        texts = [one.text for one in await claude.messages(session_id)]
        assert texts.count("The next word is osprey.") == 1


async def test_a_prompt_that_claude_has_read_before_the_first_answer_stays_in_the_conversation(talk: Talk) -> None:
    async with talk.connected() as claude:
        session_id = (await claude.sessions.create()).session_id
        await claude.sessions.send(session_id=session_id, prompt="[[mute]][[hang]] Remember the word heron.")
        await until(lambda: any("heron" in record.read_text() for record in talk.records()))
        claude.client.process.kill()
        await claude.client.process.wait()
        await until(lambda: processes_of(session_id) == [])
        (record,) = talk.records()
    async with talk.connected() as claude:
        assert "heron" in await talk.known(claude, session_id)
        assert (await claude.sessions.get(session_id=session_id)).claude_session_id == record.stem
