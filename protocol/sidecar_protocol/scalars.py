"""The scalar types of the wire, with their constraints and descriptions.

Numbers and booleans are strict: "5" and true are not accepted as the integer 5.  5.0 is: JSON Schema counts it as an
integer, and some languages have no other numbers.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, Strict, StringConstraints

from sidecar_protocol.contract import Foreign, Secret


def canonical_time(moment: datetime) -> str:
    """Formats a time as it is stored and sent: UTC with milliseconds and `Z`.  The format sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _canonical(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("not an ISO 8601 date and time, such as 2026-11-23T08:00:00Z") from None
    if moment.tzinfo is None:
        raise ValueError("a time needs an offset, such as Z or +09:00")
    try:
        return canonical_time(moment)
    except OverflowError:
        raise ValueError("a time must be in the years 1 to 9999") from None


def _whole(value: Any) -> Any:
    return int(value) if type(value) is float and value.is_integer() else value


WHOLE: Final = BeforeValidator(_whole)
"""Accepts 5.0 as the integer 5.  It must be the last mark: pydantic would lose constraints that follow it."""

UtcTime = Annotated[
    str, Field(description="UTC, ISO 8601: 2026-11-23T08:00:00.000Z.", json_schema_extra={"format": "date-time"})
]
When = Annotated[
    str,
    StringConstraints(max_length=64),
    AfterValidator(_canonical),
    Field(description="ISO 8601 with an offset.", json_schema_extra={"format": "date-time"}),
]


def live(*values: str) -> Any:
    """Declares the values of a status that is followed by another without a request: the work is not finished.

    The first member of the object that has the status is its id.
    """
    return Field(json_schema_extra={"x-live": list(values)})


def known(*values: str) -> Any:
    """Declares the values of a text that this version knows; a newer one, or the service itself, may add others."""
    return Field(json_schema_extra={"x-known-values": list(values)})


JOB_TYPES: Final = Field(json_schema_extra={"x-known-values": "x-job-types"})
"""Marks a text as the name of a job type."""
JOB_STATUSES: Final = Field(json_schema_extra={"x-known-keys": "JobStatus"})
"""Marks an object whose keys are statuses of jobs."""
JOB_ERRORS: Final = Field(json_schema_extra={"x-known-values": "x-job-errors"})
"""Marks a text as the kind of a job's error."""

Flag = Annotated[bool, Strict()]
Integer = Annotated[int, Strict(), Field(ge=-(2**53 - 1), le=2**53 - 1), WHOLE]
Count = Annotated[int, Strict(), Field(ge=0, le=2**53 - 1), WHOLE]
Seconds = Annotated[float, Field(strict=True, gt=0, le=7 * 24 * 3600, description="Seconds.")]
Milliseconds = Annotated[int, Strict(), Field(ge=1, le=24 * 3600 * 1000, description="Milliseconds."), WHOLE]
Fraction = Annotated[float, Field(ge=0, le=1, description="0.0 to 1.0.")]

MAX_PRIORITY: Final = 100
Priority = Annotated[
    int,
    Strict(),
    Field(ge=-MAX_PRIORITY, le=MAX_PRIORITY, description="Jobs of higher priority start first; 0 is normal."),
    WHOLE,
]

ForeignText = Annotated[str, Foreign]
"""A text that others can have written.  In a session with Claude, it makes tools ask (`claude.exposures.list`)."""
Text = Annotated[str, StringConstraints(max_length=1_000)]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=200)]
LongText = Annotated[str, StringConstraints(min_length=1, max_length=2_000_000)]
SearchText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500),
    Field(
        description="Text to search for.  Case, width (Ａ, ｱ) and Unicode normal form do not matter; a query of blanks,"
        " quotes and invisible characters finds nothing."
    ),
]
FolderPath = Annotated[
    str,
    StringConstraints(min_length=1, max_length=4_096, pattern=r"^[^\x00]*$"),
    Field(description="An absolute path."),
]
FilePath = Annotated[
    str, StringConstraints(min_length=1, max_length=4_096), Field(description="The absolute path of a file.")
]
WrittenPath = Annotated[FilePath, Field(json_schema_extra={"x-written": True})]
"""The path of a file that the sidecar writes.  Who only tries a request, such as a verification, sends another one."""

JobId = Annotated[str, StringConstraints(min_length=1, max_length=128), Field(description="A job's id (UUIDv7).")]
EventId = Annotated[str, StringConstraints(min_length=1, max_length=512), Field(description="An event's id.")]
AccountId = Annotated[str, StringConstraints(min_length=1, max_length=256), Field(description="An account's id.")]
SessionId = Annotated[str, StringConstraints(min_length=1, max_length=128), Field(description="A Claude session's id.")]

TimeZoneName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    Field(description="An IANA time zone: Europe/Berlin."),
]

Limit = Annotated[int, Strict(), Field(ge=1, le=500, description="Rows per page, 1 to 500."), WHOLE]
DEFAULT_LIMIT: Final = 50
DEFAULT_LINES_LIMIT: Final = 200
"""The default of lists whose rows are short, such as log lines and messages."""
Cursor = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1_024),
    Field(description="The `next_cursor` of the previous page.  Opaque.", json_schema_extra={"format": "cursor"}),
]
NextCursor = Annotated[str, Field(json_schema_extra={"format": "cursor"})]
TIME: Final = Field(json_schema_extra={"x-time": True})
"""Marks what is a point in time without being a `UtcTime`: a date, a provider's time, or seconds since 1970."""
LocalDate = Annotated[str, TIME]
"""A date without a time: 2026-11-23."""
Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
"""An id created by the sidecar (UUIDv7)."""
OpaqueId = Annotated[str, Field(json_schema_extra={"format": "id"})]
"""An id of any form, to be compared for equality only."""
Seq = Annotated[int, Strict(), Field(ge=0, le=2**53 - 1, json_schema_extra={"format": "seq"}), WHOLE]
"""A position in the event log."""
MEASURED: Final = Field(json_schema_extra={"format": "measured"})
"""Marks values that depend on the machine or the time.  Transcripts compare only their types."""
GENERATED: Final = Field(json_schema_extra={"format": "generated"})
"""Marks values of params that a client generates for each request.  A replay does not compare them."""
PAYLOAD_OF_TYPE: Final = Field(json_schema_extra={"x-described-by": ["x-job-types", "type", "payload"]})
"""Marks the payload of a job, which the job type in the member `type` beside it describes."""
RESULT_OF_TYPE: Final = Field(json_schema_extra={"x-described-by": ["x-job-types", "type", "result"]})
"""Marks the result of a job in the same way."""
PARAMS_OF_METHOD: Final = Field(json_schema_extra={"x-described-by": ["x-notifications", "method", "params"]})
"""Marks the params of a notification, which the member `method` beside it names."""
JsonObject = Annotated[dict[str, Any], Field(description="A JSON object.")]

Token = Annotated[str, Secret, StringConstraints(min_length=1, max_length=4_096)]
EncryptionKey = Annotated[
    str,
    Secret,
    StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$"),
    Field(description="32 bytes in base64, stored with Electron's safeStorage."),
]
