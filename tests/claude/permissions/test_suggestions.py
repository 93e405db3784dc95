"""Tests of what a permission request says besides its input, and the suggestions that an answer applies."""

from pathlib import Path

import pytest
from sidecar_protocol.claude.permissions import PermissionDecision, PermissionSuggestion
from sidecar_protocol.claude.runs import PermissionMode

from sidecar.claude.permissions.cli_requests import MAX_SUGGESTIONS, Response, parse_request, response_line
from sidecar.commandline.client import RemoteError
from tests.claude.client import SCRIPTED, Talk, every_claude

ALLOW, DENY = PermissionDecision.ALLOW, PermissionDecision.DENY


@every_claude
async def test_a_request_says_why_and_every_suggestion_of_it_can_be_chosen(
    talk: Talk, release: str, tmp_path: Path
) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    project.mkdir()
    elsewhere.mkdir()
    directive = "ask" if release == SCRIPTED else "call"

    def write(name: str) -> str:
        return f'[[{directive}:Write:{{"file_path":"{elsewhere / name}","content":"x"}}]]'

    async with talk.connected() as claude:
        session = await claude.sessions.create(cwd=str(project))
        job = await claude.sessions.send(session_id=session.session_id, prompt=write("one"))
        request = await claude.permission_request(job.job_id)
        assert request.decision_reason == "Path is outside allowed working directories"
        assert (request.decision_reason_type, request.parent, request.agent) == ("workingDir", None, None)
        assert request.suggestions == [
            PermissionSuggestion(type="setMode", mode=PermissionMode.ACCEPT_EDITS),
            PermissionSuggestion(type="addDirectories", directories=[str(elsewhere)]),
        ]
        for wrong, decision in (([2], ALLOW), ([0], DENY), ([-1], ALLOW), ([20], ALLOW)):
            with pytest.raises(RemoteError, match="invalid_params"):
                await claude.permissions.respond(request_id=request.request_id, decision=decision, suggestions=wrong)
        done = await claude.permissions.respond(request_id=request.request_id, decision=ALLOW, suggestions=[1, 0])
        assert (done.applied, done.remembered) == ([1, 0], [])
        await claude.until_job(job.job_id, "succeeded")
        if release != SCRIPTED:  # which asks at each directive
            assert (elsewhere / "one").read_text() == "x"
            await claude.answer_text(session.session_id, write("two"))
            assert (elsewhere / "two").read_text() == "x"
        after = await claude.sessions.get(session_id=session.session_id)
        assert after.permission_mode is PermissionMode.ACCEPT_EDITS
        assert len((await claude.permissions.list()).requests) == 1


def test_a_suggestion_that_would_allow_everything_or_is_odd_is_not_offered() -> None:
    suggestions = [
        {"type": "setMode", "mode": "bypassPermissions", "destination": "session"},
        {"type": "addDirectories", "directories": ["x" * 20_000]},
        7,
        {"type": "from_the_future", "mode": "unknown", "directories": [1, "/a"], "rules": [{}, "x"]},
        *({"type": "addRules", "behavior": "allow", "rules": [{"toolName": "Read"}]} for _ in range(99)),
    ]
    request = {"subtype": "can_use_tool", "tool_name": "Read", "input": {}, "permission_suggestions": suggestions}
    parsed = parse_request({"request_id": "1", "request": request})
    assert parsed is not None
    assert len(parsed.suggestions) == MAX_SUGGESTIONS
    assert parsed.suggestions[0] == suggestions[3]


def test_chosen_suggestions_never_change_a_settings_file() -> None:
    chosen = {"type": "addDirectories", "directories": ["/a"], "destination": "localSettings"}
    line = response_line("1", Response(allowed=True, input={}, suggestions=[chosen]))
    assert line["response"]["response"]["updatedPermissions"] == [{**chosen, "destination": "session"}]
