"""Errors that are not specific to one domain.

Their codes are HTTP status codes times ten plus a digit.  This avoids JSON-RPC's reserved range, whose values LSP, MCP
and others use in conflicting ways.
"""

from typing import ClassVar

from sidecar_protocol.contract import RpcError


class ParseError(RpcError):
    """The line is not JSON."""

    code = -32700


class InvalidRequest(RpcError):
    """The line is not a JSON-RPC 2.0 request."""

    code = -32600


class MethodNotFound(RpcError):
    """There is no such method; rpc.discover lists all methods."""

    code = -32601


class InvalidParams(RpcError):
    """The params are invalid; see details."""

    code = -32602


class Internal(RpcError):
    """Internal error; see the log entry with this error_id."""

    code = -32603


class NotInitialized(RpcError):
    """The first request must be initialize."""

    code = -32002


class Cancelled(RpcError):
    """The request was cancelled by the client."""

    code = -32800


class ServerCancelled(RpcError):
    """The server cancelled the request: its timeout passed, or the server is shutting down."""

    code = -32802
    retryable: ClassVar[bool] = True


class InvalidCursor(RpcError):
    """The cursor is not from this list; start again without a cursor."""

    code = 4001


class Unauthorized(RpcError):
    """initialize needs the token that is set in BACKEND_TOKEN."""

    code = 4010


class ResultTooLarge(RpcError):
    """The result is too large for one message; request smaller pages."""

    code = 4130


class MessageTooLarge(RpcError):
    """The line is longer than limits.max_message_bytes; it was discarded."""

    code = 4131


class PayloadTooLarge(RpcError):
    """The job's payload exceeds 3 MiB of JSON; pass large inputs as files."""

    code = 4132


class TimeZoneUnknown(RpcError):
    """Unknown time zone; use an IANA name such as Europe/Berlin."""

    code = 4221


class QueueFull(RpcError):
    """The queue holds 100,000 unfinished jobs, which is the most that it may."""

    code = 4099
    retryable: ClassVar[bool] = True


class SecretsLocked(RpcError):
    """Stored credentials are locked: initialize did not receive the key that they are encrypted with."""

    code = 4230


class Overloaded(RpcError):
    """Too many requests are in flight; try again later."""

    code = 5030
    retryable: ClassVar[bool] = True


class ShuttingDown(RpcError):
    """The sidecar is shutting down."""

    code = 5031
    retryable: ClassVar[bool] = True


class Storage(RpcError):
    """The database could not be read or written."""

    code = 5070
    retryable: ClassVar[bool] = True
