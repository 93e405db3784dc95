"""Small files of each type that Claude reads."""

import struct
import zlib
from base64 import b64encode


def png(width: int = 4, height: int = 4) -> bytes:
    """Returns a PNG image of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\x10\x20\x30" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def pdf(pages: int = 1) -> bytes:
    """Returns a PDF document of blank pages."""
    body = b"".join(b"%d 0 obj<</Type/Page/MediaBox[0 0 9 9]/Parent 2 0 R>>endobj\n" % (n + 3) for n in range(pages))
    kids = b" ".join(b"%d 0 R" % (n + 3) for n in range(pages))
    start = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    return start + b"2 0 obj<</Type/Pages/Count %d/Kids[%s]>>endobj\n%strailer<</Root 1 0 R>>\n%%%%EOF\n" % (
        pages,
        kids,
        body,
    )


JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xc0\0\x0b\x08\0\2\0\3\1\1\x11\0\xff\xd9"
GIF = b"GIF89a\2\0\2\0\0\0\0,\0\0\0\0\2\0\2\0\0\2\2\x8cS\0;"
WEBP = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\1\x40\0\0\x07\x10\x11\x11\x88\x88\xfe\x07\0"


def base64(data: bytes) -> str:
    return b64encode(data).decode()
