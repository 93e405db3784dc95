"""The errors that any method may answer with.  A domain's own errors stand in the domain's file.

Codes are HTTP's times ten, outside JSON-RPC's reserved range, where LSP, MCP and others disagree on every value.
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
    """No such method; rpc.discover lists them all."""

    code = -32601


class InvalidParams(RpcError):
    """The params do not fit the method; see details."""

    code = -32602


class Internal(RpcError):
    """Internal error; the log has the details under this error_id."""

    code = -32603


class NotInitialized(RpcError):
    """The first request must be initialize."""

    code = -32002


class Cancelled(RpcError):
    """The request was cancelled by the client."""

    code = -32800


class ServerCancelled(RpcError):
    """The request was given up by the server: its deadline passed, or the server is shutting down."""

    code = -32802
    retryable: ClassVar[bool] = True


class InvalidCursor(RpcError):
    """The cursor is not one that this method gave out; start again without one."""

    code = 4001


class Unauthorized(RpcError):
    """initialize must carry the token that BACKEND_TOKEN names."""

    code = 4010


class ResultTooLarge(RpcError):
    """The result is larger than a message may be; ask for less, page by page."""

    code = 4130


class MessageTooLarge(RpcError):
    """The line is longer than limits.max_message_bytes; it was discarded."""

    code = 4131


class PayloadTooLarge(RpcError):
    """The job's payload is over 3 MiB as JSON; give large inputs as files."""

    code = 4132


class TimeZoneUnknown(RpcError):
    """No time zone has this name; an IANA name is wanted, such as Europe/Berlin."""

    code = 4221


class SecretsLocked(RpcError):
    """Stored credentials are locked: the host has not handed over the key that they were encrypted with."""

    code = 4230


class Overloaded(RpcError):
    """Too many requests are in flight; try again soon."""

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
