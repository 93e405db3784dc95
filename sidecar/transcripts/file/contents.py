"""The contents of files in requests: how a transcript describes them, and what a replay sends in their place.

A transcript says how large a file was, and its digest; the small file of the same type, which is sent in its place, is
accepted like it.
"""

from base64 import b64encode
from hashlib import sha256
from typing import Final

EXAMPLES: Final = {
    "iVBORw0KGgo": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGMQUDAAAACgAGFHUeA5AAAAAElFTkSuQmCC",
    "/9j/": "/9j/4AAQSkZJRgABAQAAAQABAAD/wAALCAACAAMBAREA/9k=",
    "R0lGOD": "R0lGODlhAgACAAAAACwAAAAAAgACAAACAoxTADs=",
    "UklGR": "UklGRhoAAABXRUJQVlA4TA0AAAAvAUAAAAcQERGIiP4HAA==",
    "JVBERi": "JVBERi0xLjQKdHJhaWxlcjw8Pj4KJSVFT0YK",
}
"""Small files by the beginning of their base64: PNG, JPEG, GIF, WebP, PDF."""
TEXT: Final = b64encode(b"a file whose content was not recorded").decode()


def described(content: str) -> str:
    """Returns what a transcript says about a file: size and digest of its base64."""
    return f"{len(content)} characters of base64, sha256 {sha256(content.encode()).hexdigest()}"


def example(content: str) -> str:
    """Returns a small file of the same type."""
    return next((small for beginning, small in EXAMPLES.items() if content.startswith(beginning)), TEXT)
