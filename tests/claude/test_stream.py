"""Reading stream-json: streams recorded from the real CLI, and constructed edge cases."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sidecar_protocol.claude.runs import ClaudeRunResult, ClaudeUsage

from sidecar.claude.stream import Delta, Finished, Retry, RunReader, Started, Thought, Update
from sidecar.job_handler import JobFailed
from sidecar.json_reader import parse_object
from sidecar.text import utf16_length

EMOJI = "\N{SLIGHTLY SMILING FACE}"
RECORDED = [
    "02-partial",
    "04-tool-bash-denied",
    "10-resume-unknown",
    "12-max-turns",
    "30-multiturn",
    "46-controls",
    "47-slash",
    "57-cut-midstream",
    "80-tool-running-interrupt",
    "95-v2.1.197-basic",
]


def line(**message: Any) -> bytes:
    return json.dumps(message).encode()


def event(parent: str | None = None, **fields: Any) -> bytes:
    return line(type="stream_event", event=fields, parent_tool_use_id=parent, session_id="s1")


def start(message_id: str = "m1", parent: str | None = None) -> bytes:
    return event(parent, type="message_start", message={"id": message_id})


def piece(text: str, index: int = 0, parent: str | None = None) -> bytes:
    return event(parent, type="content_block_delta", index=index, delta={"type": "text_delta", "text": text})


def result(**fields: Any) -> bytes:
    return line(**{"type": "result", "subtype": "success", "is_error": False, "result": "done"} | fields)


def read(lines: Iterable[bytes]) -> tuple[RunReader, list[Update]]:
    reader = RunReader()
    return reader, [update for each in lines for update in reader.read(parse_object(each))]


def recorded(folder: Path, name: str) -> list[bytes]:
    """The lines of stdout in a recording; lines that begin with # are what was written to stdin."""
    lines = (folder / f"{name}.jsonl").read_bytes().split(b"\n")
    return [each for each in lines if each.strip() and not each.startswith(b"#")]


def failure(reader: RunReader, exit_code: int = 1, stderr: str = "") -> JobFailed:
    with pytest.raises(JobFailed) as raised:
        reader.finish(exit_code, stderr)
    return raised.value


def test_a_recorded_run_gives_a_start_its_text_and_an_outcome(recordings: Path) -> None:
    reader, updates = read(recorded(recordings, "02-partial"))
    session = "066f4611-8996-4f21-850f-783594e01366"
    assert updates == [
        Started(session, "claude-opus-5-5", "2.1.330"),
        Delta("msg_18d280899994420b8ff9", 0, "Hello partial world"),
        Finished(is_error=False),
    ]
    assert reader.finish(0, "") == ClaudeRunResult(
        text="Hello partial world",
        session_id=session,
        model="claude-opus-5-5",
        usage=ClaudeUsage(input_tokens=12319, output_tokens=11),
        total_cost_usd=0.049496,
        num_turns=1,
        duration_ms=185,
        stop_reason="end_turn",
        permission_denials=[],
    )


@pytest.mark.parametrize("name", RECORDED)
def test_every_recorded_line_is_valid(recordings: Path, name: str) -> None:
    reader, updates = read(recorded(recordings, name))
    assert reader.end.invalid_lines == 0
    assert updates


@pytest.mark.parametrize(
    ("name", "kind", "retryable"),
    [
        ("10-resume-unknown", "session_unknown", False),
        ("12-max-turns", "max_turns", False),
        ("33-sigint", "interrupted", False),
        ("52-err-529-max0", "overloaded", True),
        ("54-err-500-max0", "server_error", True),
        ("55-err-400", "api_error", False),
        ("56-err-429-forever-max1", "rate_limited", True),
        ("59-conn-refused", "network", True),
        ("62-nokey", "auth", False),
        ("64-hang-timeout", "network", True),
    ],
)
def test_recorded_failures_have_their_own_kinds(recordings: Path, name: str, kind: str, retryable: bool) -> None:
    caught = failure(read(recorded(recordings, name))[0])
    assert (caught.kind, caught.retryable) == (kind, retryable)


