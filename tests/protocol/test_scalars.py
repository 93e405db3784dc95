"""The scalars of the wire, where they do more than their JSON type says."""

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
def test_a_time_is_kept_in_the_one_form_that_sorts_as_text(sent: str, kept: str) -> None:
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
def test_what_is_no_moment_is_refused_in_words(sent: str, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        when.validate_python(sent)


@pytest.mark.parametrize(("scalar", "bad"), [(Limit, 0), (Limit, 501), (Seconds, 0), (Seconds, float("nan"))])
def test_a_number_outside_its_range_is_refused(scalar: type, bad: float) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(scalar).validate_python(bad)


@pytest.mark.parametrize("bad", ["", "A" * 44, "A" * 42 + "=", "A" * 43 + "=\n"])
def test_a_key_is_32_bytes_in_base64_and_nothing_more(bad: str) -> None:
    key: TypeAdapter[str] = TypeAdapter(EncryptionKey)
    assert key.validate_python("A" * 43 + "=")
    with pytest.raises(ValidationError):
        key.validate_python(bad)
