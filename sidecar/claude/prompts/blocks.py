"""Turns a prompt and its files into the content blocks that the CLI is sent."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from anyio.to_thread import run_sync
from sidecar_protocol.claude.attachments import Attachment

from sidecar.claude.prompts.attachments import Attachments, StoredAttachment
from sidecar.claude.prompts.media import IMAGES, PDF, decoded
from sidecar.claude.prompts.reading import JOINT


async def content_blocks(
    attachments: Attachments, job_id: str, prompt: str, before: str | None = None
) -> list[Mapping[str, Any]] | None:
    """Returns the blocks of a prompt, in the order in which its parts were sent, after the text `before`.

    Returns None if there is only the prompt's text.

    Raises `JobFailed` of kind `attachment_missing`.
    """
    return await blocks_of(attachments, attachments.of_job(job_id), prompt, before)


async def blocks_of(
    attachments: Attachments, stored: Sequence[StoredAttachment], prompt: str, before: str | None = None
) -> list[Mapping[str, Any]] | None:
    """Does as `content_blocks`, with these files."""
    if not stored and before is None:
        return None
    files = await run_sync(lambda: [file_block(one.attachment, attachments.read(one.attachment)) for one in stored])
    return [*_texts(before), *_interleaved(prompt, stored, files)]


def file_block(attachment: Attachment, data: bytes) -> Mapping[str, Any]:
    """Returns the block of a file, as in the Messages API."""
    if attachment.media_type in IMAGES or attachment.media_type == PDF:
        source = {"type": "base64", "media_type": attachment.media_type, "data": b64encode(data).decode()}
    else:
        source = {"type": "text", "media_type": "text/plain", "data": decoded(data) or ""}
    if attachment.media_type in IMAGES:
        return {"type": "image", "source": source}
    return {"type": "document", "source": source, "title": attachment.name}


def text_block(text: str) -> Mapping[str, Any]:
    return {"type": "text", "text": text}


def _interleaved(
    prompt: str, stored: Sequence[StoredAttachment], files: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    blocks: list[Mapping[str, Any]] = []
    begin = 0
    for one, block in zip(stored, files, strict=True):
        blocks += _texts(prompt[begin : one.position].removeprefix(JOINT if begin else ""))
        blocks.append(block)
        begin = one.position
    return [*blocks, *_texts(prompt[begin:].removeprefix(JOINT if begin else ""))]


def _texts(text: str | None) -> list[Mapping[str, Any]]:
    return [text_block(text)] if text else []
