"""Placeholder URLs for addresses that are secrets themselves, such as a calendar's private .ics address.

A secret address is recorded as `https://recorded.invalid/<digest>`.  A placeholder has the same digest as the address
that it replaces, so a request for either finds the same recorded response (`upstream.py`), and a transcript can be
replayed (`redact.py`) although the address is not stored.
"""

import re
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from sidecar.loopback import is_loopback

WEB_SCHEMES: Final = frozenset({"http", "https", "webcal", "webcals"})
INVALID_URL: Final = "http://["
"""Placeholder for text that is not a URL; deliberately invalid."""
_ADDRESS: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_PLACEHOLDER: Final = re.compile(r"(?:recorded\.invalid|localhost/recorded)/([0-9a-f]{32})")


def address_digest(address: str) -> str:
    """Returns a digest of an address without its scheme: `webcal:` and `https:` often name the same file."""
    found = _ADDRESS.fullmatch(address.strip())
    rest = found[2] if found else address
    placeholder = _PLACEHOLDER.fullmatch(rest)
    return placeholder[1] if placeholder else sha256(rest.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def placeholder_url(address: str) -> str:
    """Returns the placeholder for an address: same scheme, and on the loopback interface if the address is."""
    found = _ADDRESS.fullmatch(address.strip())
    try:
        host = urlsplit(address.strip()).hostname
    except ValueError:
        found = None
    if found is None:
        return INVALID_URL
    place = "localhost/recorded" if is_loopback(host) else "recorded.invalid"
    return f"{found[1].lower()}://{place}/{address_digest(address)}"


def is_web_address(text: str) -> bool:
    """Returns whether the text is a URL whose response a recording can contain."""
    found = _ADDRESS.fullmatch(text.strip())
    return found is not None and found[1].lower() in WEB_SCHEMES
