"""The gate's rules: what asks, what a run is denied, and that nothing is allowed when the database fails."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sidecar_protocol.claude.gate import MAX_EXPOSURES, Verdict

from sidecar.claude.gate.journal import GateJournal
from sidecar.claude.gate.process_gate import MAX_CALLS, NOT_STORED, ProcessGate
from sidecar.claude.gate.rules import INWARD, answer_line, digest, verdict
from sidecar.claude.gate.store import OTHERS, GateStore, Owner
from sidecar.hub.foreign import ForeignText
from tests.in_process_app import InProcessApp

EXPOSED = [("jira:1", "Read me"), ("account:evil.example", "Planning")]
READING, ACTING = {"mcp__hub__jobs_list"}, {"mcp__hub__jira_accounts_sync"}


def decided(tool: str, exposed: list[tuple[str, str]], *, can_ask: bool = True) -> Verdict | None:
    found = verdict(tool, exposed, reading=READING, acting=ACTING, can_ask=can_ask)
    return None if found is None else found[0]


@pytest.mark.parametrize(
    "tool",
    ["Bash", "Write", "Edit", "WebFetch", "WebSearch", "Agent", "Skill", "CronCreate", "mcp__other__x", "New", ""],
)
def test_every_tool_that_is_not_known_only_to_read_asks_once_texts_of_others_are_in(tool: str) -> None:
    assert decided(tool, EXPOSED) is Verdict.ASK
    assert decided(tool, EXPOSED, can_ask=False) is Verdict.DENY
    assert decided(tool, []) is None


@pytest.mark.parametrize("tool", sorted({*INWARD, *READING}))
def test_tools_that_only_read_are_left_to_claude_code(tool: str) -> None:
    assert decided(tool, EXPOSED) is None


def test_a_tool_that_changes_the_hub_asks_always() -> None:
    assert decided("mcp__hub__jira_accounts_sync", []) is Verdict.ASK
    assert decided("mcp__hub__jira_accounts_sync", [], can_ask=False) is Verdict.DENY


async def test_texts_beyond_the_limit_of_sources_count_as_a_source_of_their_own(app: InProcessApp) -> None:
    store, run = GateStore(app.database, app.clock), Owner(job_id="run")
    known = [ForeignText(f"work:{number}.example", "Planning") for number in range(MAX_EXPOSURES)]
    assert store.expose(run, "calendar_events_list", known) == [one.source for one in known]
    for one in known:
        store.trust(one.source)
    assert store.untrusted(["run"]) == []
    others = [ForeignText("work:evil.example", "Run this"), ForeignText("work:worse.example", "Run that")]
    assert store.expose(run, "calendar_events_list", [known[0], *others]) == [OTHERS]
    assert store.untrusted(["run"]) == [(OTHERS, "Run this")]


def test_the_question_shows_the_sources_and_the_answer_is_in_the_clis_form() -> None:
    decision = verdict("Bash", EXPOSED * 4, reading=READING, acting=ACTING, can_ask=True)
    assert decision is not None
    assert "account:evil.example: “Planning”" in decision[1]
    assert "and 3 more" in decision[1]
    assert answer_line({"request_id": "7"}, decision)["response"]["response"] == {
        "hookSpecificOutput": {
            "hookEventName": "PreToolUse",
            "permissionDecision": "ask",
            "permissionDecisionReason": decision[1],
        }
    }
    assert answer_line({"request_id": "7"}, None)["response"]["response"] == {}


def test_a_digest_depends_on_the_values_and_not_on_their_order() -> None:
    assert digest({"a": 1, "b": [{"c": 2, "d": "\ud800"}]}) == digest({"b": [{"d": "\ud800", "c": 2}], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


async def test_without_its_database_the_gate_denies(app: InProcessApp, tmp_path: Path) -> None:
    del tmp_path
    sent: list[Mapping[str, Any]] = []

    class Broken:
        def untrusted(self, owner_ids: object) -> object:
            raise sqlite3.OperationalError(f"disk I/O error: {owner_ids}")

    gate = ProcessGate(Broken(), app.runtime.hub(), Owner("s"), (), True, sent.append)  # type: ignore[arg-type]
    asked = {"tool_name": "Read", "tool_input": {}, "tool_use_id": "t"}
    gate.on_line(
        {"type": "control_request", "request_id": "1", "request": {"subtype": "hook_callback", "input": asked}}
    )
    output = sent[0]["response"]["response"]["hookSpecificOutput"]
    assert (output["permissionDecision"], output["permissionDecisionReason"]) == ("deny", NOT_STORED)


async def test_the_hub_answers_nothing_before_the_hook_was_called(app: InProcessApp) -> None:
    gate = ProcessGate(None, app.runtime.hub(), Owner("s"), (), True, lambda _: None)  # type: ignore[arg-type]
    answer = await gate.call("jobs_list", {})
    assert answer.is_error
    assert "did not call the sidecar's hook" in answer.text


async def test_a_server_of_the_user_with_the_hubs_name_is_not_the_hub(app: InProcessApp) -> None:
    sent: list[Mapping[str, Any]] = []
    store = GateStore(app.database, app.clock)
    store.expose(Owner(job_id="run"), "calendar_events_list", [ForeignText("work:evil.example", "Run this")])
    journal = GateJournal(app.runtime, store, None)  # type: ignore[arg-type]
    without_hub = ProcessGate(journal, app.runtime.hub(), Owner(job_id="run"), (), True, sent.append)
    asked = {"tool_name": "mcp__hub__jobs_list", "tool_input": {}, "tool_use_id": "t"}
    without_hub.on_line(
        {"type": "control_request", "request_id": "1", "request": {"subtype": "hook_callback", "input": asked}}
    )
    assert sent[0]["response"]["response"]["hookSpecificOutput"]["permissionDecision"] == "ask"


async def test_calls_without_a_result_do_not_hide_what_claude_code_decides_about_later_ones(app: InProcessApp) -> None:
    store = GateStore(app.database, app.clock)
    journal = GateJournal(app.runtime, store, None)  # type: ignore[arg-type]
    gate = ProcessGate(journal, app.runtime.hub(), Owner(job_id="run"), (), True, lambda _: None)
    for number in range(MAX_CALLS + 1):
        asked = {"tool_name": "Read", "tool_input": {}, "tool_use_id": f"t{number}"}
        gate.on_line(
            {"type": "control_request", "request_id": "1", "request": {"subtype": "hook_callback", "input": asked}}
        )
    last = f"t{MAX_CALLS}"
    decision = {"decision": "accept", "source": "rule"}
    gate.on_line(
        {
            "type": "user",
            "message": {"content": [{"type": "tool_result", "tool_use_id": last}]},
            "tool_result_meta": [{"id": last, "permission_decision": decision}],
        }
    )
    (found,), _ = store.decisions(None, "run", 10, None)
    assert (found.load().tool_use_id, found.load().reason) == (last, "rule")
