"""Export of sessions, as a response or a file, through the real process."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from sidecar_protocol.claude.export import ClaudeExport

from sidecar.commandline.client import RemoteError
from tests.claude.client import FINAL, ClaudeClient, connected
from tests.conftest import StartSidecar


async def exported(claude: ClaudeClient, session_id: str, **payload: Any) -> dict[str, Any]:
    """Runs an export; returns its finished job."""
    params = {"type": "claude.export", "payload": {"session_id": session_id, **payload}}
    created = await claude.client.call("jobs.create", params)
    return await claude.until_job(created["job"]["job_id"], *FINAL)


async def test_a_response_and_a_file_contain_the_same_markdown(
    sidecar: StartSidecar, standin: Path, data_dir: Path
) -> None:
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create(title="Birds: a/b? 鳥")
        await claude.answer_text(session.session_id, "[[think:hm]] [[tool:ls]] [[text:done]]")
        text = await claude.client.remote(ClaudeExport).export(session_id=session.session_id)
        thoughtful = await claude.client.remote(ClaudeExport).export(session_id=session.session_id, thinking=True)
        job = await exported(claude, session.session_id)
        again = await exported(claude, session.session_id)
    assert text.text.startswith("# Birds: a/b? 鳥\n")
    assert "\n**Tool Bash**\n\n```sh\nls\n```\n\nOutput:\n\n```\ndone\n```\n" in text.text
    assert ("> hm" in text.text, "> hm" in thoughtful.text) == (False, True)
    path = Path(job["result"]["path"])
    assert path.parent == data_dir / "exports"
    assert path.name.endswith("Birds a b 鳥.md")
    assert read(path) == text.text
    assert job["result"] == {
        "session_id": session.session_id,
        "path": str(path),
        "messages": text.messages,
        "bytes": len(text.text.encode()),
    }
    assert Path(again["result"]["path"]).name.endswith("Birds a b 鳥 (2).md")
    assert [one.suffix for one in path.parent.iterdir()] == [".md", ".md"]


def read(path: Path) -> str:
    """Returns the text of a file that only its owner may read."""
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o777 == 0o600
    return path.read_text("utf-8")


async def test_jsonl_contains_the_session_and_messages_as_the_methods_return_them(
    sidecar: StartSidecar, standin: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.jsonl"
    target.write_text("something older")
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create()
        await claude.answer_text(session.session_id, "[[think:hm]] heron")
        params = {"session_id": session.session_id}
        expected = [
            {"type": "session", "session": await claude.client.call("claude.sessions.get", params)},
            *(
                {"type": "message", "message": one}
                for one in (await claude.client.call("claude.messages.list", params))["messages"]
            ),
        ]
        job = await exported(claude, session.session_id, path=str(target), format="jsonl", overwrite=True)
        refused = await exported(claude, session.session_id, path=str(target), format="jsonl")
    assert (refused["status"], refused["error"]["kind"]) == ("failed", "file_exists")
    assert job["status"] == "succeeded"
    assert [json.loads(line) for line in target.read_text("utf-8").splitlines()] == expected


async def test_a_large_session_can_only_be_exported_to_a_file(
    sidecar: StartSidecar, standin: Path, tmp_path: Path
) -> None:
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create()
        await claude.answer_text(session.session_id, "[[big:1500000]]")
        with pytest.raises(RemoteError) as refused:
            await claude.client.call("claude.sessions.export", {"session_id": session.session_id})
        job = await exported(claude, session.session_id, path=str(tmp_path / "big.md"))
    assert refused.value.data["kind"] == "result_too_large"
    assert "claude.export" in refused.value.data["hint"]
    assert job["result"]["bytes"] > 1_500_000
    assert (tmp_path / "big.md").stat().st_size == job["result"]["bytes"]


async def test_a_failed_export_has_a_kind_and_leaves_no_file(
    sidecar: StartSidecar, standin: Path, tmp_path: Path, data_dir: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create()
        for path, kind in (
            ("relative.md", "path_invalid"),
            (str(folder), "path_invalid"),
            (str(tmp_path / "missing" / "x.md"), "path_invalid"),
            (str(data_dir / "sidecar.db"), "path_invalid"),
            (str(data_dir / ".." / data_dir.name / "sidecar.db-wal"), "path_invalid"),
            (str(folder / ("x" * 300)), "path_invalid"),
        ):
            job = await exported(claude, session.session_id, path=path)
            assert (job["status"], job["error"]["kind"]) == ("failed", kind), path
        unknown = await exported(claude, "unknown")
        with pytest.raises(RemoteError) as refused:
            await claude.client.call("claude.sessions.export", {"session_id": "unknown"})
    assert unknown["error"]["kind"] == "session_not_found"
    assert refused.value.data["kind"] == "session_not_found"
    assert list(folder.iterdir()) == []
