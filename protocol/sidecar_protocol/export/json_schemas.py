"""Exports the schemas of an OpenRPC document as a TypeScript module with one constant per schema.

A schema refers to others as values and not by `$ref`, so that each is complete for any validator, and a bundler drops
those that an app does not import.
"""

import json
from typing import Any, Final

from sidecar_protocol.contract import pascal_case
from sidecar_protocol.export.schemas import PREFIX, UnsupportedSchema

Json = dict[str, Any]

_DROPPED: Final = frozenset({"title", "description", "default", "format"})
"""Keywords that check nothing.  Validators with strict settings refuse formats that they do not know."""
_TEXT: Final = """\
// Generated from protocol/sidecar_protocol.  Do not edit; run `uv run sidecar schema`.
//
// JSON Schemas (draft-07) of what the sidecar sends and of params, for a validator such as Ajv.  Received objects may
// have members that this version does not know; params may not.
import type * as contract from "./contract.ts";

/** A JSON Schema of values of type `Value`. */
export interface JsonSchema<Value> {
  readonly [keyword: string]: unknown;
  /** Exists only for the compiler. */
  readonly "~value"?: Value;
}

/** The type of the values that fit a schema: `ValueOf<typeof JobPageSchema>`. */
export type ValueOf<Schema> = Schema extends JsonSchema<infer Value> ? Value : never;

"""


def json_schemas_text(document: Json) -> str:
    """Returns the text of the module.  Raises `UnsupportedSchema` for a schema that refers to itself."""
    schemas: Json = dict(document["components"]["schemas"])
    schemas |= {pascal_case(method["name"]) + "Params": _params(method) for method in document["methods"]}
    lines: dict[str, str] = {}

    def add(name: str, path: tuple[str, ...]) -> str:
        if name in path:
            raise UnsupportedSchema(f"{name} refers to itself: {' -> '.join(path)}")
        if name not in lines:
            text = _text(schemas[name], lambda other: add(other, (*path, name)))
            lines[name] = f"export const {name}Schema: JsonSchema<contract.{name}> = {text};\n"
        return f"{name}Schema"

    for name in schemas:
        add(name, ())
    return _TEXT + "".join(lines.values())


def _params(method: Json) -> Json:
    properties = {param["name"]: param["schema"] for param in method["params"]}
    required = [param["name"] for param in method["params"] if param["required"]]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _text(value: Any, reference: Any, *, is_schema: bool = True) -> str:
    """Returns an expression; `reference` returns the name of the constant of another schema."""
    if isinstance(value, list):
        return f"[{', '.join(_text(one, reference) for one in value)}]"
    if not isinstance(value, dict):
        return json.dumps(value)
    match value:
        case {"$ref": str(ref)} | {"allOf": [{"$ref": str(ref)}]}:
            name: str = reference(ref.removeprefix(PREFIX))
            return name
    members = (
        f"{json.dumps(key)}: {_text(one, reference, is_schema=not is_schema or key != 'properties')}"
        for key, one in value.items()
        if not is_schema or not (key in _DROPPED or key.startswith("x-"))
    )
    return f"{{ {', '.join(members)} }}"
