"""The CLI's conversation behind a session: forks, `/clear`, deleted records, moved folders, reset settings.

Each test runs with the scripted `claude` and with both releases of the real one.
"""

import os
import subprocess
from pathlib import Path

import pytest
from sidecar_protocol.claude.runs import PermissionMode
from sidecar_protocol.claude.sessions import MessageKind

from sidecar.commandline.client import Received, RemoteError
from tests.claude.client import ClaudeClient, Talk, every_claude
from tests.claude.harness import cli_of, processes_of, until

pytestmark = every_claude


async def kinds(claude: ClaudeClient, session_id: str) -> list[MessageKind]:
    return [one.kind for one in await claude.messages(session_id)]


async def test_a_fork_knows_nothing_that_its_parent_said_later(talk: Talk) -> None:
    async with talk.connected() as claude:
        parent = (await claude.sessions.create()).session_id
        await claude.answer_text(parent, "Remember the word heron.")
        fork = (await claude.sessions.fork(session_id=parent)).session_id
        await claude.answer_text(parent, "The next word is osprey.")
        known = await talk.known(claude, fork)
        assert "heron" in known
        assert "osprey" not in known
        assert "osprey" in await talk.known(claude, parent)


async def test_a_fork_can_end_at_any_message(talk: Talk) -> None:
    async with talk.connected() as claude:
        parent = (await claude.sessions.create(title="Birds")).session_id
        for word in ("heron", "osprey", "bittern"):
            await claude.answer_text(parent, f"Remember the word {word}.")
        second_answer = (await claude.messages(parent))[3]
        fork = await claude.sessions.fork(session_id=parent, message_id=second_answer.message_id)
        assert (fork.title, fork.last_message_at) == ("Birds", second_answer.created_at)
        copied = await claude.messages(fork.session_id)
        assert [one.text for one in copied] == [one.text for one in await claude.messages(parent)][:4]
        known = await talk.known(claude, fork.session_id)
        assert "heron" in known
        assert "osprey" in known
        assert "bittern" not in known


async def test_a_fork_of_a_fork_that_has_not_spoken_yet_branches_off_at_the_same_message(talk: Talk) -> None:
    async with talk.connected() as claude:
        parent = (await claude.sessions.create()).session_id
        await claude.answer_text(parent, "Remember the word heron.")
        first = (await claude.sessions.fork(session_id=parent)).session_id
        await claude.answer_text(parent, "The next word is osprey.")
        second = (await claude.sessions.fork(session_id=first)).session_id
        known = await talk.known(claude, second)
        assert "heron" in known
        assert "osprey" not in known


async def test_a_fork_at_a_message_before_a_clear_knows_what_was_said_until_then(talk: Talk) -> None:
    async with talk.connected() as claude:
        parent = (await claude.sessions.create()).session_id
        await claude.answer_text(parent, "Remember the word heron.")
        answer = (await claude.messages(parent))[-1]
        await claude.take_turn(parent, "/clear")
        at_clear = (await claude.sessions.fork(session_id=parent)).session_id
        before = (await claude.sessions.fork(session_id=parent, message_id=answer.message_id)).session_id
        assert "heron" in await talk.known(claude, before)
        assert "heron" not in await talk.known(claude, at_clear)


async def test_a_fork_at_a_message_of_another_session_is_refused(talk: Talk) -> None:
    async with talk.connected() as claude:
        one, other = [(await claude.sessions.create()).session_id for _ in range(2)]
        await claude.answer_text(one, "hi")
        answer = (await claude.messages(one))[-1]
        for session_id, message_id in ((other, answer.message_id), (one, f"{one}:9"), (one, f"{one}:x")):
            with pytest.raises(RemoteError) as caught:
                await claude.sessions.fork(session_id=session_id, message_id=message_id)
            assert caught.value.code == -32602


async def test_a_cleared_conversation_stays_cleared_after_a_restart(talk: Talk) -> None:
    async with talk.connected() as claude:
        session_id = (await claude.sessions.create()).session_id
        await claude.answer_text(session_id, "Remember the word heron.")
        before = await claude.sessions.get(session_id=session_id)
        await claude.take_turn(session_id, "/clear")
        after = await claude.sessions.get(session_id=session_id)
        assert after.claude_session_id != before.claude_session_id
        assert (await kinds(claude, session_id)).count(MessageKind.CLEARED) == 1
    async with talk.connected() as claude:
        known = await talk.known(claude, session_id)
        assert "heron" not in known
        await claude.answer_text(session_id, "Remember the word osprey.")
        assert "osprey" in await talk.known(claude, session_id)
        assert (await kinds(claude, session_id)).count(MessageKind.CLEARED) == 1


