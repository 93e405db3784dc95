"""Finds out by its content what a file is, and whether Claude can read it.  No I/O.

Claude's API answers a damaged image with an error, and again with each later prompt, since the image is a part of the
conversation by then.  So the beginning, the end and the dimensions are checked before anything is sent.
"""

import re
import struct
from dataclasses import dataclass
from typing import Final

PNG, JPEG, GIF, WEBP = "image/png", "image/jpeg", "image/gif", "image/webp"
PDF, TEXT = "application/pdf", "text/plain"
IMAGES: Final = frozenset({PNG, JPEG, GIF, WEBP})
SUFFIXES: Final = {PNG: ".png", JPEG: ".jpg", GIF: ".gif", WEBP: ".webp", PDF: ".pdf", TEXT: ".txt"}
MAX_SIDE: Final = 65_000
"""Pixels.  The API takes 8,000; the CLI reduces what has more than 2,000 (measured with 9,000 and 20,000)."""
MAX_PIXELS: Final = 200_000_000
"""Maximum of an image: the CLI unpacks it, into four bytes a pixel."""
MAX_PAGES: Final = 600
"""Maximum of a PDF document, by the API's documentation; models with a smaller context window take 100."""
TAIL_BYTES: Final = 2_048
"""Where the end of a PDF document is looked for."""
PAGE: Final = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
PICTURES: Final = ((b"BM", "BMP"), (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"\0\0\1\0", "ICO"))
JPEG_FRAMES: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
JPEG_END_BYTES: Final = 64 * 1024
"""Cameras write data of their own behind the end of the image."""


@dataclass
class Unusable(Exception):
    """Claude cannot read a file; the message completes the sentence "NAME …"."""

    message: str


def media_type(data: bytes) -> str:
    """Returns the media type of a file by its content.  Raises `Unusable`."""
    if not data:
        raise Unusable("is empty")
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        _check_image(_png_size(data), is_complete=b"IEND" in data[-JPEG_END_BYTES:])
        return PNG
    if data.startswith(b"\xff\xd8\xff"):
        _check_image(_jpeg_size(data), is_complete=b"\xff\xd9" in data[-JPEG_END_BYTES:])
        return JPEG
    if data.startswith((b"GIF87a", b"GIF89a")):
        _check_image(_little_endian(data, "<HH", 6), is_complete=b";" in data[-TAIL_BYTES:])
        return GIF
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        size = _little_endian(data, "<I", 4)
        _check_image(_webp_size(data), is_complete=size is not None and len(data) >= size[0] + 8)
        return WEBP
    if b"%PDF-" in data[:1_024]:
        _check_pdf(data)
        return PDF
    if (text := decoded(data)) is not None and not _has_control_characters(text):
        return TEXT
    raise Unusable(f"is {_name_of(data)}: Claude reads PNG, JPEG, GIF and WebP images, PDF documents, and text")


def decoded(data: bytes) -> str | None:
    """Returns the text of a file in UTF-8, or in UTF-16 with its mark; None if it is neither."""
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _has_control_characters(text: str) -> bool:
    return re.search("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]", text) is not None


def _check_image(size: tuple[int, ...] | None, *, is_complete: bool) -> None:
    if size is None or 0 in size or not is_complete:
        raise Unusable("is a damaged image, or only a part of one")
    width, height = size
    if max(size) > MAX_SIDE or width * height > MAX_PIXELS:
        limit = f"{MAX_SIDE} pixels on each side, {MAX_PIXELS // 1_000_000} million in all"
        raise Unusable(f"has {width} x {height} pixels: at most {limit}")


def _check_pdf(data: bytes) -> None:
    if b"%%EOF" not in data[-TAIL_BYTES:]:
        raise Unusable("is a damaged PDF document, or only a part of one")
    if b"/Encrypt" in data:
        raise Unusable("is an encrypted PDF document, which Claude cannot read: remove its password")
    if (pages := len(PAGE.findall(data))) > MAX_PAGES:
        raise Unusable(f"has {pages} pages: Claude reads at most {MAX_PAGES}")


def _png_size(data: bytes) -> tuple[int, ...] | None:
    return struct.unpack_from(">II", data, 16) if len(data) >= 24 and data[12:16] == b"IHDR" else None


def _little_endian(data: bytes, form: str, offset: int) -> tuple[int, ...] | None:
    return struct.unpack_from(form, data, offset) if len(data) >= offset + struct.calcsize(form) else None


def _jpeg_size(data: bytes) -> tuple[int, ...] | None:
    """Returns the dimensions in the first frame header, which follows segments with lengths of their own."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        if marker == 0xFF:  # padding
            at += 1
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return None


def _webp_size(data: bytes) -> tuple[int, ...] | None:
    if len(data) < 30:
        return None
    match data[12:16]:
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            bits = struct.unpack_from("<I", data, 21)[0]
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    return None


def _name_of(data: bytes) -> str:
    """Returns what a file of another type is, for an error."""
    for beginning, name in PICTURES:
        if data.startswith(beginning):
            return f"a {name} image"
    if data[4:8] == b"ftyp":
        return "a HEIC or AVIF image" if data[8:12] in (b"heic", b"heix", b"mif1", b"avif") else "a video"
    if data.startswith(b"PK\x03\x04"):
        return "an archive or an Office document"
    return "of a type that is not supported"
