"""Sessions with the real CLI, which uses a fake API on loopback.  Skipped if the CLI is not installed."""

import pytest
from sidecar_protocol.claude.runs import ClaudeUsage
from sidecar_protocol.claude.sessions import MessageKind, SessionStatus

from tests.claude.client import ClaudeClient, both_releases, connected
from tests.claude.harness import cli_of, processes_of, tools_of, until
from tests.conftest import StartSidecar
from tests.fakes.anthropic import FakeAnthropic


def last_conversation(api: FakeAnthropic) -> str:
    """Returns the conversation in the last request to the API."""
    return str(api.messages()[-1].body["messages"])


@both_releases
async def test_claude_remembers_the_turns_before(real_client: ClaudeClient, api: FakeAnthropic) -> None:
    session = await real_client.sessions.create()
    await real_client.answer_text(session.session_id, "Remember the word heron.")
    process = cli_of(session.session_id)
    assert await real_client.answer_text(session.session_id, "[[text:It was heron.]]") == "It was heron."
    await real_client.answer_text(session.session_id, "And the third?")
    assert "Remember the word heron." in last_conversation(api)
    assert "It was heron." in last_conversation(api)
    assert cli_of(session.session_id) == process
    after = await real_client.sessions.get(session_id=session.session_id)
    assert after.usage == ClaudeUsage(
        input_tokens=36, output_tokens=27, cache_creation_input_tokens=9, cache_read_input_tokens=12
    )
    assert after.total_cost_usd > 0


@both_releases
async def test_each_prompt_is_answered_with_the_effort_of_its_session(
    real_client: ClaudeClient, api: FakeAnthropic
) -> None:
    session = await real_client.sessions.create(effort="low")
    await real_client.answer_text(session.session_id, "one")
    process = cli_of(session.session_id)
    for effort in ("max", None):
        await real_client.sessions.update(session_id=session.session_id, effort=effort)
        await real_client.answer_text(session.session_id, f"{effort}")
    assert cli_of(session.session_id) == process
    low, high, reset = (request.body["output_config"]["effort"] for request in api.messages())
    assert (low, high) == ("low", "max")
    assert reset not in ("low", "max")


@both_releases
async def test_a_conversation_continues_after_a_restart(
    sidecar: StartSidecar, real_environment: dict[str, str], api: FakeAnthropic
) -> None:
    async with connected(sidecar, **real_environment) as claude:
        session = await claude.sessions.create()
        first = await claude.take_turn(session.session_id, "Remember the word heron.")
    async with connected(sidecar, **real_environment) as claude:
        second = await claude.take_turn(session.session_id, "Which word?")
        after = await claude.sessions.get(session_id=session.session_id)
    assert "Remember the word heron." in last_conversation(api)
    costs = [job["result"]["total_cost_usd"] for job in (first, second)]
    assert after.total_cost_usd == pytest.approx(sum(costs))
    assert costs[1] == pytest.approx(costs[0])


@both_releases
async def test_a_fork_and_its_parent_both_continue(real_client: ClaudeClient, api: FakeAnthropic) -> None:
    session = await real_client.sessions.create()
    await real_client.answer_text(session.session_id, "Remember the word heron.")
    fork = await real_client.sessions.fork(session_id=session.session_id)
    await real_client.answer_text(fork.session_id, "In the fork.")
    assert "Remember the word heron." in last_conversation(api)
    await real_client.answer_text(session.session_id, "In the parent.")
    assert "In the fork." not in last_conversation(api)
    await real_client.answer_text(fork.session_id, "In the fork again.")
    assert "In the fork." in last_conversation(api)
    assert "In the parent." not in last_conversation(api)
    ids = {(await real_client.sessions.get(session_id=one.session_id)).claude_session_id for one in (session, fork)}
    assert len(ids) == 2


