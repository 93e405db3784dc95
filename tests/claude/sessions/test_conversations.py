"""Conversations that were begun in a terminal: listed, taken in and continued.

Most tests run with the scripted `claude` and with both releases of the real one.
"""

import contextlib
import json
import os
from pathlib import Path

import anyio
import pytest
from sidecar_protocol.claude.sessions import MessageKind

from sidecar.claude.records.reading import parse_record
from sidecar.commandline.client import RemoteError, SidecarEnded
from tests.claude.client import SCRIPTED, Talk, every_claude

scripted = pytest.mark.parametrize("release", [SCRIPTED], indirect=True)


@every_claude
async def test_a_conversation_begun_in_a_terminal_is_listed_taken_in_and_continued(talk: Talk, tmp_path: Path) -> None:
    folder, other = tmp_path / "pro_ject ü", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    begun = await talk.say_in_terminal(None, "Remember the word heron.", folder)
    await talk.say_in_terminal(None, "Elsewhere.", other)
    async with talk.connected() as claude:
        (found,) = (await claude.conversations.list(cwd=str(folder))).conversations
        assert (found.claude_session_id, found.title, found.cwd, found.session_id) == (
            begun,
            "Remember the word heron.",
            str(folder),
            None,
        )
        assert len((await claude.conversations.list()).conversations) == 2
        session = await claude.conversations.take(claude_session_id=begun)
        assert (session.claude_session_id, session.title, session.cwd) == (begun, found.title, str(folder))
        assert [(one.kind, one.text, one.job_id) for one in await claude.messages(session.session_id)] == [
            (MessageKind.USER, "Remember the word heron.", None),
            (MessageKind.ASSISTANT_TEXT, "echo: Remember the word heron.", None),
        ]
        assert "heron" in await talk.known(claude, session.session_id)
        assert (await claude.sessions.get(session_id=session.session_id)).claude_session_id == begun
        assert MessageKind.NOTICE not in [one.kind for one in await claude.messages(session.session_id)]
        (listed,) = (await claude.conversations.list(cwd=str(folder))).conversations
        assert listed.session_id == session.session_id
        await talk.say_in_terminal(begun, "The next word is osprey.", folder)
        again = await claude.conversations.take(claude_session_id=begun)
        assert again.session_id == session.session_id
        assert "The next word is osprey." in [one.text for one in await claude.messages(session.session_id)]
        assert "osprey" in await talk.known(claude, session.session_id)


@every_claude
async def test_a_tool_call_and_a_command_of_a_terminal_are_messages(talk: Talk, tmp_path: Path) -> None:
    async with talk.terminal(None, tmp_path) as terminal:
        await terminal.say("[[tool:bash:echo hi]]")
        begun = await terminal.say("And then?")
    async with talk.connected() as claude:
        session = await claude.conversations.take(claude_session_id=begun)
        kinds = [one.kind for one in await claude.messages(session.session_id)]
        assert kinds.count(MessageKind.USER) == 2
        assert kinds.count(MessageKind.TOOL_USE) == kinds.count(MessageKind.TOOL_RESULT) == 1


@scripted
async def test_a_kill_while_a_conversation_is_taken_in_loses_and_doubles_nothing(talk: Talk) -> None:
    begun = "066f4611-8996-4f21-850f-783594e01366"
    lines, last = list[bytes](), None
    for number in range(2_000):
        prompt, answer = f"{number}-0", f"{number}-1"
        lines += [line(prompt, last, f"Prompt {number}"), line(answer, prompt, f"Answer {number}", "assistant")]
        last = answer
    path = talk.config_dir / "projects" / "x" / f"{begun}.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\n".join(lines) + b"\n")
    async with talk.connected() as claude, anyio.create_task_group() as tasks:

        async def take() -> None:
            with contextlib.suppress(SidecarEnded):
                await claude.conversations.take(claude_session_id=begun)

        tasks.start_soon(take)
        await claude.until(lambda one: one.method == "claude.message_added")
        claude.client.process.kill()
        await claude.client.process.wait()
    async with talk.connected() as claude:
        session = await claude.conversations.take(claude_session_id=begun)
        texts: list[str] = []
        cursor = None
        while cursor is not None or not texts:
            page = await claude.sessions.list_messages(session_id=session.session_id, limit=500, cursor=cursor)
            texts += [one.text for one in page.messages if one.kind is not MessageKind.NOTICE]
            cursor = page.next_cursor
        assert texts == [f"{kind} {number}" for number in range(2_000) for kind in ("Prompt", "Answer")]


