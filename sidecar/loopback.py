"""Addresses of this machine: the only ones that may be reached without TLS, for tests and for Google's redirect."""

import re
from typing import Final

HOSTS: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_ORIGIN: Final = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\]):\d{1,5}/?")


def is_loopback(host: str | None) -> bool:
    """Whether a host name or IP address without brackets names this machine."""
    return host in HOSTS


def is_loopback_origin(url: str) -> bool:
    """Whether a URL is plain http to a port of this machine, without a path."""
    return _ORIGIN.fullmatch(url) is not None
