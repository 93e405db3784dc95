"""Exports what the contract declares about values, for the replay in TypeScript.

Kept are the structure of the OpenRPC document, and the keywords that `sidecar/transcripts/README.md` names.  A member
without any has the schema `{}`; one that is missing is not declared.
"""

import json
import re
from typing import Any, Final

from sidecar_protocol.export.schemas import PREFIX

Json = dict[str, Any]

_KEYWORDS: Final = ("format", "default", "x-secret", "x-time", "x-described-by")
_REFERENCE: Final = re.compile(rf'"\$ref": "({PREFIX}\w+)"')
_TEXT: Final = """\
// Generated from protocol/sidecar_protocol.  Do not edit; run `uv run sidecar schema`.
//
// What the contract declares about values, for the replay of transcripts.

/** The parts of a JSON Schema that a replay reads. */
export interface ValueSchema {
  $ref?: string;
  properties?: Record<string, ValueSchema>;
  items?: ValueSchema;
  additionalProperties?: ValueSchema;
  anyOf?: ValueSchema[];
  format?: string;
  default?: unknown;
  "x-secret"?: boolean;
  "x-time"?: boolean;
  "x-described-by"?: string[];
}

/** Schemas by name: those that others refer to, and those of params, results, notifications and job types. */
export const VALUE_SCHEMAS: Record<string, Record<string, ValueSchema>> =
  // prettier-ignore
  {
%s
  };
"""


def value_schemas_text(document: Json) -> str:
    """Returns the text of the TypeScript module."""
    body = {
        "params": {
            one["name"]: {"properties": {param["name"]: _pruned(param["schema"]) for param in one["params"]}}
            for one in document["methods"]
        },
        "results": {one["name"]: _pruned(one["result"]["schema"]) for one in document["methods"] if "result" in one},
        "x-notifications.params": {one["name"]: _pruned(one["params"]) for one in document["x-notifications"]},
        "x-job-types.payload": {one["name"]: _pruned(one["payload"]) for one in document["x-job-types"]},
        "x-job-types.result": {one["name"]: _pruned(one["result"]) for one in document["x-job-types"]},
    }
    schemas = {PREFIX + name: _pruned(schema) for name, schema in document["components"]["schemas"].items()}
    groups = {"schemas": _referenced(json.dumps(body), schemas), **body}
    return _TEXT % "\n".join(f"    {json.dumps(name)}: {{\n{_lines(group)}\n    }}," for name, group in groups.items())


def _lines(group: Json) -> str:
    return "\n".join(f"      {json.dumps(name)}: {json.dumps(schema)}," for name, schema in group.items())


def _pruned(schema: Json) -> Json:
    if len(schema.get("allOf", ())) == 1:  # how draft-07 adds keywords to a reference
        return {**_pruned(schema["allOf"][0]), **_pruned({key: schema[key] for key in schema if key != "allOf"})}
    kept: Json = {key: schema[key] for key in ("$ref", *_KEYWORDS) if key in schema}
    if "properties" in schema:
        kept["properties"] = {name: _pruned(member) for name, member in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            kept[key] = _pruned(schema[key])
    if "anyOf" in schema:
        kept |= {"anyOf": choices} if (choices := [one for one in map(_pruned, schema["anyOf"]) if one]) else {}
    return kept


def _referenced(text: str, schemas: Json) -> Json:
    """Returns the schemas to which the text refers, directly or not."""
    found: Json = {}
    names = _REFERENCE.findall(text)
    while names:
        name = names.pop()
        if name not in found:
            found[name] = schemas[name]
            names += _REFERENCE.findall(json.dumps(schemas[name]))
    return {name: found[name] for name in schemas if name in found}
