"""Folders and files on a network drive that no longer answers: nothing waits for it longer than ten seconds."""

from pathlib import Path

import anyio
import pytest
from sidecar_protocol.claude.attachments import PartType, PromptPart
from sidecar_protocol.claude.runs import Claude, RunClaude

from sidecar.commandline.client import RemoteError
from tests.claude.client import FINAL, ClaudeClient, Talk, connected, scripted
from tests.preload import preload


async def answers(claude: ClaudeClient, cwd: str) -> bool:
    """Returns whether a folder answers again: whether the threads that waited for it have noticed."""
    try:
        await claude.client.call("claude.trust.check", {"cwd": cwd})
    except RemoteError:
        return False
    return True


@scripted
async def test_a_drive_that_is_gone_delays_nothing_else_and_is_used_again_when_it_is_back(
    talk: Talk, tmp_path: Path
) -> None:
    drive, flag = tmp_path / "drive", tmp_path / "gone"
    (drive / "project").mkdir(parents=True)
    (drive / "notes.txt").write_text("a heron")
    cwd, notes = str(drive / "project"), PromptPart(type=PartType.FILE, path=str(drive / "notes.txt"))
    fault = {**preload("hanging_folder"), "HANGING_FOLDER": str(drive), "HANGING_FLAG": str(flag)}
    async with connected(talk.sidecar, **talk.environment, **fault) as claude:
        session_id = (await claude.sessions.create(cwd=cwd)).session_id
        await claude.answer_text(session_id, "[[text:before]]")
        flag.touch()
        refusals: list[RemoteError] = []

        async def refused(call: str, **params: object) -> None:
            with pytest.raises(RemoteError) as error:
                await claude.client.call(call, params)
            refusals.append(error.value)

        export = {"type": "claude.export", "payload": {"session_id": session_id, "path": f"{drive}/a.md"}}
        exported = await claude.client.call("jobs.create", export)
        turn = await claude.sessions.send(session_id=session_id, prompt="[[text:after]]")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: refused("claude.trust.check", cwd=cwd))
            tasks.start_soon(lambda: refused("claude.sessions.create", cwd=f"{cwd}/."))
            tasks.start_soon(
                lambda: refused("claude.spawn", content=[notes.model_dump(mode="json", exclude_none=True)])
            )
            with anyio.fail_after(8):  # while those wait
                assert (await claude.client.call("system.health"))["status"]
        assert {one.kind for one in refusals} == {"folder_unresponsive", "attachment_unreadable"}, refusals
        # a path that is being waited for is refused at once
        with anyio.fail_after(8):
            await refused("claude.trust.check", cwd=cwd)
        job = await claude.until_job(exported["job"]["job_id"], *FINAL)
        assert job["error"]["kind"] == "export_failed"
        failed = await claude.until_job(turn.job_id, *FINAL)
        assert (failed["error"]["kind"], failed["error"]["retryable"]) == ("folder_unresponsive", True)
        flag.unlink()
        while not await answers(claude, cwd):
            pass
        await claude.client.call("jobs.retry", {"job_id": turn.job_id})
        done = await claude.until_job(turn.job_id, "succeeded")
        assert done["result"]["text"] == "after"
        run = await claude.client.remote(Claude).spawn(RunClaude(prompt="[[text:back]]", cwd=cwd))
        assert (await claude.until_job(run.job_id, *FINAL))["result"]["text"] == "back"
