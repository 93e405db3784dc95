"""The handler of `claude.run`, with the scripted stand-in as the CLI."""

import json
from pathlib import Path

import anyio
import pytest
from sidecar_protocol.claude.delays import ClaudeApiRetry, ClaudeStall
from sidecar_protocol.claude.runs import ClaudeRunResult, ClaudeUsage, RunClaude, session_lock

from sidecar.claude import handlers
from sidecar.claude.process.stopping import StopTimeouts
from sidecar.feed import FeedEvent
from sidecar.job_handler import JobFailed
from tests.claude.harness import MakeRunHarness, RunHarness, until

USAGE = ClaudeUsage(input_tokens=12, output_tokens=9, cache_creation_input_tokens=3, cache_read_input_tokens=4)


async def failure(harness: RunHarness, prompt: str, **fields: object) -> JobFailed:
    with pytest.raises(JobFailed) as raised, anyio.fail_after(120):
        await harness.run(prompt, **fields)
    assert harness.processes() == []
    return raised.value


async def test_a_run_returns_the_answer_and_its_cost(harness: RunHarness) -> None:
    with anyio.fail_after(120):
        result = await harness.run("[[text:hello]]", model="sonnet")
    assert result == ClaudeRunResult(
        text="hello",
        session_id=result.session_id,
        model="sonnet",
        usage=USAGE,
        total_cost_usd=0.01,
        num_turns=1,
        duration_ms=5,
        stop_reason="end_turn",
    )
    assert harness.processes() == []


async def test_the_text_is_sent_in_deltas_while_it_is_written(harness: RunHarness) -> None:
    with anyio.fail_after(120):
        result = await harness.run("[[slow:20]]")
    assert harness.text == result.text
    assert len(harness.deltas) > 1
    assert [delta.offset for delta in harness.deltas] == [
        sum(len(delta.text) for delta in harness.deltas[:index]) for index in range(len(harness.deltas))
    ]
    assert {(delta.job_id, delta.session_id) for delta in harness.deltas} == {
        (harness.context.job_id, result.session_id)
    }


async def test_a_run_without_an_answer_fails_whatever_it_has_done(harness: RunHarness) -> None:
    failed = await failure(harness, "[[tool:ls]] [[text: \n]]")
    details = failed.details or {}
    assert (failed.kind, failed.retryable, details["num_turns"]) == ("no_answer", False, 1)
    assert failed.message == "Claude ended without an answer."
    assert (details["session_id"] is not None, details["stop_reason"]) == (True, "end_turn")
    [event] = harness.events
    assert (event.event_type, event.description) == ("run_failed", "Claude ended without an answer.")


async def test_a_finished_run_is_written_into_the_feed(harness: RunHarness) -> None:
    with anyio.fail_after(120):
        result = await harness.run("Say it\n[[text:hello]]")
    assert harness.events == [
        FeedEvent(
            event_id=f"claude:run:{harness.context.job_id}",
            event_type="run_completed",
            at_ms=harness.events[0].at_ms,
            title="Say it",
            description="hello",
            full_text="Say it\n[[text:hello]]",
            raw={
                "job_id": harness.context.job_id,
                "session_id": result.session_id,
                "model": "claude-standin-1",
                "cwd": str(harness.home),
                "usage": USAGE.model_dump(),
                "total_cost_usd": 0.01,
                "num_turns": 1,
                "duration_ms": 5,
            },
        )
    ]


async def test_the_cli_receives_the_options_but_not_the_prompt_as_arguments(
    harness: RunHarness, tmp_path: Path
) -> None:
    (tmp_path / "work").mkdir()
    record = tmp_path / ".claude" / "projects" / "work" / "066f4611-8996-4f21-850f-783594e01366.jsonl"
    record.parent.mkdir(parents=True)
    record.touch()
    with anyio.fail_after(120):
        result = await harness.run(
            "[[about]]",
            cwd=str(tmp_path / "work"),
            model="opus",
            session_id="066f4611-8996-4f21-850f-783594e01366",
            allowed_tools=["Read", "Bash(git *)"],
            permission_mode="plan",
            max_turns=3,
            max_budget_usd=0.5,
            system_prompt="--be brief",
        )
    about = json.loads(result.text)
    assert about["cwd"] == str(tmp_path / "work")
    assert about["argv"] == [
        "--print",
        "--input-format=stream-json",
        "--output-format=stream-json",
        "--verbose",
        "--include-partial-messages",
        "--replay-user-messages",
        "--model=opus",
        "--resume=066f4611-8996-4f21-850f-783594e01366",
        "--permission-mode=plan",
        "--max-turns=3",
        "--max-budget-usd=0.5",
        "--append-system-prompt=--be brief",
        "--allowedTools=Read",
        "--allowedTools=Bash(git *)",
    ]
    assert about["environment"]["SIDECAR_JOB"] == harness.context.job_id


async def test_a_retry_of_the_api_is_reported(harness: RunHarness) -> None:
    with anyio.fail_after(120):
        await harness.run("[[retry]]")
    assert (
        "warning",
        "Claude's API refused a request or could not be reached (529): retry 1 of 10 in 0.0 s",
    ) in harness.context.logged
    assert "Waiting for Claude's API: retry 1 of 10 in 0.0 s" in harness.context.progressed
    (retry,) = [one for one in harness.delays if isinstance(one, ClaudeApiRetry)]
    assert (retry.job_id, retry.attempt, retry.max_retries, retry.delay_ms) == (harness.context.job_id, 1, 10, 10)
    assert (retry.status, retry.error) == (529, "overloaded")


