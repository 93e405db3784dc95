"""Facts that the contract declares about each value of a message: its members, its format, and whether it is secret.

Read from openrpc.json, which is generated from the contract, so that no pydantic model has to be built.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from pydantic_core import from_json, to_json

from sidecar.json_reader import get
from sidecar.paths import schema_dir

Schema = Mapping[str, Any]
UNDECLARED: Final[Schema] = {}
"""The schema of a value that the contract does not describe; compare it by identity."""
SECRET: Final = "x-secret"  # noqa: S105 - the name of a keyword
X_TIME: Final = "x-time"
X_LIVE: Final = "x-live"
X_WRITTEN: Final = "x-written"
DESCRIBED_BY: Final = "x-described-by"
"""[a list of the document, the sibling that names an entry of it, the entry's member that describes the value]."""
COUNTED: Final = "seq"
"""The format of the numbers of durable notifications."""
_REFERENCE: Final = "#/components/"


class Facts:
    """The facts about one value, and about its members and items."""

    def __init__(self, contract: "ContractFacts", schema: Schema) -> None:
        resolved, choices = contract.resolved(schema), list(contract.choices(schema))
        self._contract = contract
        self._schema = schema  # by whose identity the contract knows these facts
        self.members: dict[str, Schema] = {}
        """The schemas of the declared members; keys of a mapping are not members."""
        for choice in reversed(choices):
            self.members |= choice.get("properties", {})
        self.others: Schema = _first_schema(choices, "additionalProperties")
        """The schema of the values of a mapping."""
        objects = [one for one in choices if "properties" in one]
        self.required = frozenset(objects[0].get("required", ())) if len(objects) == 1 else frozenset[str]()
        self._items: Schema = _first_schema(choices, "items")
        self.is_declared = schema is not UNDECLARED
        is_open = any(one.get("additionalProperties") is True for one in choices)
        self.is_mapping = is_open or self.others is not UNDECLARED
        self.is_secret = bool(resolved.get(SECRET))
        self.title = str(resolved.get("title", ""))
        # A mark can be that of all choices.
        self.format: str | None = next((one["format"] for one in (resolved, *choices) if "format" in one), None)
        self.is_file = self.is_secret and any(one.get("contentEncoding") == "base64" for one in choices)
        self.is_time = any(one.get(X_TIME) or one.get("format") == "date-time" for one in choices)
        self.is_written = any(one.get(X_WRITTEN) for one in choices)
        """Whether it is the path of a file that the sidecar writes."""
        self.live = frozenset(resolved.get(X_LIVE, ()))
        """The values of a status that others follow without a request."""
        self.default = normal_json(schema["default"]) if "default" in schema else None
        """The default as JSON; None if there is none."""
        self.described_by: tuple[str, str, str] | None = next(
            (one[DESCRIBED_BY] for one in choices if DESCRIBED_BY in one), None
        )
        """Where the value is described: see `DESCRIBED_BY`."""

    def declared_member(self, name: str) -> "Facts":
        """Returns what the value's own schema says about a member, for example its default."""
        return self._contract.facts(self.members.get(name, self.others))

    def member(self, value: Mapping[str, Any], name: str) -> "Facts":
        """Returns the facts about a member; those of a job's payload depend on the job type beside it."""
        declared = self.declared_member(name)
        if declared.described_by is None:
            return declared
        listed, sibling, part = declared.described_by
        described = self._contract.described(listed, value.get(sibling), part)
        return described if described.is_declared else declared

    def item(self) -> "Facts":
        return self._contract.facts(self._items)

    def inside(self, value: Any, path: str = "") -> Iterator[tuple[str, Any, "Facts"]]:
        """Yields (path, value, facts) for a value and all that is in it, at any depth and in its order."""
        yield path, value, self
        if type(value) is dict:
            for name, one in value.items():
                yield from self.member(value, name).inside(one, f"{path}.{name}")
        elif type(value) is list:
            for index, one in enumerate(value):
                yield from self.item().inside(one, f"{path}[{index}]")

    def all_members(self) -> Iterator[tuple[str, "Facts"]]:
        """Yields the name of and the facts about each member, at any depth; not those inside a secret."""
        left, seen = [self], {self}
        while left:
            facts = left.pop()
            found = [(name, facts.declared_member(name)) for name in facts.members]
            yield from found
            inner = [*(one for _, one in found), facts.item(), self._contract.facts(facts.others)]
            left += [one for one in inner if one not in seen and not one.is_secret]
            seen.update(inner)


class ContractFacts:
    """The facts about the contract's messages; the name of a method or notification may be anything that was sent."""

    def __init__(self, openrpc: bytes) -> None:
        document = from_json(openrpc)
        self._components: dict[str, Any] = document["components"]
        self._known: dict[int, Facts] = {}
        self._lists = {
            part: {one["name"]: one for one in document[part]} for part in ("x-job-types", "x-notifications")
        }
        methods = document["methods"]
        self._requests = {one["name"]: _message("params", _object(one["params"])) for one in methods}
        self._responses = {
            one["name"]: _message("result", one["result"]["schema"]) for one in methods if "result" in one
        }
        self._notifications = {
            name: _message("params", one["params"]) for name, one in self._lists["x-notifications"].items()
        }
        self.version: str = document["info"]["version"]
        self.methods = list(self._responses)
        """All methods with a result, in the catalog's order."""
        self.notifications = list(self._notifications)
        self.undeclared = self.facts(UNDECLARED)
        """The facts about a value that the contract does not describe."""

    def facts(self, schema: Schema) -> Facts:
        """Returns the facts about a value with a schema of the document; each is made once."""
        if id(schema) not in self._known:
            self._known[id(schema)] = Facts(self, schema)
        return self._known[id(schema)]

    def request(self, method: Any) -> Facts:
        """Returns the facts about a whole request."""
        return self.facts(_named(self._requests, method))

    def response(self, method: Any) -> Facts:
        """Returns the facts about the whole response to a method."""
        return self.facts(_named(self._responses, method))

    def notification(self, name: Any) -> Facts:
        """Returns the facts about a whole notification."""
        return self.facts(_named(self._notifications, name))

    def params(self, method: Any) -> Facts:
        return self.request(method).declared_member("params")

    def described(self, listed: str, name: Any, part: str) -> Facts:
        """Returns the facts about a value that the entry `name` of a list of the document describes."""
        return self.facts(_named(self._lists[listed], name).get(part, UNDECLARED))

    def coalescing(self, name: Any) -> Mapping[str, Any] | None:
        """Returns how notifications of this name may be merged, or None if each one is sent."""
        return _named(self._lists["x-notifications"], name).get("coalescing")

    def key(self, name: Any) -> list[str]:
        """Returns the paths of the params that identify what a notification is about."""
        return cast("list[str]", _named(self._lists["x-notifications"], name).get("key", []))

    def entity(self, message: Any) -> tuple[tuple[str, Any], ...]:
        """Returns what a notification is about: the last name of each path of its key with its value, or its name.

        The values of a list are joined: a notification about several events is about that set of events.
        """
        found = []
        for path in self.key(message.get("method")):
            value = message.get("params")
            for part in path.split("."):
                value = [get(one, part) for one in value] if type(value) is list else get(value, part)
            found.append((path.rpartition(".")[2], " ".join(map(str, value)) if type(value) is list else value))
        return tuple(found) or ((str(message.get("method")), None),)

    def secret_names(self) -> frozenset[str]:
        """Returns the names of the secret members of requests; results and notifications have none."""
        return frozenset(name for name, facts in self._in_requests() if facts.is_secret)

    def plain_names(self) -> frozenset[str]:
        """Returns the names of the members of requests that are never secret."""
        return frozenset(name for name, _ in self._in_requests()) - self.secret_names()

    def _in_requests(self) -> Iterator[tuple[str, Facts]]:
        for method in self._requests:
            yield from self.params(method).all_members()
        for job_type in self._lists["x-job-types"]:
            yield from self.described("x-job-types", job_type, "payload").all_members()

    def resolved(self, schema: Schema) -> Schema:
        """Follows references, including those with additional keywords in an `allOf`."""
        while True:
            if "$ref" in schema:
                target: Any = self._components
                for step in schema["$ref"].removeprefix(_REFERENCE).split("/"):
                    target = target[step]
                schema = target
            elif len(schema.get("allOf", ())) == 1:
                schema = {**self.resolved(schema["allOf"][0]), **{k: v for k, v in schema.items() if k != "allOf"}}
            else:
                return schema

    def choices(self, schema: Schema) -> Iterator[Schema]:
        """Yields the alternatives of a schema, without references."""
        schema = self.resolved(schema)
        if "anyOf" not in schema:
            yield schema
        for choice in schema.get("anyOf", ()):
            yield from self.choices(choice)


def contract_facts() -> ContractFacts:
    """Returns the facts about the contract of this installation."""
    return ContractFacts((schema_dir() / "openrpc.json").read_bytes())


def _named(schemas: Mapping[str, Schema], name: Any) -> Schema:
    return schemas.get(name, UNDECLARED) if isinstance(name, str) else UNDECLARED


def _first_schema(choices: list[Schema], part: str) -> Schema:
    return next((one[part] for one in choices if isinstance(one.get(part), dict)), UNDECLARED)


def _message(part: str, schema: Schema) -> Schema:
    return {"properties": {part: schema}}


def _object(params: list[dict[str, Any]]) -> Schema:
    """Returns a method's params, which OpenRPC lists one by one, as one object schema."""
    return {"properties": {one["name"]: one["schema"] for one in params}}


def normal(value: Any) -> Any:
    """Returns a value without what JSON does not distinguish: the order of members, and 5.0 from 5."""
    if type(value) is dict:
        return {name: normal(value[name]) for name in sorted(value)}
    if type(value) is list:
        return [normal(one) for one in value]
    return int(value) if type(value) is float and value.is_integer() else value


def normal_json(value: Any) -> bytes:
    return to_json(normal(value))
