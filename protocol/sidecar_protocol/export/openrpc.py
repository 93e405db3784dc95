"""Exports the catalog as an OpenRPC 1.4 document, and that as a TypeScript module.

The output is reproducible.  `sidecar schema` writes `generated_files()`.  The TypeScript module is generated from the
OpenRPC document, so that the two always match.
"""

import hashlib
import inspect
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sidecar_protocol import catalog, connection, errors
from sidecar_protocol.contract import Ephemeral, JobSpec, Method, Model, Notification, RpcError
from sidecar_protocol.export.docs import member_docs
from sidecar_protocol.export.json_schemas import json_schemas_text
from sidecar_protocol.export.markdown import migrating_text, reference_text
from sidecar_protocol.export.schemas import PREFIX, params_of, reference, schemas_of
from sidecar_protocol.export.typescript import typescript
from sidecar_protocol.export.value_schemas import value_schemas_text
from sidecar_protocol.job_errors import CommonJobErrorKind
from sidecar_protocol.meta import PROTOCOL_VERSION, Meta

Json = dict[str, Any]

COMMON_ERRORS: tuple[type[RpcError], ...] = (
    errors.InvalidParams,
    errors.Internal,
    errors.NotInitialized,
    errors.Unauthorized,
    errors.Cancelled,
    errors.ServerCancelled,
    errors.ResultTooLarge,
    errors.Overloaded,
    errors.ShuttingDown,
    errors.Storage,
)
"""Errors that any method may return, in addition to those that it declares."""

_REFERENCE = re.compile(rf'"\$ref": "{PREFIX}(\w+)"')
_ONLY_AFTER_INITIALIZE = frozenset({errors.NotInitialized, errors.Unauthorized})
_DESCRIPTION = (
    "JSON-RPC 2.0 over stdin and stdout, one JSON object per line.  Params go by name; unknown ones are refused.\n"
    "Ignore unknown members of results and notifications.  A method without a result is a notification.\n"
    "x-notifications lists the notifications from the sidecar, x-job-types the job types for jobs.create,\n"
    "x-job-errors the kinds of their errors, and x-meta the options that the params of any request may contain as\n"
    "`_meta`.  "
    "x-known-values lists the values of a text that this version knows; another version may have more."
)


@dataclass(frozen=True, slots=True)
class ExportedContract:
    """The declarations to export."""

    methods: tuple[Method, ...]
    notifications: tuple[type[Notification], ...] = ()
    job_types: tuple[type[JobSpec], ...] = ()
    errors: tuple[type[RpcError], ...] = COMMON_ERRORS
    version: int = PROTOCOL_VERSION


CATALOG = ExportedContract(catalog.methods(), catalog.NOTIFICATIONS, catalog.JOB_TYPES, catalog.ERRORS)


def generated_files() -> dict[str, str]:
    """Returns {path in the repository: text} of every file that the contract generates."""
    document = openrpc(CATALOG)
    return {
        "schema/openrpc.json": openrpc_text(),
        "protocol/typescript/contract.ts": typescript_text(),
        "protocol/typescript/schemas.ts": json_schemas_text(document),
        "protocol/typescript/value_schemas.ts": value_schemas_text(document),
        "protocol/REFERENCE.md": reference_text(document),
        "protocol/MIGRATING.md": migrating_text(document),
    }


def openrpc_text(contract: ExportedContract = CATALOG) -> str:
    """Returns the contract as the text of an OpenRPC 1.4 document."""
    return json.dumps(openrpc(contract), indent=2, ensure_ascii=False) + "\n"


def typescript_text(contract: ExportedContract = CATALOG) -> str:
    """Returns the contract as the text of a TypeScript module."""
    return typescript(openrpc(contract), schema_hash(openrpc_text(contract)))


