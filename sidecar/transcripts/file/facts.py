"""Facts that the contract declares about a value in a message; each is looked up once."""

from typing import Any, Final

from pydantic_core import to_json

from sidecar.transcripts.file.schemas import DESCRIBED_BY, SECRET, UNDECLARED, ContractSchemas, Schema

X_TIME: Final = "x-time"
MAX_NAMES: Final = 1_000
"""Members of one value that are remembered; a client can make up any name."""


class Facts:
    """The facts about one value, and about its members and items."""

    def __init__(self, schemas: ContractSchemas, schema: Schema) -> None:
        self._schemas = schemas
        self._schema = schema
        self._members: dict[str, Facts] = {}
        self._described: dict[str, Facts] = {}
        self._item: Facts | None = None
        choices = list(schemas.choices(schema))
        self.is_declared = schema is not UNDECLARED
        self.kind = "secret" if schema.get(SECRET) else schemas.format(schema)
        """`secret`, or the declared format."""
        self.is_file = self.kind == "secret" and any(one.get("contentEncoding") == "base64" for one in choices)
        self.is_time = any(one.get(X_TIME) or one.get("format") == "date-time" for one in choices)
        self.default = normal_json(schema["default"]) if "default" in schema else None
        """The default as JSON; None if there is none."""
        self.described_by: tuple[str, str, str] | None = next(
            (one[DESCRIBED_BY] for one in choices if DESCRIBED_BY in one), None
        )
        """Where the value is described: see `DESCRIBED_BY`."""

    def declared_member(self, name: str) -> "Facts":
        """Returns what the value's own schema says about a member, for example its default."""
        if not self.is_declared:
            return self
        found = self._members.get(name) or Facts(self._schemas, self._schemas.declared(self._schema, name))
        if len(self._members) < MAX_NAMES:
            self._members[name] = found
        return found

    def member(self, value: dict[str, Any], name: str) -> "Facts":
        """Returns the facts about a member; those of a job's payload depend on the job type beside it."""
        declared = self.declared_member(name)
        return declared if declared.described_by is None else declared.for_name(value.get(declared.described_by[1]))

    def for_name(self, name: Any) -> "Facts":
        """Returns the facts about a value that the entry `name` of a list in the contract describes."""
        key = name if type(name) is str else ""
        if self.described_by is None or key in self._described:
            return self._described.get(key, self)
        facts = Facts(self._schemas, self._schemas.described(self.described_by, key))
        if facts.is_declared:
            self._described[key] = facts
        return facts

    def item(self) -> "Facts":
        if self._item is None:
            self._item = Facts(self._schemas, self._schemas.item(self._schema))
        return self._item


class ContractFacts:
    """The facts about the contract's params, results and notifications."""

    def __init__(self, schemas: ContractSchemas) -> None:
        self._schemas = schemas
        self._known: dict[tuple[str, str], Facts] = {}

    def params(self, method: Any) -> Facts:
        return self._facts("params", method, self._schemas.params(method))

    def result(self, method: Any) -> Facts:
        return self._facts("result", method, self._schemas.result(method))

    def notification(self, name: Any) -> Facts:
        return self._facts("notification", name, self._schemas.notification(name))

    def _facts(self, kind: str, name: Any, schema: Schema) -> Facts:
        if schema is UNDECLARED:  # a name that the client has made up is not remembered
            return Facts(self._schemas, UNDECLARED)
        if (kind, name) not in self._known:
            self._known[kind, name] = Facts(self._schemas, schema)
        return self._known[kind, name]


def normal(value: Any) -> Any:
    """Returns a value without what JSON does not distinguish: the order of members, and 5.0 from 5."""
    if type(value) is dict:
        return {name: normal(value[name]) for name in sorted(value)}
    if type(value) is list:
        return [normal(one) for one in value]
    return int(value) if type(value) is float and value.is_integer() else value


def normal_json(value: Any) -> bytes:
    return to_json(normal(value))
