"""Facts that the contract declares about each value of a message: its members, its format, and whether it is secret.

Read from openrpc.json, which is generated from the contract, so that no pydantic model has to be built.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from pydantic_core import from_json

Schema = Mapping[str, Any]
UNDECLARED: Final[Schema] = {}
"""The schema of a value that the contract does not describe; compare it by identity."""
SECRET: Final = "x-secret"  # noqa: S105 - the name of a keyword
DESCRIBED_BY: Final = "x-described-by"
"""[a list of the document, the sibling that names an entry of it, the entry's member that describes the value]."""
_REFERENCE: Final = "#/components/"


class ContractSchemas:
    """The contract's schemas by method, notification and job type; a name may be anything that a client sent."""

    def __init__(self, openrpc: bytes) -> None:
        document = from_json(openrpc)
        self._components: dict[str, Any] = document["components"]
        self.version: str = document["info"]["version"]
        self._params = {one["name"]: _object(one["params"]) for one in document["methods"]}
        self._results = {one["name"]: one["result"]["schema"] for one in document["methods"] if "result" in one}
        self._notifications = {one["name"]: one for one in document["x-notifications"]}
        self._jobs = {one["name"]: one for one in document["x-job-types"]}
        self._lists = {"x-job-types": self._jobs, "x-notifications": self._notifications}

    @property
    def methods(self) -> list[str]:
        """All methods with a result, in the catalog's order."""
        return list(self._results)

    @property
    def notifications(self) -> list[str]:
        return list(self._notifications)

    def params(self, method: Any) -> Schema:
        return _named(self._params, method)

    def result(self, method: Any) -> Schema:
        return _named(self._results, method)

    def notification(self, name: Any) -> Schema:
        return cast("Schema", _named(self._notifications, name).get("params", UNDECLARED))

    def coalescing(self, name: Any) -> Mapping[str, Any] | None:
        """Returns how notifications of this name may be merged, or None if each one is sent."""
        return _named(self._notifications, name).get("coalescing")

    def key(self, name: Any) -> list[str]:
        """Returns the paths of the params that identify what a notification is about."""
        return cast("list[str]", _named(self._notifications, name).get("key", []))

    def entity(self, name: Any, params: Any) -> tuple[tuple[str, Any], ...]:
        """Returns what a notification is about: the last name of each path of its key with its value, or its name."""
        found = []
        for path in self.key(name):
            value = params
            for part in path.split("."):
                value = value.get(part) if type(value) is dict else None
            found.append((path.rpartition(".")[2], value))
        return tuple(found) or ((str(name), None),)

    def job(self, job_type: Any, part: str) -> Schema:
        return cast("Schema", _named(self._jobs, job_type).get(part, UNDECLARED))

    def resolved(self, schema: Schema) -> Schema:
        """Follows references, including those with additional keywords in an `allOf`."""
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
        schema = self.resolved(schema)
        if "anyOf" not in schema:
            yield schema
        for choice in schema.get("anyOf", ()):
            yield from self.choices(choice)

    def member(self, schema: Schema, value: Mapping[str, Any], name: str) -> Schema:
        """Returns the schema of a member; that of a job's payload, for example, depends on the job type beside it."""
        declared = self.declared(schema, name)
        for choice in self.choices(declared):
            if DESCRIBED_BY in choice:
                return self.described(choice[DESCRIBED_BY], value.get(choice[DESCRIBED_BY][1]))
        return declared

    def described(self, described_by: tuple[str, str, str], name: Any) -> Schema:
        """Returns the schema of a value that the entry `name` of a list in the document describes."""
        listed, _, part = described_by
        return cast("Schema", _named(self._lists[listed], name).get(part, UNDECLARED))

    def declared(self, schema: Schema, name: str) -> Schema:
        """Returns the schema of a member as its parent declares it, with its default."""
        if schema is UNDECLARED:
            return UNDECLARED
        for choice in self.choices(schema):
            if name in choice.get("properties", ()):
                return cast("Schema", choice["properties"][name])
            if isinstance(choice.get("additionalProperties"), dict):
                return cast("Schema", choice["additionalProperties"])
        return UNDECLARED

    def has_member(self, schema: Schema, name: str) -> bool:
        """Returns whether the contract declares a member of this name; keys of a mapping are not members."""
        return any(name in choice.get("properties", ()) for choice in self.choices(schema))

    def item(self, schema: Schema) -> Schema:
        if schema is UNDECLARED:
            return UNDECLARED
        found = (choice["items"] for choice in self.choices(schema) if isinstance(choice.get("items"), dict))
        return next(found, UNDECLARED)

    def format(self, schema: Schema) -> str | None:
        declared = (self.resolved(schema), *self.choices(schema))  # a mark can be that of all choices
        return next((str(choice["format"]) for choice in declared if "format" in choice), None)

    def secret_names(self) -> frozenset[str]:
        """Returns the names of the secret members of requests; results and notifications have none."""
        return frozenset(name for schema in self._requests() for name, is_secret in self.members(schema) if is_secret)

    def plain_names(self) -> frozenset[str]:
        """Returns the names of the members of requests that are never secret."""
        return frozenset(name for schema in self._requests() for name, _ in self.members(schema)) - self.secret_names()

    def _requests(self) -> Iterator[Schema]:
        yield from self._params.values()
        yield from (self.job(name, "payload") for name in self._jobs)

    def members(self, schema: Schema, seen: frozenset[str] = frozenset()) -> Iterator[tuple[str, bool]]:
        """Yields the name of each member, at any depth, with whether it is secret; not those inside a secret."""
        if schema.get("$ref") in seen:
            return
        seen |= {schema["$ref"]} if "$ref" in schema else set()
        resolved = self.resolved(schema)
        for name, member in resolved.get("properties", {}).items():
            is_secret = bool(member.get(SECRET) or self.resolved(member).get(SECRET))
            yield name, is_secret
            if not is_secret:
                yield from self.members(member, seen)
        inner = [*resolved.get("anyOf", ()), *resolved.get("allOf", ())]
        inner += [resolved[key] for key in ("items", "additionalProperties") if isinstance(resolved.get(key), dict)]
        for one in inner:
            yield from self.members(one, seen)


def _named(schemas: Mapping[str, Schema], name: Any) -> Schema:
    return schemas.get(name, UNDECLARED) if isinstance(name, str) else UNDECLARED


def _object(params: list[dict[str, Any]]) -> Schema:
    """Returns a method's params, which OpenRPC lists one by one, as one object schema."""
    properties = {one["name"]: one["schema"] for one in params}
    required = [one["name"] for one in params if one.get("required")]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
