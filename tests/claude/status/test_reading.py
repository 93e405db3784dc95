"""Reads the lines in which the CLI says something about itself, without a process."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from sidecar_protocol.claude.status import ClaudeLimit, LimitStatus, McpState

from sidecar.claude.status.reading import (
    ContextReader,
    ContextUse,
    read_account,
    read_limits,
    read_models,
    read_problems,
    read_servers,
    read_usage,
    window_of,
    without_past,
    without_secrets,
)
from sidecar.claude.status.telling import Problems
from sidecar.json_reader import get_object

NOW = "2026-11-29T12:00:00.000Z"
RESET_S = 1_796_000_000
RESET = "2026-11-30T00:53:20.000Z"


def recorded(folder: Path, name: str) -> list[dict[str, object]]:
    lines = (folder / f"{name}.jsonl").read_text().splitlines()
    return [json.loads(line.removeprefix("<< ")) for line in lines if not line.startswith(("#", ">>"))]


def test_the_models_of_a_recording_are_those_that_the_cli_offers(recordings: Path) -> None:
    [line] = (one for one in recorded(recordings, "31-initialize") if one["type"] == "control_response")
    response = get_object(line, "response", "response")
    models = read_models(response)
    assert [one.model for one in models] == ["default", "opus", "fable", "sonnet", "haiku"]
    assert models[1].efforts == ["low", "medium", "high", "xhigh", "max"]
    assert models[1].resolved_model == "claude-opus-5-5"
    assert read_account(response).model_dump() == {
        "subscription": None, "api_key_source": "ANTHROPIC_API_KEY", "token_source": "none", "provider": "firstParty",
    }  # fmt: skip


def test_the_context_follows_answers_compaction_and_ignores_what_is_not_an_answer(recordings: Path) -> None:
    reader, uses = ContextReader(), list[int]()
    for line in recorded(recordings, "47-slash"):
        reader.read(line)
        if line["type"] == "result" and reader.use is not None:
            uses.append(reader.use.used_tokens)
    assert uses[-1] == 2_560  # the `post_tokens` of the last line but one, after which no answer came
    assert all(use > 2_560 for use in uses[:-1])


def test_a_streamed_answer_is_counted_whole_and_subagents_are_not() -> None:
    reader = ContextReader()
    usage = {"input_tokens": 12, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 1}
    message = {"id": "m", "model": "opus-9", "usage": usage}
    reader.read({"type": "stream_event", "event": {"type": "message_start", "message": message}})
    reader.read({"type": "assistant", "message": message})
    reader.read({"type": "stream_event", "event": {"type": "message_delta", "usage": {"output_tokens": 900}}})
    reader.read({"type": "assistant", "message": message})  # repeats the usage of its beginning
    reader.read({"type": "assistant", "message": message | {"id": "n"}, "parent_tool_use_id": "toolu_1"})
    synthetic = {"id": "s", "model": "<synthetic>", "usage": {"input_tokens": 0}}
    reader.read({"type": "assistant", "message": synthetic})
    assert reader.use == ContextUse(919, "opus-9")


@pytest.mark.parametrize(
    ("totals", "window"),
    [
        ({"opus-9[1m]": {"contextWindow": 1_000_000}, "haiku-9": {"contextWindow": 200_000}}, 1_000_000),
        ({"haiku-9": {"contextWindow": 200_000}}, None),  # another model's window is not this one's
        ({"us.opus-9-v1": {"contextWindow": 300_000, "canonicalModel": "opus-9"}}, 300_000),
        ({"opus-9": {}}, None),
        ({}, None),
    ],
)
def test_a_context_window_is_that_of_the_model_that_answered(totals: dict[str, object], window: int | None) -> None:
    assert window_of({"modelUsage": totals}, "opus-9[1m]", "opus-9") == window


def test_limits_keep_what_an_event_does_not_mention_and_lose_what_has_reset() -> None:
    weekly = {"utilization": 0.5, "resetsAt": RESET_S + 86_400, "status": "allowed"}
    five = {"utilization": 0.25, "resetsAt": RESET_S, "status": "allowed"}
    windows = {"five_hour": five, "seven_day": weekly}
    deciding = {"status": "allowed", "rateLimitType": "five_hour", "resetsAt": RESET_S}
    first = read_limits({**deciding, "unifiedWindows": windows}, None, NOW)
    second = read_limits({"status": "rejected", "rateLimitType": "five_hour", "resetsAt": RESET_S}, first, NOW)
    assert (second.status, second.limiting) == (LimitStatus.REJECTED, "five_hour")
    five_hour = ClaudeLimit(
        kind="five_hour", status=LimitStatus.REJECTED, utilization=0.25, resets_at=RESET, learnt_at=NOW
    )
    assert second.limits[0] == five_hour
    assert second.limits[1].utilization == 0.5
    later = without_past(second, "2026-11-30T06:00:00.000Z")
    assert (later.status, later.limiting, [one.kind for one in later.limits]) == (None, None, ["seven_day"])


def test_the_usage_of_a_plan_is_given_in_percent_and_read_as_a_fraction() -> None:
    window = {"utilization": 61.0, "resets_at": "2026-11-30T00:53:20+00:00"}
    rates = {"five_hour": window, "seven_day": None, "extra_usage": {"is_enabled": True, "utilization": 3.0}}
    limits = read_usage({"rate_limits_available": True, "rate_limits": rates}, None, NOW)
    assert limits is not None
    assert [(one.kind, one.utilization, one.resets_at) for one in limits.limits] == [("five_hour", 0.61, RESET)]
    assert read_usage({"rate_limits": None}, None, NOW) is None


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        ("ENOENT: no such file, posix_spawn '/x'", "ENOENT: no such file, posix_spawn '/x'"),
        ("GET https://ada:secret@host/mcp?key=abc failed", "GET https://***host/mcp?*** failed"),
        ("401: Authorization: Bearer abc.def", "401: Authorization: Bearer ***"),
        ("api_key=abc is wrong", "api_key=*** is wrong"),
        ("x" * 999, "x" * 300),
    ],
)
def test_the_error_of_a_server_loses_its_secrets_and_its_length(error: str, shown: str) -> None:
    assert without_secrets(error) == shown


def test_a_server_is_read_without_its_configuration_and_a_new_state_is_no_error() -> None:
    config = {"env": {"TOKEN": "hunter2"}}
    response = {"mcpServers": [{"name": "a", "status": "asleep", "config": config}, {"status": "failed"}, "odd"]}
    [server] = read_servers(response, "mcpServers", NOW)
    assert (server.name, server.state, server.advice) == ("a", McpState.OTHER, None)
    assert "hunter2" not in server.model_dump_json()


def init(*states: tuple[str, str], **more: object) -> dict[str, object]:
    servers = [{"name": name, "status": status} for name, status in states]
    return {"type": "system", "subtype": "init", "mcp_servers": servers, **more}


def answer(*states: tuple[str, str, str]) -> dict[str, object]:
    servers = [{"name": name, "status": status, "error": error} for name, status, error in states]
    response = {"subtype": "success", "request_id": "mcp_status", "response": {"mcpServers": servers}}
    return {"type": "control_response", "response": response}


def test_what_does_not_work_is_told_once_for_each_change_also_by_later_turns() -> None:
    known: Mapping[str, str] = {}
    told: list[str] = []

    def store(now: Mapping[str, str]) -> None:
        nonlocal known
        known = now

    for turn in (
        [init(("db", "pending")), answer(("db", "pending", "")), answer(("db", "failed", "port 4711"))],
        [init(("db", "failed")), answer(("db", "failed", "port 4712"))],
        [init(("db", "pending")), answer(("db", "pending", ""))],  # another process; it is not known to work yet
        [init(("db", "needs-auth")), answer(("db", "needs-auth", ""))],
        [init(("db", "connected"))],
        [init(("db", "connected"))],
    ):
        problems = Problems(known, told.append, store)
        for line in turn:
            problems.on_line(line)
    assert [text.partition(".")[0] for text in told] == [
        "The MCP server 'db' failed to start: port 4711",
        "The MCP server 'db' needs you to sign in",
        "The MCP server 'db' no longer reports a problem",
    ]


def test_a_server_whose_error_is_not_answered_is_told_at_the_end() -> None:
    told: list[str] = []
    problems = Problems({}, told.append)
    problems.on_line(init(("db", "failed")))
    problems.finish()
    problems.finish()
    assert len(told) == 1
    assert told[0].startswith("The MCP server 'db' failed to start. ")


def test_a_plugin_whose_hooks_could_not_be_loaded_is_told() -> None:
    told: list[str] = []
    failed = {"plugin": "birds@market", "type": "hook-load-failed", "message": "no such file"}
    line = init(plugin_errors=[failed], mcp_server_errors=[{"name": "x", "type": "invalid_config", "message": "url"}])
    assert [one.name for one in read_problems(line)] == ["birds@market", "x"]
    problems = Problems({}, told.append)
    problems.on_line(line)
    problems.on_line(line)
    assert told == [
        "Claude Code could not load 'birds@market' (hook-load-failed): no such file",
        "Claude Code could not load 'x' (invalid_config): url",
    ]
