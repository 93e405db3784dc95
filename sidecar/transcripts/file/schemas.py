"""What the contract says about each value of a message: its format, and whether it is secret.

Read from openrpc.json, which is made from the contract, so that not one model has to be built for it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic_core import from_json

Schema = Mapping[str, Any]
NOTHING: Final[Schema] = {}
"""The schema of a place about which the contract says nothing."""
SECRET: Final = "x-secret"  # noqa: S105 - a keyword's name
_REFERENCE: Final = "#/components/"


class Contract:
    """Schemas by method and notification."""

    def __init__(self, openrpc: bytes) -> None:
        document = from_json(openrpc)
        self._components: dict[str, Any] = document["components"]
        self.version: str = document["info"]["version"]
        self._params = {one["name"]: _object(one["params"]) for one in document["methods"]}
        self._results = {one["name"]: one["result"]["schema"] for one in document["methods"] if "result" in one}
        self._told = {one["name"]: one for one in document["x-notifications"]}
        self._jobs = {one["name"]: one for one in document["x-job-types"]}

    @property
    def methods(self) -> list[str]:
        """All methods that are answered, in the catalog's order."""
        return list(self._results)

    @property
    def notifications(self) -> list[str]:
        """All that the sidecar tells unasked."""
        return list(self._told)

    def params(self, method: Any) -> Schema:
        """The schema of what a client sends, who may name anything a method."""
        return self._params.get(method, NOTHING) if isinstance(method, str) else NOTHING

    def result(self, method: Any) -> Schema:
        """The schema of a method's result."""
        found: Schema = self._results.get(method, NOTHING) if isinstance(method, str) else NOTHING
        return found

    def told(self, name: str | None) -> Schema:
        """The schema of a notification's params."""
        return self._told[name]["params"] if name in self._told else NOTHING

    def coalescing(self, name: str | None) -> Mapping[str, Any] | None:
        """How notifications of this name may merge; None: each one is sent."""
        known = self._told.get(name or "")
        return known.get("coalescing") if known else None

    def job(self, job_type: Any, part: str) -> Schema:
        """The `payload` or `result` of a job of this type."""
        known = self._jobs.get(job_type) if isinstance(job_type, str) else None
        return known[part] if known else NOTHING

    def resolved(self, schema: Schema) -> Schema:
        """The schema itself where it is only a reference, or a reference with some more words."""
        while True:
            if "$ref" in schema:
                target: Any = self._components
                for step in schema["$ref"].removeprefix(_REFERENCE).split("/"):
                    target = target[step]
                schema = {**target}
            elif len(schema.get("allOf", ())) == 1:
                schema = {**self.resolved(schema["allOf"][0]), **{k: v for k, v in schema.items() if k != "allOf"}}
            else:
                return schema

    def choices(self, schema: Schema) -> Iterator[Schema]:
        """What a value may be."""
        schema = self.resolved(schema)
        if "anyOf" not in schema:
            yield schema
        for choice in schema.get("anyOf", ()):
            yield from self.choices(choice)

    def member(self, schema: Schema, value: Mapping[str, Any], name: str) -> Schema:
        """The schema of an object's member; NOTHING where the contract leaves it open."""
        for choice in self.choices(schema):
            if name in choice.get("properties", ()):
                if choice.get("title") == "Job" and name in ("payload", "result"):
                    return self.job(value.get("type"), name)
                found: Schema = choice["properties"][name]
                return found
            if isinstance(choice.get("additionalProperties"), dict):
                other: Schema = choice["additionalProperties"]
                return other
        return NOTHING

    def item(self, schema: Schema) -> Schema:
        """The schema of a list's items."""
        for choice in self.choices(schema):
            if isinstance(choice.get("items"), dict):
                found: Schema = choice["items"]
                return found
        return NOTHING

    def format(self, schema: Schema) -> str | None:
        """The format of a value: `uuid`, `date-time`, `cursor`, …"""
        return next((str(choice["format"]) for choice in self.choices(schema) if "format" in choice), None)

    def secret_names(self) -> tuple[frozenset[str], frozenset[str]]:
        """The names of all secret fields: of those that clients send, and of those that they are sent."""
        sent = frozenset(name for schema in self._params.values() for name in self._secrets(schema, set()))
        answered = {name for schema in self._results.values() for name in self._secrets(schema, set())}
        told = {name for one in self._told.values() for name in self._secrets(one["params"], set())}
        return sent, frozenset(answered | told)

    def _secrets(self, schema: Schema, seen: set[str]) -> Iterator[str]:
        reference = str(schema.get("$ref", ""))
        if reference in seen:
            return
        if reference:
            seen.add(reference)
        resolved = self.resolved(schema)
        for name, member in resolved.get("properties", {}).items():
            if member.get(SECRET) or self.resolved(member).get(SECRET):
                yield name
            else:
                yield from self._secrets(member, seen)
        inner = [*resolved.get("anyOf", ()), *resolved.get("allOf", ())]
        inner += [resolved[key] for key in ("items", "additionalProperties") if isinstance(resolved.get(key), dict)]
        for one in inner:
            yield from self._secrets(one, seen)


def _object(params: list[dict[str, Any]]) -> Schema:
    """A method's params as one schema; what OpenRPC lists one by one."""
    properties = {one["name"]: one["schema"] for one in params}
    required = [one["name"] for one in params if one.get("required")]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