def test_a_denied_tool_is_named_in_the_outcome(recordings: Path) -> None:
    reader, _ = read(recorded(recordings, "04-tool-bash-denied"))
    assert reader.finish(0, "").permission_denials == ["Bash"]


def test_the_session_id_is_the_last_one_that_the_cli_named(recordings: Path) -> None:
    reader, updates = read(recorded(recordings, "47-slash"))
    sessions = [update.session_id for update in updates if isinstance(update, Started)]
    assert len(set(sessions)) == 2  # /clear starts a new one
    assert reader.session_id == sessions[-1]


def test_the_delays_of_an_old_release_are_rounded_to_whole_milliseconds(recordings: Path) -> None:
    _, updates = read(recorded(recordings, "96-v2.1.197-401"))
    assert updates[1] == Retry(attempt=1, max_retries=10, delay_ms=553, status=401, error="authentication_failed")


def test_offsets_count_utf16_units_as_javascript_does() -> None:
    _, updates = read([start(), piece(f"a{EMOJI}b"), piece("c")])
    assert updates == [Delta("m1", 0, f"a{EMOJI}b"), Delta("m1", 4, "c")]


def test_a_surrogate_pair_that_is_split_between_deltas_is_joined() -> None:
    high, low = "\ud83d", "\ude42"
    _, updates = read([start(), piece("a" + high), piece(low + "b")])
    assert updates == [Delta("m1", 0, "a"), Delta("m1", 1, f"{EMOJI}b")]


def test_a_surrogate_pair_that_is_split_between_thoughts_is_joined() -> None:
    def thought(text: str) -> bytes:
        return event(type="content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": text})

    high, low = "\ud83d", "\ude42"
    _, updates = read([start(), thought("a" + high), piece("b"), thought(low + "c")])
    assert updates == [Thought("m1", 0, "a"), Delta("m1", 0, "b"), Thought("m1", 1, f"{EMOJI}c")]


def test_a_lone_surrogate_is_replaced() -> None:
    _, updates = read([start(), piece("a\ude42b")])
    assert updates == [Delta("m1", 0, "a\ufffdb")]


def test_the_text_blocks_of_a_message_share_one_offset() -> None:
    _, updates = read([start(), piece("one"), piece("two", index=1), start("m2"), piece("three")])
    assert updates == [Delta("m1", 0, "one"), Delta("m1", 3, "two"), Delta("m2", 0, "three")]


def test_the_text_of_a_subagent_is_not_part_of_the_answer() -> None:
    _, updates = read([start(), piece("one"), start("sub", "tool1"), piece("inner", parent="tool1"), piece("two")])
    assert updates == [Delta("m1", 0, "one"), Delta("m1", 3, "two")]


def test_a_message_that_was_not_streamed_is_one_delta() -> None:
    message = {"id": "m1", "content": [{"type": "text", "text": "whole"}, {"type": "tool_use", "name": "Bash"}]}
    repeated = {"id": "m2", "content": [{"type": "text", "text": "streamed"}]}
    lines = [
        line(type="assistant", message=message),
        start("m2"),
        piece("streamed"),
        line(type="assistant", message=repeated),
    ]
    assert read(lines)[1] == [Delta("m1", 0, "whole"), Delta("m2", 0, "streamed")]


def test_an_error_with_the_subtype_success_is_an_error() -> None:
    reader, updates = read([result(is_error=True, result="API Error: 529 busy", api_error_status=529)])
    assert updates == [Finished(is_error=True)]
    assert failure(reader).kind == "overloaded"


def test_a_result_is_valid_even_if_the_process_had_to_be_killed() -> None:
    reader, _ = read([result()])
    assert reader.finish(-9, "").text == "done"


def test_the_last_result_decides_and_an_earlier_answer_is_kept_in_the_failure() -> None:
    reader, _ = read([result(), result(result="and more", num_turns=2), result(is_error=True, result="broken")])
    failed = failure(reader)
    assert (failed.kind, (failed.details or {})["interim_answer"]) == ("api_error", "and more")
    reader, _ = read([result(num_turns=1), result(result="final", num_turns=2)])
    assert (reader.finish(0, "").text, reader.finish(0, "").num_turns) == ("final", 3)


