"""Exports an OpenRPC document as a TypeScript module of types and constants.

The module uses only erasable syntax (no `enum`), so that Node and Electron can strip the types without a build.
"""

import json
import re
import textwrap
from collections.abc import Iterable
from typing import Any

from sidecar_protocol.contract import pascal_case
from sidecar_protocol.export import typescript_jobs as jobs
from sidecar_protocol.export.schemas import PREFIX, UnsupportedSchema

Json = dict[str, Any]
RECEIVED, SENT = "JsonObject", "JsonInput"
"""The types of a received and of a sent JSON object, about whose members the contract knows nothing."""

_HEADER = """\
// Generated from protocol/sidecar_protocol.  Do not edit; run `uv run sidecar schema`.

export const PROTOCOL_VERSION = %s;

/** Pass it to initialize as `schema_hash`; the result's `schema_match` is true if both sides have this contract. */
export const SCHEMA_HASH = "%s";

/** Any JSON value: data whose form the contract does not know. */
export type JsonValue = string | number | boolean | null | JsonValue[] | JsonObject;

/** A received JSON object. */
export interface JsonObject {
  [key: string]: JsonValue;
}

/** A JSON object to send, of any interface type. */
export type JsonInput = object;
"""
_PRIMITIVES = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_MAX_LINE = 120


def typescript(document: Json, schema_hash: str) -> str:
    """Returns the text of the module."""
    methods = [method for method in document["methods"] if "result" in method]
    client_notifications = [method for method in document["methods"] if "result" not in method]
    notifications, job_types = document["x-notifications"], document["x-job-types"]
    common = frozenset(error["$ref"] for error in document["x-common-errors"])
    requests = (_request(method, common) for method in methods)
    durable = [notification for notification in notifications if notification["durable"]]
    parts = [
        _HEADER % (document["info"]["version"], schema_hash),
        *(_named(name, schema) for name, schema in document["components"]["schemas"].items()),
        *map(_params, document["methods"]),
        _table("Methods", "Every request, with its params and its result.", requests),
        _nested(methods, common),
        _table(
            "ClientNotifications",
            "Notifications to the sidecar, which have no response.",
            ((one["name"], _summary(one), _params_name(one)) for one in client_notifications),
        ),
        _table(
            "Notifications",
            "Notifications from the sidecar.",
            ((one["name"], _summary(one), type_text(one["params"])) for one in notifications),
        ),
        _table("JobTypes", "The job types for jobs.create, with their results.", map(_job_type, job_types)),
        *(_enum(name, schema) for name, schema in document["x-job-errors"].items()),
        *([jobs.UNIONS] if "Job" in document["components"]["schemas"] else []),
        _error_kinds(document, methods, common),
        _names("METHOD_NAMES", "keyof Methods", methods),
        _names("CLIENT_NOTIFICATION_NAMES", "keyof ClientNotifications", client_notifications),
        _names("NOTIFICATION_NAMES", "keyof Notifications", notifications),
        _names("DURABLE_NOTIFICATIONS", "keyof Notifications", durable, "Notifications with `seq` and `at`."),
        _keys(notifications),
        _names("JOB_TYPE_NAMES", "keyof JobTypes", job_types),
        _errors(document["components"]["errors"]),
    ]
    return "\n".join(parts)


def _named(name: str, schema: Json) -> str:
    if "enum" in schema:
        return _enum(name, schema)
    required = schema.get("required", ())
    members = {
        key: _member(key, member, key in required, RECEIVED) for key, member in schema.get("properties", {}).items()
    }
    if schema.get("additionalProperties"):
        members["*"] = "  [key: string]: JsonValue;\n"
    doc = schema.get("description", "")
    if name in jobs.FORMS:
        return jobs.FORMS[name](name, _jsdoc(doc), members)
    return _interface(name, doc, list(members.values()))


def _interface(name: str, doc: str, members: list[str]) -> str:
    if not members:  # an empty interface would accept any value
        return f"{_jsdoc(doc)}export type {name} = Record<string, never>;\n"
    return f"{_jsdoc(doc)}export interface {name} {{\n{''.join(members)}}}\n"


def _member(name: str, schema: Json, required: bool, anything: str) -> str:  # noqa: FBT001 - a value of the document
    key = name if _IDENTIFIER.fullmatch(name) else json.dumps(name)
    return f"{_jsdoc(_prose(schema), '  ')}  {key}{'' if required else '?'}: {type_text(schema, anything)};\n"