@scripted
async def test_an_unknown_conversation_cannot_be_taken(talk: Talk) -> None:
    async with talk.connected() as claude:
        with pytest.raises(RemoteError) as caught:
            await claude.conversations.take(claude_session_id="066f4611-8996-4f21-850f-783594e01366")
        assert caught.value.code == 4101


@scripted
async def test_the_list_is_paged_newest_first_and_leaves_out_what_is_no_conversation(
    talk: Talk, tmp_path: Path
) -> None:
    folder = talk.config_dir / "projects" / "x"
    folder.mkdir(parents=True)
    ids = [f"066f4611-8996-4f21-850f-78359400000{number}" for number in range(5)]
    for age, name in enumerate(ids):
        line = {"type": "user", "uuid": name, "parentUuid": None, "message": {"content": f"Prompt {age}\nmore"}}
        titled = json.dumps({"type": "custom-title", "customTitle": "My title"}, separators=(",", ":"))
        path = folder / f"{name}.jsonl"
        path.write_text(json.dumps(line) + "\n" + (titled + "\n" if age == 4 else ""))
        os.utime(path, (2_000_000_000 - age, 2_000_000_000 - age))
    (folder / f"{ids[0]}.bak.jsonl").write_text("{}\n")
    (folder / "066f4611-8996-4f21-850f-783594e01366.jsonl").write_text('{"type":"file-history-snapshot"}\n')
    async with talk.connected() as claude:
        first = await claude.conversations.list(limit=3)
        rest = await claude.conversations.list(limit=3, cursor=first.next_cursor)
        assert [one.claude_session_id for one in first.conversations + rest.conversations] == ids
        assert [one.title for one in rest.conversations] == ["Prompt 3", "My title"]
        assert (await claude.conversations.list(cwd=str(tmp_path))).conversations == []
        with pytest.raises(RemoteError) as caught:
            await claude.conversations.list(cursor="x")
        assert caught.value.code == 4001


def line(uuid: str, parent: str | None, text: str, kind: str = "user", **more: object) -> bytes:
    content: object = text if kind == "user" else [{"type": "text", "text": text}]
    message = {"role": kind, "content": content}
    return json.dumps({"uuid": uuid, "parentUuid": parent, "type": kind, "message": message, **more}).encode()


def test_what_the_cli_writes_in_the_users_name_is_no_prompt() -> None:
    record = parse_record(
        [
            line("1", None, "<local-command-caveat>Caveat", isMeta=True),
            line("2", "1", "<command-name>/model</command-name>\n<command-args>haiku</command-args>"),
            line("3", "2", "<local-command-stdout>Set model</local-command-stdout>"),
            line("4", "3", "<task-notification>done</task-notification>", origin={"kind": "task-notification"}),
            line("5", "4", "A summary", isCompactSummary=True),
            line("6", "5", "said by a subagent", isSidechain=True),
            b"not JSON",
            b'{"type":"last-prompt","leafUuid":"7"}',
            line("7", "5", "<b>bold</b> is HTML"),
            line("8", "7", "Yes.", "assistant"),
        ]
    )
    assert [[one.text for one in entry.messages] for entry in record.entries] == [
        ["/model haiku"],
        ["<b>bold</b> is HTML"],
        ["Yes."],
    ]
    assert [entry.uuid for entry in record.said_elsewhere(known=())] == ["7", "8"]
    assert record.said_elsewhere(known={"8"}) == []


def test_a_prompt_that_was_replaced_is_not_a_part_of_the_conversation() -> None:
    record = parse_record(
        [
            line("1", None, "one"),
            line("2", "1", "answer", "assistant"),
            line("3", "2", "replaced"),
            line("4", "3", "answer", "assistant"),
            line("5", "2", "two"),
            line("6", "5", "answer", "assistant"),
        ]
    )
    assert [entry.uuid for entry in record.of_conversation()] == ["1", "2", "5", "6"]
    assert record.resumed() == {"1", "2", "5", "6"}
