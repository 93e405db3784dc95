"""The handler of runs with the real CLI and a fake API on loopback.  Skipped if the binary is absent."""

from pathlib import Path

import anyio
import pytest
from sidecar_protocol.claude.runs import ClaudeUsage

from sidecar.claude.process.discovery import read_version
from tests.claude.client import both_releases
from tests.claude.harness import RunHarness, tools_of
from tests.claude.test_handlers import failure
from tests.fakes.anthropic import FakeAnthropic


@both_releases
async def test_an_answer_arrives_in_several_deltas(real_harness: RunHarness, api: FakeAnthropic) -> None:
    with anyio.fail_after(120):
        result = await real_harness.run("[[slow:12]]")
    assert result.text == real_harness.text == "".join(f"w{index} " for index in range(12))
    assert len(real_harness.deltas) > 1
    assert result.usage == ClaudeUsage(
        input_tokens=12, output_tokens=9, cache_creation_input_tokens=3, cache_read_input_tokens=4
    )
    assert (result.num_turns, result.stop_reason, result.permission_denials) == (1, "end_turn", [])
    assert len(api.messages()) == 1
    assert real_harness.processes() == []


async def test_text_arrives_before_the_answer_is_complete(real_harness: RunHarness, api: FakeAnthropic) -> None:
    real_harness.on_delta = lambda _: api.release()
    api.release()
    with anyio.fail_after(120):
        result = await real_harness.run("[[gate:5]]")  # the API sends a word only once the one before has arrived
    assert result.text == real_harness.text == "w0 w1 w2 w3 w4 "


@both_releases
async def test_cancelling_a_running_tool_ends_the_tool(real_harness: RunHarness) -> None:
    def tool_runs() -> bool:
        return bool(tools_of(real_harness.context.job_id, "tail"))

    with anyio.fail_after(120):
        await real_harness.cancel("[[tool:bash:tail -f /dev/null]]", when=tool_runs, allowed_tools=["Bash"])
    assert real_harness.processes() == []
    assert [event.event_type for event in real_harness.events] == ["run_cancelled"]


async def test_a_shutdown_ends_a_tool_that_left_the_process_group(real_harness: RunHarness) -> None:
    real_harness.is_draining = True

    def tool_runs() -> bool:
        return bool(tools_of(real_harness.context.job_id, "tail"))

    with anyio.fail_after(120):
        await real_harness.cancel("[[tool:bash:setsid tail -f /dev/null]]", when=tool_runs, allowed_tools=["Bash"])
    assert real_harness.processes() == []


@both_releases
async def test_a_denied_tool_is_named(real_harness: RunHarness, tmp_path: Path) -> None:
    with anyio.fail_after(120):
        result = await real_harness.run(f"[[tool:bash:touch {tmp_path}/forbidden]]", permission_mode="default")
    assert result.permission_denials == ["Bash"]
    assert not (tmp_path / "forbidden").exists()


@both_releases
async def test_a_session_is_resumed_with_its_history(real_harness: RunHarness, api: FakeAnthropic) -> None:
    with anyio.fail_after(120):
        first = await real_harness.run("Remember the word heron.")
        second = await real_harness.run("[[text:heron]]", session_id=first.session_id)
    assert second.session_id == first.session_id
    assert "Remember the word heron." in str(api.messages()[1].body["messages"])


@both_releases
async def test_an_unknown_session_has_its_own_kind(real_harness: RunHarness) -> None:
    assert (
        await failure(real_harness, "hi", session_id="066f4611-8996-4f21-850f-783594e01366")
    ).kind == "session_unknown"


@both_releases
@pytest.mark.parametrize(
    ("prompt", "kind"),
    [
        ("[[error:401]]", "auth"),
        ("[[error:404]]", "model_unavailable"),
        ("[[error:529]]", "overloaded"),
        ("[[refuse]]", "refusal"),
    ],
)
async def test_an_error_of_the_api_has_its_own_kind(real_harness: RunHarness, prompt: str, kind: str) -> None:
    assert (await failure(real_harness, prompt)).kind == kind


@both_releases
async def test_too_many_turns_fail(real_harness: RunHarness) -> None:
    caught = await failure(real_harness, "[[tool:bash:true]]", allowed_tools=["Bash"], max_turns=1)
    assert caught.kind == "max_turns"


@both_releases
async def test_a_run_that_reaches_its_budget_is_stopped_within_the_turn(
    real_harness: RunHarness, api: FakeAnthropic
) -> None:
    caught = await failure(
        real_harness, "[[tool:bash:true]]", allowed_tools=["Bash"], max_budget_usd=0.000_001, model="opus"
    )
    assert caught.kind == "budget_exceeded"
    assert "max_budget_usd" in str(caught.hint)
    assert len(api.messages()) == 1, "the result of the tool was not sent"


async def test_a_broken_stream_is_requested_again(real_harness: RunHarness, api: FakeAnthropic) -> None:
    with anyio.fail_after(120):
        await real_harness.run("[[cut]]")
    assert len(api.messages()) == 2


@both_releases
async def test_an_answer_of_megabytes_arrives_whole(real_harness: RunHarness) -> None:
    with anyio.fail_after(120):
        result = await real_harness.run("[[big:1500000]]")
    assert (len(result.text), result.text_truncated) == (1_500_000, False)
    assert real_harness.text == result.text


async def test_the_options_reach_the_model(real_harness: RunHarness, api: FakeAnthropic) -> None:
    with anyio.fail_after(120):
        result = await real_harness.run("[[text:ok]]", model="haiku", system_prompt="--Speak like a heron.")
    request = api.messages()[0].body
    assert "haiku" in request["model"]
    assert request["model"] == result.model
    assert "--Speak like a heron." in str(request["system"])


@both_releases
async def test_the_binary_prints_its_version(real_claude: Path, api: FakeAnthropic, tmp_path: Path) -> None:
    with anyio.fail_after(120):
        assert (await read_version(real_claude, api.environment(tmp_path))).endswith("(Claude Code)")
