"""Finds what others wrote in a result: the fields that the contract declares foreign, and their sources.  Pure.

What is found decides whether tools ask before they act, so it errs on the side of finding too much.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from sidecar_protocol.contract import Foreign, Model

from sidecar.hub.entries import Entry, entries

TEXT_CHARS: Final = 120
MAX_ADDRESS: Final = 320
"""The longest local part with the longest domain (RFC 3696); encoding a longer one takes quadratic time."""
ADDRESS: Final = re.compile(r"\S{1,64}@[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63}){0,9}")
"""An address with a domain in ASCII; one that is no such thing says nothing about who wrote a text."""
OPEN_DOMAINS: Final = frozenset(
    {
        "126.com",
        "163.com",
        "aol.com",
        "calendar.google.com",
        "fastmail.com",
        "free.fr",
        "gmail.com",
        "gmx.com",
        "gmx.de",
        "gmx.net",
        "googlemail.com",
        "group.calendar.google.com",
        "hotmail.co.uk",
        "hotmail.com",
        "hotmail.de",
        "hotmail.fr",
        "icloud.com",
        "import.calendar.google.com",
        "laposte.net",
        "libero.it",
        "live.com",
        "mac.com",
        "mail.com",
        "mail.ru",
        "me.com",
        "msn.com",
        "naver.com",
        "orange.fr",
        "outlook.com",
        "outlook.de",
        "pm.me",
        "proton.me",
        "protonmail.com",
        "qq.com",
        "t-online.de",
        "web.de",
        "yahoo.co.jp",
        "yahoo.co.uk",
        "yahoo.com",
        "yahoo.de",
        "yahoo.fr",
        "yandex.ru",
        "ymail.com",
        "zoho.com",
    }
)
"""Domains where anyone can get an address or a calendar: there, the address is the source and not the domain."""
UNKNOWN: Final = "unknown"
"""The organiser of an event that names none whom one could trust."""
MAIL: Final = "mail"
"""The source of what Google has found in mails to the account, which it names as the organiser: the senders' text."""


@dataclass(frozen=True, slots=True)
class ForeignText:
    """A text that others can have written, and its source."""

    source: str
    text: str


def foreign_texts(model: type[Model], value: Entry, tool: str) -> list[ForeignText]:
    """Returns the first foreign text of each source in a result."""
    found: dict[str, ForeignText] = {}
    for kind, entry in entries(model, value):
        for one in _texts(kind, entry, tool):
            found.setdefault(one.source, one)
    return list(found.values())


def _texts(model: type[Model], entry: Mapping[str, Any], tool: str) -> Iterator[ForeignText]:
    for name, field in model.model_fields.items():
        member = entry.get(name)
        if member not in (None, "", [], {}) and (Foreign in field.metadata or _is_marked(field.annotation)):
            yield ForeignText(_source(entry, tool), _one_line(str(member)[:TEXT_CHARS]))


def _is_marked(annotation: Any) -> bool:
    return any(one is Foreign or _is_marked(one) for one in get_args(annotation))


def _source(entry: Mapping[str, Any], tool: str) -> str:
    """Returns who can have written an entry: its account, in calendars with the organiser's domain."""
    account, service, organizer = entry.get("account_id"), entry.get("source"), entry.get("organizer")
    if not isinstance(account, str):
        return f"hub:{tool}"
    if entry.get("event_type") == "fromGmail":
        return f"{account}:{MAIL}"
    if organizer is not None:
        return f"{account}:{_organizer(organizer.get('email') if isinstance(organizer, dict) else None)}"
    return f"{service}:{account}" if isinstance(service, str) else account


def _organizer(email: object) -> str:
    """Returns the domain of an address, or all of it in a domain that is open to anyone."""
    if not isinstance(email, str) or len(email) > MAX_ADDRESS:
        return UNKNOWN
    name, _, domain = email.rpartition("@")
    domain = ".".join(map(_ascii, domain.split(".")))
    address = f"{name.lower()}@{domain}"
    if ADDRESS.fullmatch(address) is None:
        return UNKNOWN
    return address if domain in OPEN_DOMAINS else domain


def _ascii(label: str) -> str:
    """Returns a part of a domain in ASCII, which shows letters of other alphabets that look the same.

    Unlike IDNA, it takes no letter for another one, so that no two domains become one.
    """
    return label.lower() if label.isascii() else f"xn--{label.lower().encode('punycode').decode()}"


def _one_line(text: str) -> str:
    """Returns a text that cannot look like more than one in a question to the user."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
