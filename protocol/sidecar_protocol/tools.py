"""The methods that an assistant can call as tools: their names, descriptions and input schemas, from the contract.

An assistant reads all of it in each turn, so that each word costs.  The schemas are therefore shorter than those of the
OpenRPC document: what they leave out, such as the lengths of texts, is validated all the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from sidecar_protocol.contract import Method, ToolUse

TIME: Final = "ISO 8601, local time"
"""Describes a time, which for a tool needs no offset."""
TIME_ZONE: Final = "time_zone"
"""A param that is left out of the schemas: it is that of the person."""
KEPT: Final[tuple[str, ...]] = ("type", "enum", "items", "maximum")
"""The keywords of a property's schema that are kept."""
UNDESCRIBED: Final = frozenset({"limit", "cursor", "query"})
"""Params that need no description: a result that goes on says what to pass as `cursor`."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Tool:
    """A method as a tool."""

    method: Method
    use: ToolUse

    @cached_property
    def name(self) -> str:
        """`activity_search` for `activity.search`."""
        return self.method.name.replace(".", "_")

    @cached_property
    def description(self) -> str:
        """The first paragraph of the method's docstring."""
        return " ".join(self.method.doc.partition("\n\n")[0].split())

    @cached_property
    def times(self) -> frozenset[str]:
        """The names of the params that are times."""
        return frozenset(name for name, schema in self._properties.items() if schema.get("format") == "date-time")

    @property
    def takes_time_zone(self) -> bool:
        return TIME_ZONE in self._properties

    @property
    def is_paged(self) -> bool:
        """Whether its result is a page, whose length and beginning are params."""
        return {"limit", "cursor"} <= self._properties.keys()

    @cached_property
    def definition(self) -> Json:
        """The tool as MCP describes it."""
        schema: Json = {
            "type": "object",
            "properties": {name: _shortened(name, one) for name, one in self._properties.items() if name != TIME_ZONE},
        }
        required = [name for name in self._schema.get("required", ()) if name != TIME_ZONE]
        if required:
            schema["required"] = required
        return {
            "name": self.name,
            "description": self.description,
            "inputSchema": schema,
            "annotations": {"readOnlyHint": self.use is ToolUse.READ},
        }

    @cached_property
    def _schema(self) -> Json:
        return self.method.params.model_json_schema()

    @cached_property
    def _properties(self) -> Mapping[str, Json]:
        """The schemas of the params, with the value of one that may be null instead of the choice."""
        definitions = self._schema.get("$defs", {})
        offered = {name: one for name, one in self._schema["properties"].items() if name not in self.method.withheld}
        return {name: _resolved(schema, definitions) for name, schema in offered.items()}


def tools_of(methods: Iterable[Method], *uses: ToolUse) -> tuple[Tool, ...]:
    """Returns the tools among these methods that have one of these uses."""
    return tuple(Tool(method, method.tool) for method in methods if method.tool is not None and method.tool in uses)


def _resolved(schema: Json, definitions: Mapping[str, Json]) -> Json:
    choices = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    if len(choices) == 1:
        schema = {**schema, **choices[0]}
    if "$ref" in schema:
        schema = {**schema, **definitions[schema["$ref"].rpartition("/")[2]], "description": schema.get("description")}
    return schema


def _shortened(name: str, schema: Json) -> Json:
    kept: Json = {name: schema[name] for name in KEPT if name in schema}
    if schema.get("default") is not None:
        kept["default"] = schema["default"]
    if schema.get("format") == "date-time":
        kept["description"] = TIME
    elif (description := schema.get("description")) and "enum" not in kept and not _is_clear(name):
        kept["description"] = description.partition(".  ")[0].partition("\n")[0]
    return kept


def _is_clear(name: str) -> bool:
    return name in UNDESCRIBED or name.endswith("_id")