async def test_a_kill_after_a_clear_does_not_undo_it(talk: Talk) -> None:
    async with talk.connected() as claude:
        session_id = (await claude.sessions.create()).session_id
        await claude.answer_text(session_id, "Remember the word heron.")
        await claude.sessions.send(session_id=session_id, prompt="/clear")

        def cleared(method: str, message: object) -> bool:
            return method == "claude.message_added" and isinstance(message, dict) and message["kind"] == "cleared"

        await claude.until(lambda one: cleared(one.method, one.params.get("message")))
        claude.client.process.kill()
        await claude.client.process.wait()
    await until(lambda: processes_of(session_id) == [])
    async with talk.connected() as claude:
        assert "heron" not in await talk.known(claude, session_id)


async def test_a_session_whose_record_was_deleted_goes_on_with_its_own_messages(talk: Talk) -> None:
    async with talk.connected() as claude:
        session_id = (await claude.sessions.create()).session_id
        await claude.answer_text(session_id, "Remember the word heron.")
        fork = (await claude.sessions.fork(session_id=session_id)).session_id
        first = (await claude.sessions.get(session_id=session_id)).claude_session_id
    talk.delete_records()
    async with talk.connected() as claude:
        for one in (session_id, fork):
            assert "heron" in await talk.known(claude, one)
            assert (await kinds(claude, one)).count(MessageKind.NOTICE) == 1
        notice = next(one for one in await claude.messages(session_id) if one.kind is MessageKind.NOTICE)
        assert "cleanupPeriodDays" in notice.text
        assert (await claude.sessions.get(session_id=session_id)).claude_session_id != first
        await claude.answer_text(session_id, "And the word osprey.")
    async with talk.connected() as claude:
        known = await talk.known(claude, session_id)
        assert "heron" in known
        assert "osprey" in known
        assert (await kinds(claude, session_id)).count(MessageKind.NOTICE) == 1


async def test_a_deleted_record_does_not_bring_back_what_was_cleared(talk: Talk) -> None:
    async with talk.connected() as claude:
        session_id = (await claude.sessions.create()).session_id
        await claude.answer_text(session_id, "Remember the word heron.")
        await claude.take_turn(session_id, "/clear")
        await claude.answer_text(session_id, "Remember the word osprey.")
    talk.delete_records()
    async with talk.connected() as claude:
        known = await talk.known(claude, session_id)
        assert "osprey" in known
        assert "heron" not in known


async def test_a_moved_project_takes_its_sessions_along(talk: Talk, tmp_path: Path) -> None:
    old, new = tmp_path / "old place", tmp_path / "new place"
    old.mkdir()
    async with talk.connected() as claude:
        session_id = (await claude.sessions.create(cwd=str(old))).session_id
        await claude.answer_text(session_id, "Remember the word heron.")
        old.rename(new)
        failed = await claude.take_turn(session_id, "hi")
        assert failed["error"]["kind"] == "cwd_missing"
        assert "claude.sessions.update" in failed["error"]["hint"]
        moved = await claude.sessions.update(session_id=session_id, cwd=str(new))
        assert moved.cwd == str(new)
        assert "heron" in await talk.known(claude, session_id)
        assert MessageKind.NOTICE not in await kinds(claude, session_id)
        assert Path(cli_of(session_id).cwd()) == new


async def test_null_resets_title_model_mode_and_folder(talk: Talk, tmp_path: Path) -> None:
    talk.write_settings(model="sonnet")
    async with talk.connected() as claude:
        session = await claude.sessions.create(
            title="Birds", model="haiku", permission_mode=PermissionMode.ACCEPT_EDITS, cwd=str(tmp_path)
        )
        await claude.answer_text(session.session_id, "The first prompt.")
        assert "haiku" in await talk.model(claude, session.session_id)
        kept = await claude.sessions.update(session_id=session.session_id, allowed_tools=["Read"])
        assert (kept.title, kept.model, kept.permission_mode) == ("Birds", "haiku", PermissionMode.ACCEPT_EDITS)
        reset = await claude.sessions.update(
            session_id=session.session_id, title=None, model=None, permission_mode=None, cwd=None
        )
        assert (reset.title, reset.model, reset.permission_mode, reset.cwd) == ("The first prompt.", None, None, None)
        assert "sonnet" in await talk.model(claude, session.session_id)
    async with talk.connected() as claude:
        assert "sonnet" in await talk.model(claude, session.session_id)