def _enum(name: str, schema: Json) -> str:
    """Returns a constant object of the values and a union type of the same name."""
    values = [json.dumps(value) for value in schema["enum"]]
    described = zip(schema["x-enum-varnames"], values, schema["x-enum-descriptions"], strict=True)
    members = [f"{_jsdoc(doc, '  ')}  {member}: {value},\n" for member, value, doc in described]
    doc = _jsdoc(schema["description"])
    constant = f"{doc}export const {name} = {{\n{''.join(members)}}} as const;\n"
    return f"{constant}{doc}export type {name} = {' | '.join(values)};\n"


def _params(method: Json) -> str:
    params = method["params"]
    members = {param["name"]: _member(param["name"], param["schema"], param["required"], SENT) for param in params}
    name, doc = _params_name(method), f"Params of `{method['name']}`."
    if name in jobs.FORMS:
        return jobs.FORMS[name](name, _jsdoc(doc), members)
    return _interface(name, doc, list(members.values()))


def _params_name(method: Json) -> str:
    return pascal_case(method["name"]) + "Params"


def _request(method: Json, common: frozenset[str]) -> tuple[str, str, str]:
    kinds = _union(own_errors(method, common))
    value = f"{{ params: {_params_name(method)}; result: {_result(method)}; errors: {kinds} }}"
    return method["name"], _request_doc(method, common), value


def _result(method: Json) -> str:
    result = type_text(method["result"]["schema"])
    return f"{result}<{json.dumps(method['x-job-type'])}>" if "x-job-type" in method else result


def _union(values: Iterable[str]) -> str:
    return " | ".join(map(json.dumps, values)) or "never"


def own_errors(method: Json, common: frozenset[str]) -> list[str]:
    """Returns the kinds of the errors that a method declares."""
    return [error["$ref"].rpartition("/")[2] for error in method["errors"] if error["$ref"] not in common]


def _request_doc(method: Json, common: frozenset[str]) -> str:
    kinds = own_errors(method, common)
    notes = [f"Errors: {', '.join(kinds)}."] if kinds else []
    notes += [f"Replaces {method['x-rest']}."] if "x-rest" in method else []
    return "\n\n".join(filter(None, [_summary(method), "  ".join(notes)]))


def _nested(methods: list[Json], common: frozenset[str]) -> str:
    """Returns an interface of nested functions for the methods with dots in their names, for completion in editors."""
    tree: Json = {"members": {}}
    for method in methods:
        node, parts = tree, method["name"].split(".")
        if len(parts) > 1:
            for part in parts:
                node = node["members"].setdefault(part, {"members": {}})
            node["method"] = method
    doc = _jsdoc("Every request as a nested function; `Options` is the type of a client's further arguments.")
    return f"{doc}export interface NestedMethods<Options> {{\n{_nested_members(tree['members'], common, '  ')}}}\n"


def _nested_members(tree: Json, common: frozenset[str], indent: str) -> str:
    lines = []
    for name, node in tree.items():
        types, doc = [], ""
        if (method := node.get("method")) is not None:
            doc = _jsdoc(_request_doc(method, common), indent)
            mark = "" if any(param["required"] for param in method["params"]) else "?"
            kind = jobs.GENERIC_METHODS.get(method["name"], "")
            params, result = f"{_params_name(method)}{kind and '<Type>'}", f"{_result(method)}{kind and '<Type>'}"
            types.append(f"({kind}(params{mark}: {params}, options?: Options) => Promise<{result}>)")
        if node["members"]:
            types.append(f"{{\n{_nested_members(node['members'], common, indent + '  ')}{indent}}}")
        lines.append(f"{doc}{indent}readonly {name}: {' & '.join(types)};\n")
    return "".join(lines)


def _job_type(job: Json) -> tuple[str, str, str]:
    errors = " | ".join([jobs.COMMON_ERRORS, *job["errors"]])
    value = f"{{ payload: {type_text(job['payload'])}; result: {type_text(job['result'])}; error: {errors} }}"
    return job["name"], _summary(job), value


def _table(name: str, doc: str, rows: Iterable[tuple[str, str, str]]) -> str:
    lines = (f"{_jsdoc(prose, '  ')}  {json.dumps(key)}: {value};\n" for key, prose, value in rows)
    return f"{_jsdoc(doc)}export interface {name} {{\n{''.join(lines)}}}\n"


def _names(name: str, keys: str, entries: Iterable[Json], doc: str = "") -> str:
    lines = "".join(f"  {json.dumps(entry['name'])},\n" for entry in entries)
    return f"{_jsdoc(doc)}export const {name} = [\n{lines}] as const satisfies readonly ({keys})[];\n"


def _keys(notifications: Iterable[Json]) -> str:
    doc = "The params that identify what a notification is about, by path.  Those about one thing come in order."
    lines = "".join(f"  {json.dumps(one['name'])}: {json.dumps(one['key'])},\n" for one in notifications)
    kind = "Record<keyof Notifications, readonly string[]>"
    return f"{_jsdoc(doc)}export const NOTIFICATION_KEYS = {{\n{lines}}} as const satisfies {kind};\n"


