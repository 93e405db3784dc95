"""Conversations that a terminal and a session share.

Each test runs with the scripted `claude` and with both releases of the real one.
"""

from pathlib import Path

from sidecar_protocol.claude.sessions import MessageKind

from tests.claude.client import ClaudeClient, Talk, every_claude

pytestmark = every_claude


async def said(claude: ClaudeClient, session_id: str) -> list[str]:
    return [one.text for one in await claude.messages(session_id) if one.kind is not MessageKind.NOTICE]


async def notices(claude: ClaudeClient, session_id: str) -> list[str]:
    return [one.text for one in await claude.messages(session_id) if one.kind is MessageKind.NOTICE]


async def test_a_kept_process_learns_what_was_said_in_a_terminal(talk: Talk, tmp_path: Path) -> None:
    async with talk.connected() as claude:
        session_id = (await claude.sessions.create(cwd=str(tmp_path))).session_id
        await claude.answer_text(session_id, "Remember the word heron.")
        conversation = (await claude.sessions.get(session_id=session_id)).claude_session_id
        await talk.say_in_terminal(conversation, "The next word is osprey.", tmp_path)
        known = await talk.known(claude, session_id)
        assert "heron" in known
        assert "osprey" in known
        assert (await said(claude, session_id))[:5] == [
            "Remember the word heron.",
            "echo: Remember the word heron.",
            "The next word is osprey.",
            "echo: The next word is osprey.",
            "[[known]]",
        ]
        assert len(await notices(claude, session_id)) == 1
        after = await claude.sessions.get(session_id=session_id)
        assert after.claude_session_id == conversation
        assert "osprey" in await talk.known(claude, session_id)
        assert len(await notices(claude, session_id)) == 1


async def test_a_restarted_session_has_what_was_said_in_a_terminal(talk: Talk, tmp_path: Path) -> None:
    async with talk.connected() as claude:
        session_id = (await claude.sessions.create(cwd=str(tmp_path))).session_id
        await claude.answer_text(session_id, "Remember the word heron.")
        conversation = (await claude.sessions.get(session_id=session_id)).claude_session_id
    await talk.say_in_terminal(conversation, "The next word is osprey.", tmp_path)
    async with talk.connected() as claude:
        assert "osprey" in await talk.known(claude, session_id)
        assert "The next word is osprey." in await said(claude, session_id)


async def test_two_ends_of_a_conversation_are_both_known_here(talk: Talk, tmp_path: Path) -> None:
    async with talk.connected() as claude:
        session_id = (await claude.sessions.create(cwd=str(tmp_path))).session_id
        await claude.answer_text(session_id, "Remember the word heron.")
        conversation = (await claude.sessions.get(session_id=session_id)).claude_session_id
        async with talk.terminal(conversation, tmp_path) as terminal:
            await terminal.say("The next word is osprey.")
            await claude.answer_text(session_id, "Then remember bittern.")
            await terminal.say("Then remember egret.")  # the terminal does not know the bittern
        known = await talk.known(claude, session_id)
        for word in ("heron", "osprey", "bittern", "egret"):
            assert word in known
        texts = await said(claude, session_id)
        assert [
            texts.count(f"{start}{word}.")
            for start, word in (("The next word is ", "osprey"), ("Then remember ", "egret"))
        ] == [1, 1]
        before = await notices(claude, session_id)
        assert "conversations of their own" in before[-1]
        known = await talk.known(claude, session_id)
        assert "bittern" in known
        assert "egret" in known
        assert await notices(claude, session_id) == before


async def test_nothing_of_the_session_itself_is_taken_for_a_terminals(talk: Talk, tmp_path: Path) -> None:
    async with talk.connected() as claude:
        session_id = (await claude.sessions.create(cwd=str(tmp_path), allowed_tools=["Bash"])).session_id
        for prompt in ("one", "[[tool:bash:echo hi]]", "[[error:400]]", "/model haiku", "/compact", "/clear", "two"):
            await claude.take_turn(session_id, prompt)
        fork = (await claude.sessions.fork(session_id=session_id)).session_id
        for one in (session_id, fork, fork):
            await claude.answer_text(one, "three")
        job = await claude.sessions.send(session_id=session_id, prompt="[[slow:5000]]")
        await claude.first_delta(job.job_id)
        await claude.sessions.interrupt(session_id=session_id)
        await claude.until_job(job.job_id, "cancelled")
        await claude.answer_text(session_id, "four")
        for one in (session_id, fork):
            assert [text for text in await notices(claude, one) if "compacted" not in text] == []
    async with talk.connected() as claude:
        for one in (session_id, fork):
            await claude.answer_text(one, "five")
            assert [text for text in await notices(claude, one) if "compacted" not in text] == []