async def test_a_turn_that_was_due_at_the_end_of_a_run_changes_its_cost_and_not_its_answer(harness: RunHarness) -> None:
    with anyio.fail_after(120):
        result = await harness.run("[[due:((text:scheduled))]] [[text:first]]")
    assert (result.text, result.total_cost_usd) == ("first", 0.02)


async def test_stray_output_does_not_disturb_a_run(harness: RunHarness) -> None:
    with anyio.fail_after(120):
        result = await harness.run("[[stderr:a warning]] [[unknown]] [[garbage]] [[huge:5000000]] [[text:fine]]")
    assert result.text == "fine"
    assert ("warning", "2 lines of Claude's output could not be read") in harness.context.logged


async def test_an_answer_over_two_mebibytes_is_truncated_and_marked(harness: RunHarness) -> None:
    with anyio.fail_after(120):
        result = await harness.run("[[big:3000000]]")
    assert (len(result.text), result.text_truncated) == (2 * 1024 * 1024, True)
    assert len(harness.text) == 3_000_000


async def test_a_prompt_of_a_megabyte_is_accepted(harness: RunHarness) -> None:
    with anyio.fail_after(120):
        result = await harness.run("[[text:read it]]" + "x" * 1_500_000)
    assert result.text == "read it"


async def test_a_cancelled_run_leaves_no_process(harness: RunHarness) -> None:
    with anyio.fail_after(120):
        await harness.cancel("[[grandchild]] [[hang]]", when=lambda: bool(harness.text))
    assert harness.processes() == []
    assert [(event.event_type, (event.raw or {})["shutdown"]) for event in harness.events] == [("run_cancelled", False)]


async def test_a_shutdown_does_not_wait_for_a_cli_that_ignores_everything(
    harness: RunHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "CANCEL", StopTimeouts(terminate_s=600, kill_s=600, end_s=600))
    harness.is_draining = True
    with anyio.fail_after(120):
        await harness.cancel("[[stubborn]] [[grandchild]] [[hang]]", when=lambda: bool(harness.text))
        await until(lambda: not harness.processes())  # a shutdown kills, and waits only for a second


async def test_a_process_that_a_tool_left_running_ends_with_the_run(harness: RunHarness) -> None:
    with anyio.fail_after(120):
        result = await harness.run("[[grandchild]] [[text:done]]")
    assert result.text == "done"
    assert harness.processes() == []


async def test_a_run_ends_although_a_tool_holds_the_pipe(harness: RunHarness) -> None:
    caught = await failure(harness, "[[holder]] [[exit:3]]")
    assert caught.kind == "process_exited"


async def test_a_run_is_stopped_after_its_timeout(harness: RunHarness) -> None:
    caught = await failure(harness, "[[hang]]", timeout_s=1.0)
    assert (caught.kind, caught.message) == ("timeout", "Claude did not finish within 1 seconds.")
    assert [event.event_type for event in harness.events] == ["run_failed"]


async def test_a_long_silence_is_reported_at_growing_intervals(harness: RunHarness) -> None:
    def silences() -> list[float]:
        return [one.silent_s for one in harness.delays if isinstance(one, ClaudeStall) and not one.tools]

    with anyio.fail_after(120):
        await harness.cancel("[[hang]]", when=lambda: 2.0 in silences())
    assert silences()[-3:] == [0.5, 1.0, 2.0]  # a slow start is a silence, too
    words = "Claude has sent nothing for 0.5 s: the connection to its API may have stalled"
    assert ("warning", words) in harness.context.logged


@pytest.mark.parametrize(
    ("prompt", "kind"),
    [
        ("[[error:401]]", "auth"),
        ("[[error:429]]", "rate_limited"),
        ("[[error:529]]", "overloaded"),
        ("[[error:503]]", "server_error"),
        ("[[error:400]]", "api_error"),
        ("[[exit:0]]", "no_result"),
        ("[[stderr:boom]] [[exit:3]]", "process_exited"),
        ("[[kill:9]]", "killed_by_signal"),
    ],
)
async def test_each_failure_has_its_own_kind(harness: RunHarness, prompt: str, kind: str) -> None:
    assert (await failure(harness, prompt)).kind == kind


async def test_half_an_emoji_in_an_error_is_replaced(harness: RunHarness) -> None:
    failed = await failure(harness, r"[[error:400:cut \ud83d]]")
    told = f"{failed.message} {failed.details}".encode("ascii", "backslashreplace").decode()  # no report takes a half
    assert r"(API Error: 400 cut \ufffd)" in told
    assert "ud83d" not in told


async def test_an_unknown_session_has_its_own_kind(harness: RunHarness) -> None:
    caught = await failure(harness, "hi", session_id="00000000-0000-0000-0000-000000000000")
    assert (caught.kind, caught.retryable) == ("session_unknown", False)


async def test_a_missing_folder_is_reported_before_a_process_starts(harness: RunHarness, tmp_path: Path) -> None:
    caught = await failure(harness, "hi", cwd=str(tmp_path / "gone"))
    assert caught.kind == "cwd_missing"
    assert "claude.sessions.update" in (caught.hint or "")


async def test_a_file_that_is_not_a_program_is_reported_as_broken(
    make_run_harness: MakeRunHarness, tmp_path: Path
) -> None:
    broken = tmp_path / "claude"
    broken.write_bytes(b"\x7fELF and nothing else")
    broken.chmod(0o755)
    assert (await failure(make_run_harness(broken), "hi")).kind == "executable_broken"


async def test_a_run_locks_its_new_session(harness: RunHarness) -> None:
    result = await harness.run("[[text:one]]")
    assert harness.context.locked == [session_lock(result.session_id or "")]
    assert RunClaude(prompt="two", session_id=result.session_id).lock_key() == harness.context.locked[0]
    assert RunClaude(prompt="another").lock_key() is None
