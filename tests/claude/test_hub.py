"""The hub inside Claude: its tools are offered, called, limited to what a session may do, and switched off."""

import json
from dataclasses import replace

import pytest
from sidecar_protocol import catalog
from sidecar_protocol.claude.runs import HubAccess, PermissionMode
from sidecar_protocol.claude.sessions import MessageKind
from sidecar_protocol.contract import ToolUse
from sidecar_protocol.tools import tools_of

from sidecar.claude.hub import cli_name
from tests.claude.client import FINAL, ClaudeClient, Talk, both_releases, every_claude, scripted

BYTES_A_TOKEN = 3
"""Fewer than JSON of English words has (about four), so that the count of tokens is rather too high."""
CALL = '[[call:mcp__hub__jobs_list:{"type":"maintenance.backup"}]]'


def job_ids(answer: str) -> list[str]:
    """Returns the ids in the answer of Claude, which repeats the result of its tool."""
    said = answer.removeprefix("tool said: ").removeprefix("tool said (ok): ")
    return [job["job_id"] for job in json.loads(said)["jobs"]]


async def backup(claude: ClaudeClient) -> str:
    await claude.client.call("jobs.queue.pause", {})
    job_id: str = (await claude.client.call("jobs.create", {"type": "maintenance.backup"}))["job"]["job_id"]
    await claude.client.call("jobs.queue.resume", {})
    return job_id


@every_claude
@pytest.mark.parametrize("mode", [PermissionMode.DEFAULT, PermissionMode.PLAN, PermissionMode.DONT_ASK])
async def test_a_session_reads_the_hub_without_asking(talk: Talk, mode: PermissionMode) -> None:
    async with talk.connected() as claude:
        job_id = await backup(claude)
        session = await claude.sessions.create(hub=HubAccess.READ, permission_mode=mode)
        assert session.hub is HubAccess.READ
        answer = await claude.answer_text(session.session_id, CALL)
        assert job_ids(answer) == [job_id]
        assert (await claude.permissions.list()).requests == []
        messages = await claude.messages(session.session_id)
        (used,) = [one for one in messages if one.kind is MessageKind.TOOL_USE]
        (result,) = [one for one in messages if one.kind is MessageKind.TOOL_RESULT]
        assert used.text == "mcp__hub__jobs_list"
        assert json.loads(result.text)["jobs"][0]["job_id"] == job_id
        # The process is kept, and its server answers in the next turn too.
        assert job_ids(await claude.answer_text(session.session_id, CALL)) == [job_id]


@both_releases
async def test_all_that_the_hub_adds_to_a_request_is_less_than_2000_tokens(talk: Talk) -> None:
    """All tools, also where the release defers their descriptions, their names, and the instructions with citations."""
    assert talk.api is not None
    sent: dict[str, int] = {}
    tools = [cli_name(tool) for tool in tools_of(catalog.methods(), ToolUse.READ)]
    async with talk.connected() as claude:
        for hub in (HubAccess.OFF, HubAccess.READ):
            session = await claude.sessions.create(hub=hub)
            await claude.answer_text(session.session_id, "hello")
            body = talk.api.messages()[-1].body
            rest = [body["system"], body["messages"]]
            assert ("cite the rows" in compact(rest)) == (hub is HubAccess.READ)
            sent[hub] = len(compact(rest).encode())
            query = json.dumps({"query": f"select:{','.join(tools)}", "max_results": len(tools)})
            await claude.answer_text(session.session_id, f"[[call:ToolSearch:{query}]]")
            described = {tool["name"]: tool for tool in talk.api.messages()[-1].body["tools"]}
        loaded = len(compact([described[name] for name in tools]).encode())
    assert 0 < (loaded + sent[HubAccess.READ] - sent[HubAccess.OFF]) / BYTES_A_TOKEN < 2_000, (loaded, sent)


def compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@both_releases
async def test_a_run_reads_the_hub(talk: Talk) -> None:
    async with talk.connected() as claude:
        job_id = await backup(claude)
        run = await claude.client.call("claude.spawn", {"prompt": CALL, "hub": "read"})
        done = await claude.until_job(run["job_id"], *FINAL)
        assert job_ids(done["result"]["text"]) == [job_id]


@scripted
async def test_a_session_and_a_run_have_the_hub_unless_it_is_switched_off(talk: Talk) -> None:
    async with talk.connected() as claude:
        session = await claude.sessions.create()
        assert session.hub is HubAccess.READ
        assert job_ids(await claude.answer_text(session.session_id, CALL)) == []
        run = await claude.client.call("claude.spawn", {"prompt": CALL})
        assert job_ids((await claude.until_job(run["job_id"], *FINAL))["result"]["text"]) == []
        fork = await claude.sessions.fork(session_id=session.session_id)
        assert fork.hub is HubAccess.READ
        await claude.sessions.update(session_id=session.session_id, hub=HubAccess.OFF)
        assert "No such tool" in await claude.answer_text(session.session_id, CALL)
    off = replace(talk, environment={**talk.environment, "CLAUDE_HUB": "off"})
    async with off.connected() as claude:
        assert "No such tool" in await claude.answer_text(fork.session_id, CALL)


@scripted
async def test_an_error_of_a_tool_reaches_claude_and_the_turn_goes_on(talk: Talk) -> None:
    async with talk.connected() as claude:
        session = await claude.sessions.create(hub=HubAccess.READ)
        answer = await claude.answer_text(session.session_id, '[[call:mcp__hub__jobs_get:{"job_id":"none"}]]')
        assert answer.startswith("tool said (error): ")
        assert json.loads(answer.partition(": ")[2])["error"]["kind"] == "job_not_found"
