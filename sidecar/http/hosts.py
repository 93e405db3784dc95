"""Which addresses a host may have: those of the internet, of the local network, and of this computer."""

import ipaddress
import socket
from contextlib import suppress
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
LOCAL_DOMAINS: Final = (".local", ".home.arpa", ".internal", ".test", ".lan", ".home")
"""Domains that the internet does not have (RFC 6762, 8375, 6761, ICANN), and two that many routers use."""


def literal(host: str) -> str | None:
    """Returns the address that a host is, in its usual form; None for a name.

    Connecting takes decimal and short forms of IPv4, such as 2130706433 and 127.1, for addresses, too.
    """
    host = host.rstrip(".")
    with suppress(OSError):
        return socket.inet_ntoa(socket.inet_aton(host))
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return host


def is_localhost(host: str) -> bool:
    """Whether a name is reserved for this computer (RFC 6761, 6.3)."""
    name = host.rstrip(".").lower()
    return name == "localhost" or name.endswith(".localhost")


def is_internet(address: str) -> bool:
    """Whether an address is one of the internet, and not of this computer or a local network."""
    return _parsed(address).is_global


def may_have(host: str, address: str) -> bool:
    """Whether a host may have an address.

    The user may choose this computer by its address, as `localhost` or by its own name, and the local network by any
    name, as companies have.  A name of the internet that leads to this computer, or to the computer next to it, is a
    trick of its owner.
    """
    parsed, name = _parsed(address), host.rstrip(".").lower()
    if literal(host) is not None or (not is_localhost(host) and ("." not in name or name.endswith(LOCAL_DOMAINS))):
        return True
    if is_localhost(host):
        return parsed.is_loopback
    return not (parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified or parsed.is_multicast)


def _parsed(address: str) -> Address:
    """Returns an address, without its zone; for IPv6 that only wraps an IPv4 address, that one."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed in NAT64:
            return ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        return parsed.ipv4_mapped or parsed.sixtofour or parsed
    return parsed