def test_a_last_turn_without_a_text_leaves_the_answer_of_the_one_before() -> None:
    reader, _ = read([start(), result(result="All is done."), result(result="\n"), result(result="")])
    assert reader.finish(0, "").text == "All is done."


def test_invalid_lines_are_counted_and_skipped() -> None:
    reader, updates = read([b"{", b"\xff\xfe", b"[1]", b"null", b"[" * 100_000, line(type="new"), result()])
    assert (reader.end.invalid_lines, updates) == (5, [Finished(is_error=False)])


@pytest.mark.parametrize(
    ("text", "fields", "kind"),
    [
        ("Claude AI usage limit reached|1795450000", {"api_error_status": 429}, "usage_limit"),
        ("You've hit your session limit", {"api_error_status": 429}, "usage_limit"),
        (
            "You've hit your 5-hour limit \u00b7 resets 1:59pm (UTC)",
            {"api_error": "usage_limit_reached"},
            "usage_limit",
        ),
        (
            "API Error: Server is temporarily limiting requests (not your usage limit)",
            {"api_error_status": 429},
            "rate_limited",
        ),
        ("Opus weekly limit reached \u2219 resets Oct 31, 9am", {"api_error_status": 429}, "usage_limit"),
        ("5-hour limit reached \u2219 resets 3pm", {}, "usage_limit"),
        ("You're out of extra usage \u00b7 resets Feb 4, 8pm (Europe/Budapest)", {}, "usage_limit"),
        ("API Error: 400 Budget has been exceeded! Current cost: 26.0, Max budget: 0.25", {}, "usage_limit"),
        ("API Error: 400 ExceededBudget: User=1 over budget. Spend=10.6, Budget=10.0", {}, "usage_limit"),
        (
            "API Error: Request rejected (429) - Too many tokens per day, please wait before trying again.",
            {"api_error_status": 429},
            "usage_limit",
        ),
        ("API Error: 429 Too many tokens, please wait", {"api_error_status": 429}, "rate_limited"),
        ("Quota exceeded for input_tokens_per_minute", {"api_error_status": 429}, "rate_limited"),
        ("Your credit balance is too low", {"api_error_status": 400}, "usage_limit"),
        ("prompt is too long: 402913 tokens > 200000 maximum", {"api_error_status": 400}, "context_overflow"),
        (
            "There's an issue with the selected model (x). It may not exist",
            {"api_error_status": 404},
            "model_unavailable",
        ),
        ("OAuth token has been revoked", {}, "auth"),
        ("API Error: 504 upstream connection error", {"api_error_status": 504}, "server_error"),
        ("API Error: Connection error.", {}, "network"),
        ("any words", {"api_error": "connection_failed"}, "network"),
        ("any words", {"api_error": "from_the_future"}, "api_error"),
        ("", {"subtype": "error_max_budget_usd"}, "budget_exceeded"),
        ("", {"stop_reason": "refusal", "is_error": False}, "refusal"),
    ],
)
def test_failures_that_were_not_recorded_have_their_own_kinds(text: str, fields: dict[str, Any], kind: str) -> None:
    reader, _ = read([result(**{"is_error": True, "result": text} | fields)])
    assert failure(reader).kind == kind


def test_a_usage_limit_has_the_time_of_its_reset() -> None:
    info = {"api_error_params": {"rate_limit_info": {"resetsAt": 1795450000}}, "api_error": "usage_limit_reached"}
    typed, _ = read([line(type="assistant", is_api_error_message=True, **info), result(is_error=True, result="limit")])
    written, _ = read([result(is_error=True, result="Claude AI usage limit reached|1795450000")])
    near, hit = {"status": "allowed_warning", "resetsAt": 1}, {"status": "rejected", "resetsAt": 1795450000}
    events = [line(type="rate_limit_event", rate_limit_info=info) for info in (near, hit, near)]
    by_event, _ = read([*events, result(is_error=True, result="limit", api_error="usage_limit_reached")])
    for caught in (failure(typed), failure(written), failure(by_event)):
        assert (caught.kind, (caught.details or {})["resets_at"]) == ("usage_limit", "2026-11-23T16:06:40.000Z")


