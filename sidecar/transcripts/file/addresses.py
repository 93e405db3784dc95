"""Addresses that are secrets themselves, in a recording: what stands for one shows nothing of it, and is taken for it.

A secret address stands as `https://recorded.invalid/<digest>`, and the digest of that is the digest of the address.  So
a request by either is the same request of a tape (`upstream.py`), and a conversation that is said again with what
stands in the transcript (`redact.py`) asks for what was recorded, without anybody having kept the address.
"""

import re
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from sidecar.loopback import is_loopback

OF_THE_WEB: Final = frozenset({"http", "https", "webcal", "webcals"})
UNREADABLE: Final = "http://["
"""Stands for what is no address: it is none either."""
_ADDRESS: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_STAND_IN: Final = re.compile(r"(?:recorded\.invalid|localhost/recorded)/([0-9a-f]{32})")


def digest_of(address: str) -> str:
    """What an address is but for its scheme, of which people write several: `webcal:` for `https:`."""
    rest = _rest(address)
    stands_for = _STAND_IN.fullmatch(rest)
    return stands_for[1] if stands_for else sha256(rest.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def stand_in(address: str) -> str:
    """What stands for an address: of the same scheme, and on this machine where that is."""
    found = _ADDRESS.fullmatch(address.strip())
    try:
        host = urlsplit(address.strip()).hostname
    except ValueError:
        found = None
    if found is None:
        return UNREADABLE
    place = "localhost/recorded" if is_loopback(host) else "recorded.invalid"
    return f"{found[1].lower()}://{place}/{digest_of(address)}"


def is_address(text: str) -> bool:
    """Whether a secret is one that a stand-in can take the place of: something that a tape can have the answer of."""
    found = _ADDRESS.fullmatch(text.strip())
    return found is not None and found[1].lower() in OF_THE_WEB


def _rest(address: str) -> str:
    found = _ADDRESS.fullmatch(address.strip())
    return found[2] if found else address
