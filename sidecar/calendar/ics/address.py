"""Addresses of calendar files: URLs and paths."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit

from sidecar_protocol.errors import InvalidParams

from sidecar.http.hosts import is_internet, is_localhost, literal
from sidecar.loopback import is_loopback

DEFAULT_PORTS: Final = {"https": 443, "http": 80}


def normalize(address: str) -> str:
    """Returns the https URL or path to store; calendar apps write `webcal:` for https.  Raises `InvalidParams`."""
    text = address.strip()
    if not text.isprintable():
        raise invalid_address("must not contain invisible characters")
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if scheme == "file":
        host, slash, path = rest.partition("/")
        if host not in ("", "localhost"):
            raise invalid_address("must name a file on this computer")
        from urllib.request import url2pathname  # noqa: PLC0415 - it imports http.client, which only such a URL needs

        text, separator = url2pathname(slash + path), ""
    if not separator:
        if not Path(text).is_absolute():
            raise invalid_address("must be a URL or the absolute path of a file")
        return text
    text = _with_https(f"{scheme}://{rest}")
    if not is_allowed(text):
        raise invalid_address("must be a valid https URL, since over http others could read the calendar")
    return text


def _with_https(url: str) -> str:
    """Returns a URL with https for the scheme `webcal` or `webcals`."""
    return re.sub("^webcals?:", "https:", url, flags=re.IGNORECASE)


def is_allowed(address: str) -> bool:
    """Whether this is a valid https URL, or an http URL of this computer."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        host.encode("idna")  # as the socket will encode it
        _ = parts.port  # raises ValueError if it is not a port number
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


def redirected(address: str, location: str) -> str | None:
    """Returns the URL that a server redirects to with this `Location`, or None if it may not redirect there.

    It may redirect to a valid URL, and not into the network behind it.  A calendar's owner may choose an address of
    this computer or the local network, a server on the internet may not.  For names it depends on where they lead,
    which is checked when they are connected to (`HttpRequest.internet_only`).
    """
    try:
        target = _with_https(urljoin(address, location))
    except ValueError:  # malformed
        return None
    return target if is_allowed(target) and (_is_local(address) or not _is_local(target)) else None


def _is_local(url: str) -> bool:
    """Whether a URL's host is this computer or an IP address that is not one of the internet."""
    host = urlsplit(url).hostname or ""
    address = literal(host)
    return is_localhost(host) if address is None else not is_internet(address)


def is_url(address: str) -> bool:
    """Whether a normalized address is a URL, not a path."""
    return address.startswith(("https://", "http://"))


def canonical_url(url: str) -> str:
    """Returns what all forms of a valid URL have in common that lead to the same file (RFC 3986, 6.2.2 and 6.2.3)."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".").encode("idna").decode()
    port = "" if parts.port in (None, DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    segments: list[str] = []
    for segment in (parts.path or "/").split("/"):
        if segment == "..":
            segments[1:] = segments[1:-1]
        elif segment != ".":
            segments.append(quote(unquote_to_bytes(segment), safe="!$&'()*+,;=:@"))
    return f"{parts.scheme}://{host}{port}{'/'.join(segments)}?{parts.query}"


def invalid_address(problem: str) -> InvalidParams:
    return InvalidParams(details=[{"path": "credentials.address", "message": problem}])
