"""Reads the files of a prompt when it is sent: bounded, never from a device or a pipe, never half."""

import binascii
import errno
import os
import stat
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sidecar_protocol.claude.attachments import (
    MAX_ATTACHMENTS,
    MAX_TEXT_BYTES,
    MAX_TOTAL_BYTES,
    AttachmentTooLarge,
    AttachmentUnreadable,
    AttachmentUnsupported,
    PartType,
    PromptPart,
)
from sidecar_protocol.contract import RpcError
from sidecar_protocol.errors import InvalidParams

from sidecar.claude.prompts.media import IMAGES, SUFFIXES, TEXT, Unusable, media_type

PATH_HINT: Final = "Claude can also open files itself: name the path in the prompt."
NAME_CHARS: Final = 255
JOINT: Final = "\n\n"
"""Joins the texts of a prompt."""
MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class NewAttachment:
    """A file of a prompt, before it is stored.  `position` is the number of the prompt's characters before it."""

    name: str
    media_type: str
    position: int
    data: bytes


def check_parts(prompt: str | None, parts: Sequence[PromptPart]) -> str:
    """Returns the text of a prompt.  Raises `InvalidParams` unless it has either a text or well formed parts."""
    if (prompt is None) == (not parts):
        raise InvalidParams(details=[{"path": "content", "message": "give either prompt or content"}])
    for index, part in enumerate(parts):
        given = [name for name in ("text", "path", "data") if getattr(part, name) is not None]
        allowed = (["text"],) if part.type is PartType.TEXT else (["path"], ["data"])
        if given not in allowed:
            expected = "text" if part.type is PartType.TEXT else "either path or data"
            message = f"a part of type {part.type} has {expected}, and no other content"
            raise InvalidParams(details=[{"path": f"content.{index}", "message": message}])
    if sum(part.type is not PartType.TEXT for part in parts) > MAX_ATTACHMENTS:
        message = f"a prompt has at most {MAX_ATTACHMENTS} images and files"
        raise InvalidParams(details=[{"path": "content", "message": message}])
    text = JOINT.join(part.text for part in parts if part.text is not None)
    if len(text) > 2_000_000:
        raise InvalidParams(details=[{"path": "content", "message": "the texts have more than 2000000 characters"}])
    return text if prompt is None else prompt


def read_parts(parts: Sequence[PromptPart], own: Sequence[Path]) -> list[NewAttachment]:
    """Reads the images and files of a prompt; call it in a thread.  `own` are the sidecar's folders, which it refuses.

    Raises `AttachmentUnreadable`, `AttachmentUnsupported` and `AttachmentTooLarge`.
    """
    found: list[NewAttachment] = []
    position, left = 0, MAX_TOTAL_BYTES
    for index, part in enumerate(parts):
        if part.text is not None:
            position += len(part.text) + (len(JOINT) if position else 0)
            continue
        name, data = _read(part, f"content.{index}", left, own)
        left -= len(data)
        try:
            kind = media_type(data)
        except Unusable as unusable:
            raise _refused(AttachmentUnsupported, f"content.{index}", name or "the data", unusable.message) from None
        name = name or f"attachment-{len(found) + 1}{SUFFIXES[kind]}"
        if part.type is PartType.IMAGE and kind not in IMAGES:
            raise _refused(AttachmentUnsupported, f"content.{index}", name, "is not an image")
        if kind == TEXT and len(data) > MAX_TEXT_BYTES:
            message = f"is a text of {len(data) / MIB:.1f} MiB: at most {MAX_TEXT_BYTES // MIB} MiB"
            raise _refused(AttachmentTooLarge, f"content.{index}", name, message)
        found.append(NewAttachment(name, kind, position, data))
    return found


def _read(part: PromptPart, where: str, left: int, own: Sequence[Path]) -> tuple[str | None, bytes]:
    if part.path is not None:
        path = Path(part.path)
        name = part.name or _printable(path.name)
        return name, _read_file(path, f"{where}.path", name, left, own)
    try:
        data = b64decode(part.data or "", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidParams(details=[{"path": f"{where}.data", "message": "not base64"}]) from None
    _check_size(len(data), f"{where}.data", part.name or "the data", left)
    return part.name, data


def _read_file(path: Path, where: str, name: str, left: int, own: Sequence[Path]) -> bytes:
    if not path.is_absolute() or "\0" in str(path):
        raise _refused(AttachmentUnreadable, where, name, "is not an absolute path")
    try:
        # Without O_NONBLOCK, the open of a pipe would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise _refused(AttachmentUnreadable, where, name, f"cannot be opened: {_reason(error)}") from None
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            what = "a folder" if stat.S_ISDIR(before.st_mode) else "a device or a pipe"
            raise _refused(AttachmentUnreadable, where, name, f"is {what}, not a file")
        if _is_inside(path, own):
            raise _refused(AttachmentUnreadable, where, name, "lies in the sidecar's own data folder")
        _check_size(before.st_size, where, name, left)
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(left + 1)
        after = os.fstat(descriptor)
    except OSError as error:
        raise _refused(AttachmentUnreadable, where, name, f"cannot be read: {_reason(error)}") from None
    finally:
        os.close(descriptor)
    _check_size(len(data), where, name, left)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or len(data) != after.st_size:
        raise _refused(AttachmentUnreadable, where, name, "is being written: send it once it is complete")
    return data


def _check_size(size: int, where: str, name: str, left: int) -> None:
    if size > left:
        rest = "" if left == MAX_TOTAL_BYTES else f", of which {left / MIB:.1f} are left"
        message = f"has {size / MIB:.1f} MiB: the files of a prompt have at most {MAX_TOTAL_BYTES // MIB} MiB{rest}"
        raise _refused(AttachmentTooLarge, where, name, message)


def _is_inside(path: Path, folders: Sequence[Path]) -> bool:
    """Returns whether a file lies in one of these folders, but not in `exports` of one."""
    real = path.resolve()
    for folder in (one.resolve() for one in folders):
        if real.is_relative_to(folder) and not real.is_relative_to(folder / "exports"):
            return True
    return False


def _refused(kind: type[RpcError], where: str, name: str, message: str) -> RpcError:
    return kind(hint=PATH_HINT, details=[{"path": where, "message": f"{name} {message}"}])


def _reason(error: OSError) -> str:
    known = {errno.ENOENT: "there is no such file", errno.EACCES: "the permission is missing"}
    return known.get(error.errno or 0) or error.strerror or "unknown error"


def _printable(name: str) -> str:
    """Returns a file name without characters that would break a line."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in name)[:NAME_CHARS] or "file"
