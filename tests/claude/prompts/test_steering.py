"""Prompts that go into a running turn: read there once, or in the next turn, whatever ends."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sidecar_protocol.claude.sessions import MessageKind, Session

from tests.claude.client import FINAL, ClaudeClient, Talk, every_claude, scripted
from tests.claude.harness import tools_of, until
from tests.claude.prompts.files import base64, png

LONG = {True: "[[work:50000]] [[text:done]]", False: "[[tool:bash:tail -f /dev/null]]"}
"""A turn that does not end soon, for the scripted `claude` and for a real one."""


async def until_message(claude: ClaudeClient, **fields: str) -> None:
    """Waits for the first message with these fields."""
    await claude.until(
        lambda one: one.method == "claude.message_added" and fields.items() <= one.params["message"].items()
    )


async def begin(talk: Talk, claude: ClaudeClient, prompt: str) -> tuple[Session, str]:
    """Begins a turn with the use of a tool; returns its session and job."""
    session = await claude.sessions.create(allowed_tools=["Bash"])
    sent = await claude.sessions.send(session_id=session.session_id, prompt=prompt)
    await until_message(claude, kind="tool_use")
    return session, sent.job_id


async def send_now(claude: ClaudeClient, session: Session, **fields: Any) -> dict[str, Any]:
    params = {"session_id": session.session_id, "when": "now", **fields}
    sent: dict[str, Any] = await claude.client.call("claude.sessions.send", params)
    return sent


async def texts(claude: ClaudeClient, session: Session) -> list[str]:
    """Returns the prompts of a session, in the order in which Claude has read them."""
    return [one.text for one in await claude.messages(session.session_id) if one.kind is MessageKind.USER]


def read_by(talk: Talk, text: str) -> int:
    """Returns how often a real Claude was sent a text in the messages of its last request."""
    assert talk.api is not None
    return str(talk.api.messages()[-1].body["messages"]).count(text)


@every_claude
async def test_a_prompt_is_read_in_the_running_turn_after_the_use_of_a_tool(talk: Talk, tmp_path: Path) -> None:
    go = tmp_path / "go"
    wait = f"until test -e '{go}'; do sleep 0.1; done; sleep 1"  # it reads its input meanwhile, and does not say so
    work = f"[[work:{go}]]" if talk.api is None else f"[[tool:bash:{wait}; echo done]]"
    async with talk.connected() as claude:
        session, turn = await begin(talk, claude, work)
        first = await send_now(claude, session, prompt="mind the heron")
        picture = {"type": "image", "data": base64(png())}
        second = await send_now(claude, session, content=[picture, {"type": "text", "text": "and this"}])
        assert None not in (first["payload"]["steer"], second["payload"]["steer"])
        if talk.api is None:
            await until_message(claude, text="and this")
        go.touch()
        done = [await claude.until_job(one["job_id"], *FINAL) for one in (first, second)]
        answered = await claude.until_job(turn, *FINAL)
        assert [one["status"] for one in (*done, answered)] == ["succeeded"] * 3, done
        assert {one["result"]["answered_by"] for one in done} == {turn}
        assert {one["result"]["text"] for one in done} == {answered["result"]["text"]}
        assert await texts(claude, session) == [work, "mind the heron", "and this"]
        messages = await claude.messages(session.session_id)
        assert [file.name for one in messages for file in one.attachments] == ["attachment-1.png"]
        usage = (await claude.sessions.get(session_id=session.session_id)).usage
        assert talk.api is None or usage.model_dump() == talk.api.billed
        assert "mind the heron" in await talk.known(claude, session.session_id)
        assert talk.api is None or read_by(talk, "mind the heron") == 1


@scripted
async def test_a_prompt_has_the_answer_of_its_turn_although_it_could_not_be_stored_that_it_was_read(
    talk: Talk, tmp_path: Path, data_dir: Path
) -> None:
    go = tmp_path / "go"
    async with talk.connected() as claude:
        session, turn = await begin(talk, claude, f"[[work:{go}]]")
        with closing(sqlite3.connect(data_dir / "sidecar.db", isolation_level=None)) as database:
            database.execute(
                "CREATE TRIGGER refuse BEFORE UPDATE ON claude_steers WHEN NEW.state = 'taken' AND 'running' ="
                " (SELECT status FROM claude_sessions WHERE session_id = NEW.session_id)"
                " BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
            )
        offered = await send_now(claude, session, prompt="mind the heron")
        go.touch()
        done = await claude.until_job(offered["job_id"], *FINAL)
        assert (done["status"], done["error"]) == ("succeeded", None)
        assert done["result"]["answered_by"] == turn
        assert await texts(claude, session) == [f"[[work:{go}]]", "mind the heron"]


@every_claude
async def test_a_prompt_that_comes_too_late_for_the_turn_is_answered_once(talk: Talk) -> None:
    async with talk.connected() as claude:
        session = await claude.sessions.create()
        prompt = "[[slow:40]] [[text:first]]" if talk.api is None else "[[slow:20]]"
        sent = await claude.sessions.send(session_id=session.session_id, prompt=prompt)
        await claude.first_delta(sent.job_id)
        late = await send_now(claude, session, prompt="[[text:second]] kestrel")
        done = await claude.until_job(late["job_id"], *FINAL)
        assert (done["status"], done["result"]["text"]) == ("succeeded", "second")
        assert await texts(claude, session) == [prompt, "[[text:second]] kestrel"]
        assert talk.api is None or read_by(talk, "kestrel") == 1


@every_claude
async def test_a_prompt_that_an_interrupted_turn_has_not_read_is_the_next_turn(talk: Talk) -> None:
    long = LONG[talk.api is None] if talk.api is not None else "[[slow:5000]]"
    async with talk.connected() as claude:
        session = await claude.sessions.create(allowed_tools=["Bash"])
        turn = await claude.sessions.send(session_id=session.session_id, prompt=long)
        if talk.api is None:
            await claude.first_delta(turn.job_id)
        else:
            await until(lambda: tools_of(session.session_id, "tail"))
        offered = await send_now(claude, session, prompt="[[text:next]] stork")
        assert offered["payload"]["steer"] is not None
        await claude.sessions.interrupt(session_id=session.session_id)
        await claude.until_job(turn.job_id, "cancelled")
        done = await claude.until_job(offered["job_id"], *FINAL)
        assert (done["status"], done["result"]["text"], done["result"]["answered_by"]) == ("succeeded", "next", None)
        assert await texts(claude, session) == [long, "[[text:next]] stork"]
        assert talk.api is None or read_by(talk, "stork") == 1


@scripted
async def test_a_prompt_that_was_read_is_not_asked_again_when_its_turn_is_interrupted(talk: Talk) -> None:
    async with talk.connected() as claude:
        session, turn = await begin(talk, claude, LONG[True])
        offered = await send_now(claude, session, prompt="crane")
        await until_message(claude, text="crane")
        await claude.sessions.interrupt(session_id=session.session_id)
        await claude.until_job(turn, "cancelled")
        done = await claude.until_job(offered["job_id"], *FINAL)
        assert (done["status"], done["error"]["kind"]) == ("interrupted", "turn_ended")
        assert await texts(claude, session) == [LONG[True], "crane"]
        assert "crane" in await claude.answer_text(session.session_id, "[[known]]")


@scripted
@pytest.mark.parametrize("is_read", [False, True])
async def test_after_a_kill_a_prompt_is_asked_unless_it_was_read(talk: Talk, *, is_read: bool) -> None:
    long = LONG[True] if is_read else "[[slow:5000]]"
    async with talk.connected() as claude:
        session = await claude.sessions.create()
        turn = await claude.sessions.send(session_id=session.session_id, prompt=long)
        if is_read:
            await until_message(claude, kind="tool_use")
        else:
            await claude.first_delta(turn.job_id)
        offered = await send_now(claude, session, prompt="[[text:after]] egret")
        if is_read:
            await until_message(claude, text="[[text:after]] egret")
        claude.client.process.kill()
        await claude.client.process.wait()
    async with talk.connected() as claude:
        done = await claude.until_job(offered["job_id"], *FINAL)
        assert done["status"] == ("interrupted" if is_read else "succeeded"), done
        assert await texts(claude, session) == [long, "[[text:after]] egret"]


@scripted
async def test_a_prompt_does_not_overtake_one_that_was_sent_before_it(talk: Talk, tmp_path: Path) -> None:
    go = tmp_path / "go"
    async with talk.connected() as claude:
        session, _ = await begin(talk, claude, f"[[work:{go}]] first")
        await claude.sessions.send(session_id=session.session_id, prompt="second")
        third = await send_now(claude, session, prompt="third")
        command = await send_now(claude, session, prompt="/clear")
        assert (third["payload"]["steer"], command["payload"]["steer"]) == (None, None)
        go.touch()
        await claude.until_job(command["job_id"], "succeeded")
        assert await texts(claude, session) == [f"[[work:{go}]] first", "second", "third", "/clear"]
        idle = await send_now(claude, session, prompt="fourth")
        assert idle["payload"]["steer"] is None
        assert (await claude.until_job(idle["job_id"], *FINAL))["status"] == "succeeded"


@scripted
async def test_a_prompt_can_be_taken_back_until_it_is_read(talk: Talk, tmp_path: Path) -> None:
    go = tmp_path / "go"
    async with talk.connected() as claude:
        session = await claude.sessions.create()
        turn = await claude.sessions.send(session_id=session.session_id, prompt=f"[[slow:{go}]]")
        await claude.first_delta(turn.job_id)
        offered = await send_now(claude, session, prompt="never mind")
        await claude.client.call("jobs.cancel", {"job_id": offered["job_id"]})
        go.touch()
        await claude.until_job(turn.job_id, "succeeded")
        assert await texts(claude, session) == [f"[[slow:{go}]]"]
        assert "never mind" not in await claude.answer_text(session.session_id, "[[known]]")
