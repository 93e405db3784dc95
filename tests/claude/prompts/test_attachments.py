"""Images and files in prompts: what Claude is sent, what is kept, and what is refused."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic_core import from_json
from sidecar_protocol.claude.attachments import AttachmentsFull, PartType, PromptPart
from sidecar_protocol.claude.export import ClaudeExport
from sidecar_protocol.claude.sessions import MessageKind

from sidecar.claude.prompts.attachments import Attachments
from sidecar.commandline.client import RemoteError
from sidecar.job_handler import JobFailed
from tests.claude.client import FINAL, ClaudeClient, Talk, both_releases, every_claude, scripted
from tests.claude.harness import until
from tests.claude.prompts.files import GIF, base64, pdf, png
from tests.claude.turn_harness import turn_harness

Content = list[dict[str, Any]]


async def sent_blocks(talk: Talk, claude: ClaudeClient, session_id: str, content: Content) -> list[dict[str, Any]]:
    """Sends a prompt that ends in [[blocks]]; returns the content blocks that Claude was sent."""
    job = await claude.client.call("claude.sessions.send", {"session_id": session_id, "content": content})
    done = await claude.until_job(job["job_id"], *FINAL)
    assert done["status"] == "succeeded", done["error"]
    blocks: list[dict[str, Any]] = from_json(done["result"]["text"]) if talk.api is None else []
    return blocks if talk.api is None else talk.api.messages()[-1].user_blocks


def short(block: dict[str, Any]) -> tuple[str, ...]:
    source = block.get("source", {})
    content = block.get("text") or source.get("data", "")
    return block["type"], source.get("media_type", "text"), content.removesuffix("\n")


@every_claude
async def test_claude_gets_images_documents_and_texts_in_the_order_in_which_they_were_sent(
    talk: Talk, tmp_path: Path
) -> None:
    (tmp_path / "a picture.dat").write_bytes(png())
    (tmp_path / "link").symlink_to(tmp_path / "a picture.dat")
    content = [
        {"type": "text", "text": "The first:"},
        {"type": "image", "path": str(tmp_path / "link")},
        {"type": "text", "text": "\nand the others:"},
        {"type": "file", "data": base64(pdf()), "name": "report.pdf"},
        {"type": "file", "data": base64("gänse".encode()), "name": "notes.md"},
        {"type": "text", "text": "[[blocks]]"},
    ]
    async with talk.connected() as claude:
        session = await claude.sessions.create()
        blocks = await sent_blocks(talk, claude, session.session_id, content)
        assert [short(block) for block in blocks if block["type"] != "tool_result"] == [
            ("text", "text", "The first:"),
            ("image", "image/png", base64(png())),
            ("text", "text", "\nand the others:"),
            ("document", "application/pdf", base64(pdf())),
            ("document", "text/plain", "gänse"),
            ("text", "text", "[[blocks]]"),
        ]
        assert [block["title"] for block in blocks if block["type"] == "document"] == ["report.pdf", "notes.md"]
        (prompt, *_) = await claude.messages(session.session_id)
        assert prompt.text == "The first:\n\n\nand the others:\n\n[[blocks]]"
        listed = [(one.name, one.media_type, one.size) for one in prompt.attachments]
        assert listed == [
            ("link", "image/png", len(png())),
            ("report.pdf", "application/pdf", len(pdf())),
            ("notes.md", "text/plain", 6),
        ]
        run = await claude.client.call("claude.spawn", {"content": content[:2]})
        assert (await claude.until_job(run["job_id"], *FINAL))["status"] == "succeeded"


@every_claude
async def test_an_image_alone_is_a_prompt(talk: Talk) -> None:
    async with talk.connected() as claude:
        session = await claude.sessions.create()
        part = {"type": "image", "data": base64(GIF)}
        job = await claude.client.call("claude.sessions.send", {"session_id": session.session_id, "content": [part]})
        done = await claude.until_job(job["job_id"], *FINAL)
        assert done["status"] == "succeeded", done["error"]
        assert (await claude.sessions.get(session_id=session.session_id)).title == "attachment-1.gif"


@both_releases
async def test_an_image_that_the_api_refuses_is_left_out_with_a_message_and_the_conversation_goes_on(
    talk: Talk,
) -> None:
    async with talk.connected() as claude:
        session = await claude.sessions.create()
        picture = [{"type": "image", "data": base64(png())}, {"type": "text", "text": "[[refuseimages]] look"}]
        for content in (picture, [{"type": "text", "text": "And now?"}]):
            job = await claude.client.call(
                "claude.sessions.send", {"session_id": session.session_id, "content": content}
            )
            done = await claude.until_job(job["job_id"], *FINAL)
            assert done["status"] == "succeeded", done["error"]
        messages = await claude.messages(session.session_id)
        assert any("could not be processed and was removed" in (one.text or "") for one in messages)


@scripted
async def test_what_was_sent_is_what_is_asked_also_after_a_kill(talk: Talk, tmp_path: Path) -> None:
    file = tmp_path / "draft.txt"
    file.write_text("as it was sent")
    async with talk.connected() as claude:
        session = await claude.sessions.create()
        await claude.client.call("jobs.queue.pause")
        parts = [{"type": "file", "path": str(file)}, {"type": "text", "text": "[[blocks]]"}]
        job = await claude.client.call("claude.sessions.send", {"session_id": session.session_id, "content": parts})
        file.write_text("changed afterwards")
        claude.client.process.kill()
        await claude.client.process.wait()
    async with talk.connected() as claude:
        await claude.client.call("jobs.queue.resume")
        done = await claude.until_job(job["job_id"], *FINAL)
        assert [short(one) for one in from_json(done["result"]["text"])] == [
            ("document", "text/plain", "as it was sent"),
            ("text", "text", "[[blocks]]"),
        ]


@every_claude
async def test_exports_forks_and_handovers_name_the_files(talk: Talk) -> None:
    async with talk.connected() as claude:
        session = await claude.sessions.create()
        parts = [{"type": "file", "data": base64(b"x"), "name": "budget.csv"}, {"type": "text", "text": "sum it up"}]
        job = await claude.client.call("claude.sessions.send", {"session_id": session.session_id, "content": parts})
        await claude.until_job(job["job_id"], "succeeded")
        exported = await claude.client.remote(ClaudeExport).export(session_id=session.session_id)
        assert "budget.csv (text/plain, 1 bytes)" in exported.text
        fork = await claude.sessions.fork(session_id=session.session_id)
        assert [one.name for one in (await claude.messages(fork.session_id))[0].attachments] == ["budget.csv"]
    talk.delete_records()
    async with talk.connected() as claude:
        assert "sum it up [Attached: budget.csv]" in await talk.known(claude, session.session_id)


@scripted
async def test_prompts_keep_their_order_whatever_their_files_take(talk: Talk, tmp_path: Path) -> None:
    large = tmp_path / "large.pdf"
    large.write_bytes(pdf() + b" " * 4_000_000 + b"%%EOF")
    async with talk.connected() as claude:
        session = await claude.sessions.create()
        sent: list[dict[str, Any]] = [{"content": [{"type": "file", "path": str(large)}]}]
        sent += [{"prompt": "second"}, {"prompt": "third"}]
        jobs = [""] * len(sent)

        async def send(index: int) -> None:
            params = {"session_id": session.session_id, **sent[index]}
            jobs[index] = (await claude.client.call("claude.sessions.send", params))["job_id"]

        async with anyio.create_task_group() as tasks:
            for index in range(len(sent)):
                tasks.start_soon(send, index)
        await claude.until_job(jobs[2], *FINAL)
        prompts = [one.job_id for one in await claude.messages(session.session_id) if one.kind is MessageKind.USER]
        assert prompts == jobs


@scripted
async def test_copies_are_private_and_go_with_the_last_session_that_has_them(talk: Talk, data_dir: Path) -> None:
    folder = data_dir / "attachments"
    async with talk.connected() as claude:
        session = await claude.sessions.create()
        part = {"type": "file", "data": base64(b"private")}
        job = await claude.client.call("claude.sessions.send", {"session_id": session.session_id, "content": [part]})
        await claude.until_job(job["job_id"], "succeeded")
        (file,) = folder.iterdir()
        assert (stat.S_IMODE(folder.stat().st_mode), stat.S_IMODE(file.stat().st_mode)) == (0o700, 0o600)
        fork = await claude.sessions.fork(session_id=session.session_id)
        await claude.sessions.delete(session_id=session.session_id)
        assert file.read_bytes() == b"private"
        await claude.sessions.delete(session_id=fork.session_id)
        await claude.client.call("system.health", {})  # files go after the commit, with which the response is sent
        assert list(folder.iterdir()) == []


@scripted
async def test_a_run_that_is_repeated_sends_its_files_again_until_its_job_is_deleted(
    talk: Talk, data_dir: Path
) -> None:
    content = [{"type": "text", "text": "[[blocks]]"}, {"type": "file", "data": base64(b"private")}]
    async with talk.connected() as claude:
        run = await claude.client.call("claude.spawn", {"content": content})
        first = await claude.until_job(run["job_id"], "succeeded")
        await claude.client.call("jobs.retry", {"job_id": run["job_id"]})
        claude.received.clear()
        second = await claude.until_job(run["job_id"], *FINAL)
        assert (second["result"]["text"], "private" in second["result"]["text"]) == (first["result"]["text"], True)
    with sqlite3.connect(data_dir / "sidecar.db") as connection:
        connection.execute("DELETE FROM jobs")
    async with talk.connected():
        await until(lambda: not any((data_dir / "attachments").iterdir()))


@scripted
async def test_a_prompt_whose_copy_is_gone_fails_instead_of_being_asked_without_it(talk: Talk, data_dir: Path) -> None:
    async with talk.connected() as claude:
        session = await claude.sessions.create()
        await claude.client.call("jobs.queue.pause")
        parts = [{"type": "file", "data": base64(b"x")}]
        job = await claude.client.call("claude.sessions.send", {"session_id": session.session_id, "content": parts})
        for file in (data_dir / "attachments").iterdir():
            file.unlink()
        await claude.client.call("jobs.queue.resume")
        assert (await claude.until_job(job["job_id"], *FINAL))["error"]["kind"] == "attachment_missing"
        assert await claude.answer_text(session.session_id, "[[text:next]]") == "next"


@scripted
async def test_a_prompt_that_is_cancelled_while_its_files_are_read_is_not_sent(talk: Talk, data_dir: Path) -> None:
    async with talk.connected() as claude:
        session = await claude.sessions.create()
        await claude.answer_text(session.session_id, "kept")
        await claude.client.call("jobs.queue.pause")
        parts = [{"type": "text", "text": "cancelled"}, {"type": "file", "data": base64(b"slow")}]
        job = await claude.client.call("claude.sessions.send", {"session_id": session.session_id, "content": parts})
        (file,) = (data_dir / "attachments").iterdir()
        file.unlink()
        os.mkfifo(file)
        await claude.client.call("jobs.queue.resume")
        pipe = await anyio.open_file(file, "wb", buffering=0)  # waits until the sidecar reads it
        await claude.client.call("jobs.cancel", {"job_id": job["job_id"]})
        await pipe.write(b"slow")
        await pipe.aclose()
        assert (await claude.until_job(job["job_id"], *FINAL))["status"] == "cancelled"
        known = await talk.known(claude, session.session_id)
        assert ("kept" in known, "cancelled" in known) == (True, False)


def refused(folder: Path, data_dir: Path) -> Iterator[tuple[Content, str, str]]:
    """Yields contents that are refused: with the kind of the error, and a part of its reason."""
    (folder / "photo.png").write_bytes(b"PK\x03\x04 not a photo")
    (folder / "cut.png").write_bytes(png()[:-20])
    (folder / "text.txt").write_text("text")
    os.mkfifo(folder / "pipe")
    (folder / "dangling").symlink_to(folder / "nowhere")
    with (folder / "huge.bin").open("wb") as file:
        file.truncate(10**12)
    (folder / "long.log").write_bytes(b"x" * (1024 * 1024 + 1))

    def path(name: str, kind: str = "file") -> Content:
        return [{"type": kind, "path": str(folder / name)}]

    yield path("photo.png"), "attachment_unsupported", "photo.png is an archive or an Office document"
    yield path("cut.png", "image"), "attachment_unsupported", "damaged"
    yield path("text.txt", "image"), "attachment_unsupported", "not an image"
    yield path("missing"), "attachment_unreadable", "no such file"
    yield path("dangling"), "attachment_unreadable", "no such file"
    yield path("."), "attachment_unreadable", "a folder"
    yield path("pipe"), "attachment_unreadable", "a device or a pipe"
    yield [{"type": "file", "path": "/dev/zero"}], "attachment_unreadable", "a device or a pipe"
    yield [{"type": "file", "path": "text.txt"}], "attachment_unreadable", "absolute path"
    yield [{"type": "file", "path": str(data_dir / "sidecar.db")}], "attachment_unreadable", "own data folder"
    yield path("huge.bin"), "attachment_too_large", "at most 20 MiB"
    yield path("long.log"), "attachment_too_large", "at most 1 MiB"
    yield path("text.txt") * 21, "invalid_params", "at most 20"
    yield [{"type": "file", "data": "not base64!"}], "invalid_params", "not base64"
    yield [{"type": "file", "data": "aGk=", "path": "/etc/hostname"}], "invalid_params", "either path or data"
    yield [{"type": "file"}], "invalid_params", "either path or data"
    yield [{"type": "text", "data": "aGk="}], "invalid_params", "has text"
    yield [{"type": "file", "data": "aGk=", "name": "../up"}], "invalid_params", "pattern"
    yield [], "invalid_params", "either prompt or content"


@scripted
async def test_what_cannot_be_sent_is_refused_with_the_reason_and_nothing_is_kept(
    talk: Talk, data_dir: Path, tmp_path: Path
) -> None:
    async with talk.connected() as claude:
        session = await claude.sessions.create()
        for content, kind, reason in refused(tmp_path, data_dir):
            with pytest.raises(RemoteError) as raised:
                await claude.client.call("claude.sessions.send", {"session_id": session.session_id, "content": content})
            error = raised.value
            assert (error.kind, reason in str(error.data.get("details"))) == (kind, True), (content, error.data)
        with pytest.raises(RemoteError):
            await claude.client.call("claude.sessions.send", {"session_id": "none", "content": [{"type": "text"}]})
        assert (await claude.client.call("jobs.list", {}))["jobs"] == []
    assert not (data_dir / "attachments").exists()


async def test_the_oldest_copies_make_room_and_those_that_a_prompt_waits_for_do_not(tmp_path: Path) -> None:
    async with turn_harness(Path("/nowhere"), tmp_path) as harness:
        attachments = Attachments(harness.runtime, max_folder_bytes=25)
        part = PromptPart(type=PartType.FILE, data=base64(b"0123456789"))
        for job_id in ("first", "second"):
            attachments.store(None, job_id, await attachments.copy([part]))
        with pytest.raises(AttachmentsFull):
            await attachments.copy([part])
        attachments.answered("first")
        attachments.store(None, "third", await attachments.copy([part]))
        (first,), (second,), (third,) = map(attachments.of_job, ("first", "second", "third"))
        assert [attachments.read(one.attachment) for one in (second, third)] == [b"0123456789"] * 2
        with pytest.raises(JobFailed, match="is gone"):
            attachments.read(first.attachment)
