"""The parts of a prompt: text, images and files.

Claude reads PNG, JPEG, GIF and WebP images, PDF documents, and text in UTF-8.  What a file is is decided by its
content.  A file is copied when the prompt is sent, so that later changes of it make no difference.
"""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from sidecar_protocol.contract import Input, Model, RpcError, Secret
from sidecar_protocol.scalars import MEASURED, Count, FilePath, LongText, OpaqueId

MAX_PARTS = 50
MAX_ATTACHMENTS = 20
"""Claude reduces the allowed size of images to 2000 by 2000 pixels in a request with more."""
MAX_TOTAL_BYTES = 20 * 1024 * 1024
"""Size of all attachments of a prompt: Claude's API takes requests of 32 MB, in which they are base64."""
MAX_TEXT_BYTES = 1024 * 1024
"""Size of a text file: more does not fit into what Claude can read at once."""

PromptText = Annotated[
    str,
    StringConstraints(max_length=2_000_000),
    Field(description="The prompt.  It may be empty only if the prompt has attachments."),
]
Base64Data = Annotated[
    str,
    Secret,
    StringConstraints(max_length=MAX_TOTAL_BYTES * 4 // 3 + 4),
    Field(description="The content in base64.", json_schema_extra={"contentEncoding": "base64"}),
]
AttachmentName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f/\\]+$"),
    Field(description="A file name, without a folder."),
]


class AttachmentUnreadable(RpcError):
    """A file of the prompt cannot be read; see details."""

    code = 4226


class AttachmentUnsupported(RpcError):
    """A file of the prompt is damaged, or of a type that Claude cannot read; see details."""

    code = 4227


class AttachmentTooLarge(RpcError):
    """The files of the prompt are too large; see details."""

    code = 4133


class AttachmentsFull(RpcError):
    """The files of prompts that wait take all of the space for attachments; send the prompt when some are answered."""

    code = 4228


ATTACHMENT_ERRORS = (AttachmentUnreadable, AttachmentUnsupported, AttachmentTooLarge, AttachmentsFull)


class PartType(StrEnum):
    """The type of a part of a prompt."""

    TEXT = "text"
    """`text`."""
    IMAGE = "image"
    """An image in `path` or `data`; anything else there is refused."""
    FILE = "file"
    """An image, a PDF document or a text file in `path` or `data`."""


class PromptPart(Input):
    """A part of a prompt.  An image or a file has either `path` or `data`."""

    type: PartType
    text: LongText | None = None
    path: FilePath | None = None
    """The absolute path of a file that the sidecar reads.  By default a page may not name one, but send `data`."""
    data: Base64Data | None = None
    name: AttachmentName | None = None
    """Null for the name in `path`, or a name by the type of the content."""


PromptParts = Annotated[list[PromptPart], Field(max_length=MAX_PARTS)]


class Attachment(Model):
    """An image or a file of a prompt, as it was sent."""

    shown: ClassVar = ("name", "media_type", "size")
    attachment_id: OpaqueId
    name: str
    media_type: str
    """Type of the content: `image/png`, `image/jpeg`, `image/gif`, `image/webp`, `application/pdf` or `text/plain`."""
    size: Annotated[Count, MEASURED]
    """Bytes."""
