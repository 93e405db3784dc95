"""A site's address as it is stored and asked: `https://example.atlassian.net`."""

from urllib.parse import urlsplit

from sidecar_protocol.atlassian import SiteAddressInvalid

from sidecar.loopback import is_loopback

_HINT = "Give the address of the site as a browser shows it, such as https://example.atlassian.net."


def site_address(text: str) -> str:
    """The scheme, host and port of what a person typed or pasted.

    Without a scheme it is https; http is for loopback alone, since the token would cross the network in the open.
    Raises `SiteAddressInvalid`, whose text never repeats the address: it may hold a password.
    """
    text = text.strip()
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host, port = parts.hostname or "", parts.port
        name = host if ":" in host else host.encode("idna").decode()
    except ValueError:  # UnicodeError is one
        raise SiteAddressInvalid(hint=_HINT) from None
    if parts.scheme not in ("http", "https") or not name or any(sign in name for sign in ' /\\%<>"'):
        raise SiteAddressInvalid(hint=_HINT)
    if parts.username is not None or parts.password is not None:
        raise SiteAddressInvalid("The address must not hold a user name or password.", hint=_HINT)
    if parts.scheme == "http" and not is_loopback(name):
        raise SiteAddressInvalid("The site must be reached by https.", hint=_HINT)
    shown = f"[{name}]" if ":" in name else name
    usual = 443 if parts.scheme == "https" else 80
    return f"{parts.scheme}://{shown}" + ("" if port in (None, usual) else f":{port}")
