"""The constraints and conversions of scalar types."""

import pytest
from pydantic import TypeAdapter, ValidationError
from sidecar_protocol.scalars import EncryptionKey, Limit, Seconds, When

when: TypeAdapter[str] = TypeAdapter(When)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2026-11-23T08:00:00Z", "2026-11-23T08:00:00.000Z"),
        ("2026-11-23T17:00:00+09:00", "2026-11-23T08:00:00.000Z"),
        ("2026-11-23T08:00:00.123999Z", "2026-11-23T08:00:00.123Z"),
        ("0999-01-01T00:00:00Z", "0999-01-01T00:00:00.000Z"),
    ],
)
def test_times_are_converted_to_the_canonical_form(sent: str, kept: str) -> None:
    assert when.validate_python(sent) == kept


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [
        ("2026-11-23T08:00:00", "needs an offset"),
        ("2026-11-23", "needs an offset"),
        ("tomorrow", "not an ISO 8601 date and time"),
        ("", "not an ISO 8601 date and time"),
        ("2026-02-30T08:00:00Z", "not an ISO 8601 date and time"),
        ("0001-01-01T00:00:00+09:00", "must be in the years 1 to 9999"),
        ("9" * 65, "at most 64 characters"),
    ],
)
def test_an_invalid_time_is_refused_with_a_reason(sent: str, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        when.validate_python(sent)


@pytest.mark.parametrize(("scalar", "bad"), [(Limit, 0), (Limit, 501), (Seconds, 0), (Seconds, float("nan"))])
def test_a_number_outside_its_range_is_refused(scalar: type, bad: float) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(scalar).validate_python(bad)


@pytest.mark.parametrize("bad", ["", "A" * 44, "A" * 42 + "=", "A" * 43 + "=\n"])
def test_a_key_must_be_32_bytes_in_base64(bad: str) -> None:
    key: TypeAdapter[str] = TypeAdapter(EncryptionKey)
    assert key.validate_python("A" * 43 + "=")
    with pytest.raises(ValidationError):
        key.validate_python(bad)
