"""The type of a file, by its content."""

import pytest

from sidecar.claude.prompts.media import Unusable, media_type
from tests.claude.prompts.files import GIF, JPEG, WEBP, pdf, png


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (png(), "image/png"),
        (png(9_000, 1), "image/png"),
        (JPEG, "image/jpeg"),
        (b"\xff\xd8\xff\xe1" + b"\0\x08Exif\0\0" + JPEG[2:], "image/jpeg"),
        (GIF, "image/gif"),
        (WEBP, "image/webp"),
        (pdf(), "application/pdf"),
        (b"\xef\xbb\xbf" + pdf(600), "application/pdf"),
        ("plain ümläut\n\ttab\x1b[31m".encode(), "text/plain"),
        ("wide".encode("utf-16"), "text/plain"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "text/plain"),
        (b"{}", "text/plain"),
    ],
)
def test_the_content_decides_what_a_file_is(data: bytes, expected: str) -> None:
    assert media_type(data) == expected


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (png()[:-20], "damaged"),
        (png()[:20], "damaged"),
        (png(0, 4), "damaged"),
        (png(66_000, 1), "pixels"),
        (JPEG[:-2], "damaged"),
        (b"\xff\xd8\xff\xff\xff\xd9", "damaged"),
        (b"GIF89a\2", "damaged"),
        (WEBP[:-4], "damaged"),
        (b"RIFF\0\0\0\0WEBP", "damaged"),
        (pdf()[:-8], "damaged"),
        (pdf(601), "601 pages"),
        (pdf().replace(b"trailer<<", b"trailer<</Encrypt 9 0 R"), "encrypted"),
        (b"PK\x03\x04 word/document.xml", "Office"),
        (b"\0\0\0\x18ftypheic" + bytes(20), "HEIC"),
        (b"BM" + bytes(50), "BMP"),
        (b"\x7fELF\x02\x01", "not supported"),
        ("grüße".encode("latin-1"), "not supported"),
        (b"text\0with a zero", "not supported"),
    ],
)
def test_what_claude_cannot_read_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(Unusable) as raised:
        media_type(data)
    assert reason in raised.value.message
