"""Finds the time zone that a name means: IANA names, Windows names, and what programs make of either."""

import re
from contextlib import suppress
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from sidecar.calendar.ics.times import ZULU

_UTC_NAMES: Final = frozenset(
    {"utc", "z", "zulu", "uct", "etc/zulu", "etc/uct", "universal", "etc/universal", "coordinated universal time"}
)
_WINDOWS: Final = {name.casefold(): iana for name, iana in WINDOWS_TO_OLSON.items()}
_ABBREVIATIONS: Final = {
    **dict.fromkeys(("pst", "pdt"), "America/Los_Angeles"),
    "mdt": "America/Denver",
    "cdt": "America/Chicago",
    "edt": "America/New_York",
    **dict.fromkeys(("cest", "mez", "mesz"), "CET"),
    "eest": "EET",
    "msk": "Europe/Moscow",
    "aedt": "Australia/Sydney",
    **dict.fromkeys(("nzst", "nzdt"), "Pacific/Auckland"),
    "bst": "Europe/London",
    "jst": "Asia/Tokyo",
    "kst": "Asia/Seoul",
}
"""Abbreviations that IANA does not list and that have one meaning, or one that is far more common than the others."""
_CONTINENTS: Final = "Africa America Antarctica Asia Atlantic Australia Europe Indian Pacific"
_REGIONS: Final = tuple(f"{name}/" for name in _CONTINENTS.split())
_OFFSET: Final = re.compile(r"\(?\s*(?:UTC|GMT)?\s*([+-])\s*(\d{1,2})(?:[:.]?(\d\d))?(?::?\d\d)?\s*\)?", re.IGNORECASE)
_OFFSET_AND_PLACE: Final = re.compile(
    r"\(\s*(?:UTC|GMT)\s*(?:([+-])\s*(\d{1,2})(?:[:.]?(\d\d))?)?\s*\)\s*(.+)", re.IGNORECASE
)
MAX_NAME_CHARS: Final = 200
"""Longer names name no zone; the patterns would take very long to find that out."""


def find_zone(name: str) -> tzinfo | None:
    """Returns the time zone with this name, in any case and with a vendor's prefix, or None if it is unknown."""
    name = name.replace("\0", "").strip().strip("\"'").strip()  # TbSync fills the name up with U+0000
    return _find_zone(name) if len(name) <= MAX_NAME_CHARS else None


@lru_cache(maxsize=256)
def _find_zone(name: str) -> tzinfo | None:
    folded = name.casefold()
    if folded.removesuffix(" (utc)") in _UTC_NAMES or folded.endswith("/utc"):
        return ZULU
    if (iana := _iana(name)) is not None:
        return iana
    windows = re.sub(r"(?<=time) \d+$", "", folded).replace("daylight time", "standard time")  # "… Standard Time 1"
    if windows in _WINDOWS:
        return _iana(_WINDOWS[windows])
    if folded in _ABBREVIATIONS:
        return _iana(_ABBREVIATIONS[folded])
    parts = name.strip("/").split("/")
    for start in range(1, len(parts) - 1):  # "/vendor/Europe/Berlin", "tzone://Microsoft/Olson/Europe/Berlin"
        if (iana := _iana("/".join(parts[start:]))) is not None:
            return iana
    for part in (
        name.replace("-", "/", 1),
        name.replace("_", "/", 1),
        *re.findall(r"\(([^()]+/[^()]+)\)", name),
    ):  # "US-Eastern", "Europe_Berlin", "CET (Europe/Rome)"
        if (iana := _iana(part)) is not None:
            return iana
    if (match := _OFFSET.fullmatch(name)) is not None:
        return _fixed(*match.groups())
    if (match := _OFFSET_AND_PLACE.fullmatch(name)) is not None:
        sign, hours, minutes, place = match.groups()
        offset = _fixed(sign or "+", hours or "0", minutes)
        return _at_place(place, offset) or offset
    return _at_place(name, None)


def is_region(name: str) -> bool:
    """Whether this is the IANA name of a region, with or without a vendor's prefix, and not one such as EST."""
    zone = find_zone(name)
    key = getattr(zone, "key", "")
    return key.startswith(_REGIONS) and key.casefold() in name.casefold().replace(" ", "_")


def _iana(name: str) -> ZoneInfo | None:
    with suppress(KeyError, ValueError, OSError):  # unknown, malformed, a folder of the database
        return ZoneInfo(name)
    key = _names().get(name.casefold().replace(" ", "_"))
    return None if key is None else ZoneInfo(key)


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    """Returns IANA names by the same in lower case, and regions also by their city."""
    names = available_timezones()
    return {name.casefold(): name for name in names}


@lru_cache(maxsize=1)
def _cities() -> dict[str, str]:
    return {
        name.rpartition("/")[2].casefold().replace("_", " "): name
        for name in sorted(_names().values())
        if name.startswith(_REGIONS)
    }


def _at_place(text: str, offset: tzinfo | None) -> tzinfo | None:
    """Returns the zone of a Windows display name such as "Eastern Time (US & Canada)" or "Amsterdam, Berlin, Bern".

    None if it is unknown, or if its standard time has another offset.
    """
    base = re.sub(r"\(.*?\)", "", text).strip().casefold().replace("_", " ")
    keys: list[str | None] = []
    for place in (base, *re.split(r"\s*[,;:/&]\s*", base)):
        keys += (_WINDOWS.get(place.removesuffix(" time") + " standard time"), _cities().get(place))
    for key in keys:
        if key is not None and (offset is None or _standard_offset(ZoneInfo(key)) == offset.utcoffset(None)):
            return ZoneInfo(key)
    return None


def _standard_offset(zone: tzinfo) -> timedelta:
    offsets = (datetime(2026, month, 1, tzinfo=zone).utcoffset() for month in (1, 7))
    return min(offset for offset in offsets if offset is not None)


def _fixed(sign: str, hours: str, minutes: str | None) -> tzinfo:
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return timezone(max(min(-offset if sign == "-" else offset, timedelta(hours=23)), timedelta(hours=-23)))
