"""Who said what in a session: Claude, its thinking, and its subagents; and what the CLI says about itself."""

from pathlib import Path
from typing import Any

import pytest
from sidecar_protocol.claude.permissions import PermissionDecision
from sidecar_protocol.claude.sessions import MessageKind

from tests.claude.client import SCRIPTED, ClaudeClient, Talk, every_claude
from tests.claude.trust.folders import ForeignFolder

CALL = {"description": "look", "prompt": "Make a folder.", "subagent_type": "general-purpose"}
SAID = {"type": "text", "text": "It is done."}
MKDIR = {"command": "mkdir ../one", "description": "make it"}
SCRIPT: dict[str, list[list[dict[str, Any]]]] = {
    "Let an agent look.": [[{"type": "tool_use", "name": "Agent", "input": CALL}], *[[SAID]] * 3],
    "Make a folder.": [[{"type": "tool_use", "name": "Bash", "input": MKDIR}], *[[SAID]] * 2],
}


@every_claude
async def test_what_a_subagent_says_and_requests_is_marked_as_its_own(talk: Talk, release: str, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    async with talk.connected() as claude:
        session = await claude.sessions.create(cwd=str(project))
        if talk.api is not None:
            talk.api.script = SCRIPT
        prompt = "[[agentask:mkdir ../one]]" if release == SCRIPTED else "Let an agent look."
        job = await claude.sessions.send(session_id=session.session_id, prompt=prompt)
        request = await claude.permission_request(job.job_id)
        assert (request.parent is not None, request.agent) == (True, "general-purpose")
        await claude.permissions.respond(request_id=request.request_id, decision=PermissionDecision.ALLOW)
        await claude.until_job(job.job_id, "succeeded")
        messages = await claude.messages(session.session_id)
        own = [one for one in messages if one.parent is None]
        agents = [one for one in messages if one.parent is not None]
        assert {one.parent for one in agents} == {request.parent}
        assert {one.agent for one in agents} == {"general-purpose"}
        assert {one.agent for one in own} == {None}
        assert MessageKind.ASSISTANT_TEXT in {one.kind for one in own}
        fork = await claude.sessions.fork(session_id=session.session_id)
        assert [one.parent for one in await claude.messages(fork.session_id)] == [one.parent for one in messages]
        text = (await claude.client.call("claude.sessions.export", {"session_id": session.session_id}))["text"]
        assert "> **Subagent general-purpose**" in text
        said = next(one.text for one in agents if one.kind in (MessageKind.ASSISTANT_TEXT, MessageKind.TOOL_USE))
        assert any(line.startswith("> ") and said in line for line in text.splitlines())


@every_claude
async def test_thinking_is_streamed_and_kept_as_its_own_message(talk: Talk, tmp_path: Path) -> None:
    async with talk.connected() as claude:
        session = await claude.sessions.create(cwd=str(tmp_path))
        job = await claude.take_turn(session.session_id, "[[think:Let me think.]] [[text:done]]")
        assert job["result"]["text"] == "done"
        thought = "".join(text_of(claude, "claude.thinking_delta", job["job_id"]))
        assert thought == "Let me think."
        assert "".join(text_of(claude, "claude.delta", job["job_id"])) == "done"
        messages = await claude.messages(session.session_id)
        assert [(one.kind, one.text) for one in messages] == [
            (MessageKind.USER, "[[think:Let me think.]] [[text:done]]"),
            (MessageKind.THINKING, "Let me think."),
            (MessageKind.ASSISTANT_TEXT, "done"),
        ]
        redacted = "[[redacted]]" if talk.api is not None else "[[think:]]"
        await claude.answer_text(session.session_id, f"{redacted} [[text:done]]")
        kept = (await claude.messages(session.session_id))[-2]
        assert (kept.kind, kept.text) == (MessageKind.THINKING, "")
        assert "REDACTED-DATA" not in str(kept.raw)


@every_claude
async def test_what_the_cli_reports_about_itself_makes_no_empty_messages(talk: Talk, tmp_path: Path) -> None:
    folder = ForeignFolder(tmp_path / "folder", tmp_path / "marks")
    failing = {"hooks": [{"type": "command", "command": "echo broken >&2; exit 1"}]}
    folder.write_settings(hooks={"SessionStart": [folder.hook("hook"), failing]})
    async with talk.connected() as claude:
        session = await claude.sessions.create(cwd=str(folder.path), trust=True)
        await claude.answer_text(session.session_id, "[[text:hi]]")
        messages = await claude.messages(session.session_id)
        assert [one for one in messages if one.kind is MessageKind.RAW] == []
        notices = [one.text for one in messages if one.kind is MessageKind.NOTICE]
        assert notices == ["The hook SessionStart:startup failed: broken"]


def text_of(claude: ClaudeClient, name: str, job_id: str) -> list[str]:
    return [one.params["text"] for one in claude.received if one.method == name and one.params["job_id"] == job_id]


@pytest.mark.parametrize("release", [SCRIPTED], indirect=True)
async def test_unknown_output_with_content_is_kept(talk: Talk, tmp_path: Path) -> None:
    async with talk.connected() as claude:
        session = await claude.sessions.create(cwd=str(tmp_path))
        await claude.answer_text(session.session_id, "[[unknown]] [[text:hi]]")
        (raw,) = [one for one in await claude.messages(session.session_id) if one.kind is MessageKind.RAW]
        assert raw.raw["payload"] == {"nested": [1, 2, 3]}