def test_running_tools_are_tracked() -> None:
    uses = [{"type": "tool_use", "id": str(number), "name": name} for number, name in enumerate(("Bash", "Read"))]
    reader, _ = read([line(type="assistant", message={"id": "m", "content": uses})])
    assert reader.running_tools == ["Bash", "Read"]
    reader.read({"type": "user", "message": {"content": [{"type": "tool_result", "tool_use_id": "0"}]}})
    assert reader.running_tools == ["Read"]


@pytest.mark.parametrize(
    ("exit_code", "stderr", "kind"),
    [
        (0, "", "no_result"),
        (1, "error: boom", "process_exited"),
        (1, "Error: Session ID 066f4611 is already in use.", "session_in_use"),
        (143, "", "killed_by_signal"),
        (-9, "connect ECONNREFUSED", "killed_by_signal"),
    ],
)
def test_without_a_result_the_exit_code_and_stderr_give_the_kind(exit_code: int, stderr: str, kind: str) -> None:
    reader, _ = read([line(type="system", subtype="init", session_id="s1")])
    assert failure(reader, exit_code, stderr).kind == kind


@pytest.mark.parametrize(
    ("exit_code", "stderr", "kind"),
    [
        (1, "error: unknown option '--x'", "version_unsupported"),
        (127, "env: 'node': No such file or directory", "executable_broken"),
        (1, "/lib/libc.so.6: version `GLIBC_2.38' not found", "executable_broken"),
        (126, "", "executable_broken"),
        (-4, "", "executable_broken"),
        (1, "--dangerously-skip-permissions cannot be used with root/sudo privileges", "root_refused"),
    ],
)
def test_a_cli_that_cannot_start_has_a_kind_and_a_hint(exit_code: int, stderr: str, kind: str) -> None:
    failed = failure(RunReader(), exit_code, stderr)
    assert (failed.kind, bool(failed.hint)) == (kind, True)


def test_the_output_of_another_program_is_unparseable() -> None:
    assert failure(read([b"Welcome to bash"])[0], 0).kind == "output_unparseable"


def test_no_failure_quotes_a_credential() -> None:
    secret = "sk-ant-api03-abcdefghijklmnop"  # noqa: S105 - not a real key
    reader, _ = read([result(is_error=True, result=f"401 invalid x-api-key {secret}", api_error_status=401)])
    for caught in (failure(reader, 1, f"key {secret}"), failure(RunReader(), 1, f"key {secret}")):
        assert secret not in f"{caught.message} {caught.hint} {caught.details}"


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters(codec=None), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "id", "message", "delta", "text", "content", "tool_name"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)
messages = st.fixed_dictionaries(
    {"type": st.sampled_from(["system", "stream_event", "assistant", "result", "user"])},
    optional={
        "subtype": st.sampled_from(["init", "api_retry", "success"]) | json_values,
        "is_error": json_values,
        "event": st.fixed_dictionaries(
            {"type": st.sampled_from(["message_start", "content_block_delta"])},
            optional={"message": json_values, "delta": json_values},
        ),
        "message": json_values,
        "usage": json_values,
        "result": json_values,
        "errors": json_values,
        "permission_denials": json_values,
        "session_id": json_values,
        "model": json_values,
        "attempt": json_values,
        "error_status": json_values,
        "api_error_status": json_values,
        "api_error": json_values,
        "is_api_error_message": json_values,
        "stop_reason": json_values,
        "terminal_reason": json_values,
    },
)


@given(st.lists(messages, max_size=6), st.integers(-64, 255))
def test_no_line_raises_another_error_than_the_jobs_failure(stream: list[dict[str, Any]], exit_code: int) -> None:
    reader, updates = read(line(**message) for message in stream)
    for update in updates:
        if isinstance(update, Delta):
            update.text.encode()
    try:
        reader.finish(exit_code, "").text.encode()
    except JobFailed as caught:
        json.dumps(caught.details)


@given(st.text(max_size=20))
def test_utf16_length_is_the_length_of_the_encoding(text: str) -> None:
    assert utf16_length(text) == len(text.encode("utf-16-le", "surrogatepass")) // 2