@both_releases
async def test_an_interrupt_ends_the_tool_and_the_process_runs_the_next_turn(real_client: ClaudeClient) -> None:
    session = await real_client.sessions.create(allowed_tools=["Bash"])

    job = await real_client.sessions.send(session_id=session.session_id, prompt="[[tool:bash:tail -f /dev/null]]")
    await until(lambda: tools_of(session.session_id, "tail"))
    process = cli_of(session.session_id)
    await real_client.sessions.interrupt(session_id=session.session_id)
    await real_client.until_job(job.job_id, "cancelled")
    await until(lambda: not tools_of(session.session_id, "tail"))  # the CLI reports the end before the process exits
    assert await real_client.answer_text(session.session_id, "[[text:next]]") == "next"
    assert cli_of(session.session_id) == process


async def test_a_turn_that_is_interrupted_at_once_ends(real_client: ClaudeClient, api: FakeAnthropic) -> None:
    session = await real_client.sessions.create()
    await real_client.answer_text(session.session_id, "hi")
    job = await real_client.sessions.send(session_id=session.session_id, prompt="[[slow:5000]]")
    await real_client.until_job(job.job_id, "running")
    await real_client.sessions.interrupt(session_id=session.session_id)
    await real_client.until_job(job.job_id, "cancelled")
    assert (await real_client.sessions.get(session_id=session.session_id)).status is SessionStatus.INTERRUPTED
    assert await real_client.answer_text(session.session_id, "[[text:next]]") == "next"


@both_releases
async def test_a_turn_that_is_interrupted_in_a_long_answer_ends(real_client: ClaudeClient, api: FakeAnthropic) -> None:
    session = await real_client.sessions.create()
    job = await real_client.sessions.send(session_id=session.session_id, prompt="[[gate:60]]")
    api.release(50)
    await real_client.until(lambda one: one.method == "claude.delta" and "w49" in one.params["text"])
    await real_client.sessions.interrupt(session_id=session.session_id)
    await real_client.until_job(job.job_id, "cancelled")


@both_releases
async def test_a_tool_call_and_its_output_are_messages(real_client: ClaudeClient) -> None:
    session = await real_client.sessions.create(allowed_tools=["Bash"])
    await real_client.answer_text(session.session_id, "[[tool:bash:echo hi from bash]]")
    log = await real_client.messages(session.session_id)
    assert [(one.kind, one.text) for one in log] == [
        (MessageKind.USER, "[[tool:bash:echo hi from bash]]"),
        (MessageKind.ASSISTANT_TEXT, "I will use Bash."),
        (MessageKind.TOOL_USE, "Bash"),
        (MessageKind.TOOL_RESULT, "hi from bash"),
        (MessageKind.ASSISTANT_TEXT, "tool said: hi from bash"),
    ]


async def test_an_answer_of_megabytes_is_stored_completely(real_client: ClaudeClient) -> None:
    session = await real_client.sessions.create()
    assert len(await real_client.answer_text(session.session_id, "[[big:1500000]]")) == 1_500_000
    assert [len(one.text) for one in await real_client.messages(session.session_id)] == [15, 1_500_000]
    assert await real_client.answer_text(session.session_id, "[[text:next]]") == "next"


async def test_a_session_continues_after_a_kill_in_its_first_turn(
    sidecar: StartSidecar, real_environment: dict[str, str], api: FakeAnthropic
) -> None:
    async with sidecar(**real_environment) as client:
        await client.initialize("tests")
        claude = ClaudeClient(client)
        session = await claude.sessions.create()
        job = await claude.sessions.send(session_id=session.session_id, prompt="[[gate:5]] heron")
        api.release()
        await claude.first_delta(job.job_id)
        client.process.kill()
        await client.process.wait()
    await until(lambda: processes_of(session.session_id) == [])
    async with connected(sidecar, **real_environment) as claude:
        assert (await claude.client.call("jobs.get", {"job_id": job.job_id}))["status"] in ("running", "interrupted")
        assert await claude.answer_text(session.session_id, "[[text:back]]") == "back"
        assert (await claude.client.call("jobs.get", {"job_id": job.job_id}))["status"] == "interrupted"
    assert "heron" in last_conversation(api)
