"""Declares methods, notifications, errors and job types once, in Python.

The dispatcher, the OpenRPC document, the TypeScript module, the command line and the client of the tests are all
derived from these declarations.
"""

from sidecar_protocol.contract.encoded import Encoded, as_models, encode
from sidecar_protocol.contract.errors import RpcError
from sidecar_protocol.contract.job_types import JobPolicy, JobSpec, Recovery
from sidecar_protocol.contract.methods import UNCHANGED, Method, ToolUse, Unchanged, method, methods_of, remote
from sidecar_protocol.contract.models import Cited, Foreign, Input, Model, Secret, is_secret
from sidecar_protocol.contract.names import pascal_case, snake_case
from sidecar_protocol.contract.notifications import Ephemeral, Notification

__all__ = [
    "UNCHANGED",
    "Cited",
    "Encoded",
    "Ephemeral",
    "Foreign",
    "Input",
    "JobPolicy",
    "JobSpec",
    "Method",
    "Model",
    "Notification",
    "Recovery",
    "RpcError",
    "Secret",
    "ToolUse",
    "Unchanged",
    "as_models",
    "encode",
    "is_secret",
    "method",
    "methods_of",
    "pascal_case",
    "remote",
    "snake_case",
]