def _errors(errors: Json) -> str:
    lines = (f"{_jsdoc(error['message'], '  ')}  {kind}: {error['code']},\n" for kind, error in errors.items())
    kinds = "".join(f'\n  | "{kind}"' for kind in errors)
    return (
        f"{_jsdoc('Values of `error.data.kind`.  Compare them, not messages.')}export type ErrorKind ={kinds};\n\n"
        f"export const ERROR_CODES = {{\n{''.join(lines)}}} as const satisfies Record<ErrorKind, number>;\n"
    )


def _error_kinds(document: Json, methods: list[Json], common: frozenset[str]) -> str:
    """Returns the types of the kinds of errors that any request, and that a certain one, may have."""
    declared = {kind for method in methods for kind in own_errors(method, common)}
    # The connection's own errors are declared by no method.
    kinds = [kind for kind in document["components"]["errors"] if kind not in declared or _reference(kind) in common]
    lines = "".join(f"\n  | {json.dumps(kind)}" for kind in kinds)
    any_request = _jsdoc("Kinds of errors that any request may have, in addition to those that it declares.")
    doc = _jsdoc("Kinds of errors of a request.  A newer sidecar may send others.")
    method_kind = 'MethodErrorKind<Name extends keyof Methods> = Methods[Name]["errors"] | CommonErrorKind'
    return f"{any_request}export type CommonErrorKind ={lines};\n\n{doc}export type {method_kind};\n"


def _reference(kind: str) -> str:
    return f"#/components/errors/{kind}"


def type_text(schema: Json, anything: str = RECEIVED) -> str:
    """Returns the TypeScript type of a draft-07 schema, for the keywords that the contract uses."""
    match schema:
        case {"x-known-values": str(names)}:
            return {"x-job-types": "JobType", "x-job-errors": "JobErrorKind"}[names]
        case {"$ref": str(ref)} | {"allOf": [{"$ref": str(ref)}]}:
            return ref.removeprefix(PREFIX)
        case {"anyOf": choices} | {"oneOf": choices}:
            return " | ".join(dict.fromkeys(type_text(choice, anything) for choice in choices))
        case {"const": value}:
            return json.dumps(value)
        case {"x-known-values": values} | {"enum": values}:
            return " | ".join(map(json.dumps, values))
        case {"type": "array"}:
            items = type_text(schema.get("items", {}), anything)
            return f"{items}[]" if _IDENTIFIER.fullmatch(items) else f"Array<{items}>"
        case {"type": "object"}:
            return _object_text(schema, anything)
        case {"type": str(name)} if name in _PRIMITIVES:
            return _PRIMITIVES[name]
        case _ if not schema.keys() - {"default", "description", "title", "x-described-by"}:
            return "JsonValue"
    raise UnsupportedSchema(f"no TypeScript type for {json.dumps(schema)}")


def _object_text(schema: Json, anything: str) -> str:
    values, required = schema.get("additionalProperties", True), schema.get("required", ())
    if "properties" in schema:
        fields = schema["properties"].items()
        members = (f"{key}{'' if key in required else '?'}: {type_text(one, anything)}" for key, one in fields)
        return f"{{ {'; '.join(members)} }}"
    if values is True:
        return anything
    text = type_text(values, anything)
    return (
        f"{{ [Key in {schema['x-known-keys']}]?: {text} }}" if "x-known-keys" in schema else f"Record<string, {text}>"
    )


def _summary(entry: Json) -> str:
    return "\n\n".join(entry[key] for key in ("summary", "description") if entry.get(key))


def _prose(schema: Json) -> str:
    """Returns the description of a field, or of its non-null type, and its default if it has one."""
    texts = [schema.get("description", ""), *(choice.get("description", "") for choice in schema.get("anyOf", ()))]
    text: str = next(filter(None, texts), "")
    default = schema.get("default")
    return text if default is None else f"{text}\n\n@default {json.dumps(default)}".strip()


def _jsdoc(text: str, indent: str = "") -> str:
    if not text:
        return ""
    text = text.replace("*/", "*\\/")
    if "\n" not in text and len(indent) + len(text) + 7 <= _MAX_LINE:
        return f"{indent}/** {text} */\n"
    lines = [part for line in text.split("\n") for part in (textwrap.wrap(line, _MAX_LINE - len(indent) - 3) or [""])]
    return "".join([f"{indent}/**\n", *(f"{indent} * {line}".rstrip() + "\n" for line in lines), f"{indent} */\n"])
