"""Time zones by their IANA names."""

from datetime import tzinfo

from sidecar_protocol.errors import TimeZoneUnknown


def zone_of(name: str) -> tzinfo:
    """The time zone of this name.  Raises TimeZoneUnknown."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - not needed for the first answers

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not there, no name of a zone, a folder of zones
        raise TimeZoneUnknown from None