def schema_hash(text: str) -> str:
    """Returns the hash by which a client and a server check that they were built from the same contract."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def openrpc(contract: ExportedContract) -> Json:
    """Returns the OpenRPC document.  Schemas are in the order of their first reference."""
    sent: list[type[Model]] = [Meta, *(method.params for method in contract.methods), *contract.job_types]
    received: list[type[Model]] = [method.result for method in contract.methods if method.result]
    received += [*map(params_of, contract.notifications), *(job.result for job in contract.job_types)]
    definitions = schemas_of(sent, received)
    body = {
        "x-meta": {**_doc(Meta), "name": "_meta", "schema": reference(Meta)},
        "methods": [_method(method, definitions[method.params.__name__]) for method in contract.methods],
        "x-notifications": [_notification(notification) for notification in contract.notifications],
        "x-job-types": [
            {
                "name": job.type,
                **_doc(job),
                "payload": reference(job),
                "result": reference(job.result),
                "errors": [kinds.__name__ for kinds in job.errors],
            }
            for job in contract.job_types
        ],
        "x-job-errors": _job_errors(contract.job_types),
    }
    return {
        "openrpc": "1.4.1",
        "info": {"title": "sidecar", "version": str(contract.version), "description": _DESCRIPTION},
        "x-limits": {"max_message_bytes": connection.MAX_MESSAGE_BYTES, "max_batch": connection.MAX_BATCH},
        "x-common-errors": [_error_reference(error) for error in COMMON_ERRORS],
        **body,
        "components": {
            "schemas": _referenced(body, definitions),
            "errors": {error.kind(): _error(error) for error in contract.errors},
            "tags": {
                one.__name__: {"name": one.__name__, "description": inspect.getdoc(one) or ""}
                for one in dict.fromkeys(method.interface for method in contract.methods)
            },
        },
    }


def _method(method: Method, params: Json) -> Json:
    required = params.get("required", ())
    # OpenRPC wants required params first; otherwise the order is that of the declaration.
    names = sorted(params["properties"], key=lambda name: name not in required)
    entry: Json = {
        "name": method.name,
        **_prose(method.doc),
        "tags": [{"$ref": f"#/components/tags/{method.interface.__name__}"}],
        "paramStructure": "by-name",
        "params": [_descriptor(name, params["properties"][name], name in required) for name in names],
    }
    if method.result is not None:
        entry["result"] = {"name": method.result.__name__, "schema": reference(method.result)}
        common = (one for one in COMMON_ERRORS if not (method.before_initialize and one in _ONLY_AFTER_INITIALIZE))
        entry["errors"] = [_error_reference(error) for error in dict.fromkeys((*method.raises, *common))]
    if method.rest is not None:
        entry["x-rest"] = method.rest
    if method.tool is not None:
        entry["x-tool"] = method.tool.value
    if method.job is not None:
        entry["x-job-type"] = method.job
    return entry | {"x-since": method.since, "x-waits": method.waits, "x-before-initialize": method.before_initialize}


def _descriptor(name: str, schema: Json, required: bool) -> Json:  # noqa: FBT001 - a value of the document
    described = next((one for one in (schema, *schema.get("anyOf", ())) if one.get("description")), None)
    prose = {} if described is None else {"description": described["description"]}
    return {"name": name, **prose, "required": required, "schema": schema}


def _job_errors(job_types: tuple[type[JobSpec], ...]) -> Json:
    """Returns {name: the list as an enum} of the kinds of jobs' errors; the first one occurs with every job type."""
    lists: list[type[StrEnum]] = [CommonJobErrorKind]
    for job in job_types:
        lists += job.errors
    return {kinds.__name__: _enum(kinds) for kinds in dict.fromkeys(lists)}


def _enum(cls: type[StrEnum]) -> Json:
    docs = member_docs(cls)
    return {
        "description": inspect.getdoc(cls) or "",
        "enum": [str(member) for member in cls],
        "x-enum-varnames": [member.name for member in cls],
        "x-enum-descriptions": [docs.get(member.name, "") for member in cls],
    }


def _notification(notification: type[Notification]) -> Json:
    entry: Json = {
        "name": notification.name,
        **_doc(notification),
        "durable": not issubclass(notification, Ephemeral),
        "key": list(notification.key),
        "params": reference(notification),
    }
    if issubclass(notification, Ephemeral):
        entry["coalescing"] = {"appends": notification.appends, "max_per_s": notification.max_per_s}
    return entry


def _error(error: type[RpcError]) -> Json:
    data = {"kind": error.kind(), "retryable": error.retryable}
    return {"code": error.code, "message": error.summary(), "data": data}


def _error_reference(error: type[RpcError]) -> Json:
    return {"$ref": f"#/components/errors/{error.kind()}"}


def _doc(cls: type) -> Json:
    return _prose(inspect.getdoc(cls) or "")


def _prose(doc: str) -> Json:
    """Splits a docstring into its summary and, if it is longer, a description."""
    summary, _, more = doc.partition("\n")
    return {"summary": summary, "description": more.strip()} if more.strip() else {"summary": summary}


def _referenced(body: Any, definitions: Json) -> Json:
    """Returns the definitions to which `body` refers, directly or not, in the order of the first reference.

    The models of params are not among them, since a method lists its params one by one.
    """
    found: Json = {}

    def visit(value: Any) -> None:
        for name in _REFERENCE.findall(json.dumps(value)):
            if name not in found:
                found[name] = definitions[name]
                visit(definitions[name])

    visit(body)
    return found