async def test_a_model_that_was_chosen_by_a_prompt_stays_after_a_restart(talk: Talk) -> None:
    async with talk.connected() as claude:
        session_id = (await claude.sessions.create()).session_id
        await claude.answer_text(session_id, "hi")
        answer = await claude.take_turn(session_id, "/model haiku")
        if "isn't available" in answer["result"]["text"]:  # 2.1.197 has it in a terminal only
            assert (await claude.sessions.get(session_id=session_id)).model is None
            return

        def changed(session: dict[str, str]) -> bool:
            return session.get("session_id") == session_id and "haiku" in (session.get("model") or "")

        await claude.until(lambda one: changed(one.params.get("session", {})))
    async with talk.connected() as claude:
        assert "haiku" in await talk.model(claude, session_id)


async def test_an_effort_that_was_chosen_by_a_prompt_stays_after_a_restart_until_it_is_reset(talk: Talk) -> None:
    async def effort_after(claude: ClaudeClient, prompt: str, expected: str | None) -> bool:
        """Sends a command and waits until the session has the effort; returns False if the command is not known."""
        answer = await claude.take_turn(session_id, prompt)
        if "isn't available" in answer["result"]["text"]:  # 2.1.197 has it in a terminal only
            return False
        before = (await claude.sessions.get(session_id=session_id)).effort
        if before != expected:

            def changed(one: Received) -> bool:
                session = one.params.get("session", {})
                return bool(session.get("session_id") == session_id and session["effort"] == expected)

            await claude.until(changed)
        return True

    async with talk.connected() as claude:
        session_id = (await claude.sessions.create(model="opus")).session_id
        await claude.answer_text(session_id, "hi")
        if not await effort_after(claude, "/effort low", "low"):
            assert (await claude.sessions.get(session_id=session_id)).effort is None
            return
    async with talk.connected() as claude:
        await claude.answer_text(session_id, "hi")
        if talk.api is not None:
            assert talk.api.messages()[-1].body["output_config"]["effort"] == "low"
        claude.received.clear()
        assert await effort_after(claude, "/effort bogus", "low")
        assert await effort_after(claude, "/effort auto", None)
    async with talk.connected() as claude:
        await claude.answer_text(session_id, "hi")
        assert talk.api is None or talk.api.messages()[-1].body["output_config"]["effort"] != "low"


async def test_a_worktree_needs_a_repository(talk: Talk, tmp_path: Path) -> None:
    async with talk.connected() as claude:
        session = await claude.sessions.create(cwd=str(tmp_path), worktree=True)
        job = await claude.take_turn(session.session_id, "hi")
        assert job["error"]["kind"] == "worktree_refused"
        assert "repository" in job["error"]["hint"]


async def test_a_session_in_a_worktree_works_there_from_its_first_turn_on(talk: Talk, tmp_path: Path) -> None:
    repository = tmp_path / "project"
    repository.mkdir()
    user = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t"}
    for arguments in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *arguments], cwd=repository, check=True, env={**os.environ, **user})  # noqa: ASYNC221 - takes no time
    async with talk.connected() as claude:
        session = await claude.sessions.create(cwd=str(repository), worktree=True)
        assert session.worktree is not None
        assert session.cwd == str(repository)
        await claude.answer_text(session.session_id, "Remember the word heron.")
        inside = repository / ".claude" / "worktrees" / session.worktree
        assert (await claude.sessions.get(session_id=session.session_id)).cwd == str(inside)
        assert Path(cli_of(session.session_id).cwd()) == inside
    async with talk.connected() as claude:
        assert "heron" in await talk.known(claude, session.session_id)
        assert Path(cli_of(session.session_id).cwd()) == inside
        fork = await claude.sessions.fork(session_id=session.session_id)
        assert (fork.worktree, fork.cwd) == (session.worktree, str(inside))
