"""Exports models as JSON Schema draft-07, which OpenRPC 1.4 uses; pydantic generates 2020-12.

Docstrings of fields and enum members become descriptions; fields marked `Secret` get `x-secret`.
"""

from collections.abc import Iterable
from dataclasses import MISSING, fields
from typing import Annotated, Any, get_type_hints

from pydantic import Field, create_model
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from sidecar_protocol.contract import Ephemeral, Model, Notification, Secret, is_secret
from sidecar_protocol.export.docs import field_docs, member_docs
from sidecar_protocol.scalars import UtcTime

PREFIX = "#/components/schemas/"
DIALECT = "http://json-schema.org/draft-07/schema#"
_LATER_KEYWORDS = frozenset({"$defs", "dependentRequired", "dependentSchemas", "prefixItems", "unevaluatedProperties"})
_FIRST_KEYWORDS = ("$ref", "title", "description", "type", "format")
_SCHEMA = frozenset({"items", "additionalProperties", "propertyNames", "contains", "not"})
_SCHEMAS = frozenset({"allOf", "anyOf", "oneOf"})
_NAMED_SCHEMAS = frozenset({"properties", "patternProperties"})


class StampedParams(Model):
    """The params that the outbox adds to a durable notification."""

    seq: Annotated[int, Field(ge=1, le=2**53 - 1, json_schema_extra={"format": "seq"})]
    """Position in the event log.  Strictly increasing, unique, and continued across restarts."""
    at: UtcTime
    """When it was logged."""


class UnsupportedSchema(TypeError):
    """A declaration that cannot be exported; the message contains a remedy."""


def schemas_of(sent: Iterable[type[Model]], received: Iterable[type[Model]]) -> dict[str, JsonSchemaValue]:
    """Returns {name: draft-07 schema} of the models that a client sends and receives, and of all that these refer to.

    Raises `UnsupportedSchema` if pydantic would invent a name: for a model that is both sent and received with
    different schemas (`X-Input` and `X-Output`), or for two classes of the same name.
    """
    models: list[tuple[type[Model], JsonSchemaMode]] = [(model, "validation") for model in sent]
    models += [(model, "serialization") for model in received]
    _, generated = models_json_schema(models, ref_template=PREFIX + "{model}", schema_generator=_Generator)
    definitions: dict[str, JsonSchemaValue] = generated["$defs"]
    for name in definitions:
        _refuse_split(name)
    return {name: draft7(_with_members(schema)) for name, schema in definitions.items()}


def params_of(notification: type[Notification]) -> type[Model]:
    """Returns the params of a notification, as they are sent, as a model."""
    hints = get_type_hints(notification, include_extras=True)
    params: dict[str, Any] = {
        field.name: (hints[field.name], ... if field.default is MISSING else field.default)
        for field in fields(notification)
    }
    base = Model if issubclass(notification, Ephemeral) else StampedParams
    name, module, doc = notification.__name__, notification.__module__, notification.__doc__
    return create_model(name, __base__=base, __module__=module, __doc__=doc, **params)


def reference(cls: type[Model | Notification]) -> JsonSchemaValue:
    """Returns the $ref to the schema of a model, or of a notification's params."""
    return {"$ref": PREFIX + cls.__name__}


def draft7(schema: JsonSchemaValue) -> JsonSchemaValue:
    """Converts a schema to draft-07, with its keywords in a fixed order."""
    later = _LATER_KEYWORDS & schema.keys()
    if later:
        raise UnsupportedSchema(f"{', '.join(sorted(later))}: not in draft-07; declare the type in another way")
    converted = {keyword: _keyword(keyword, schema[keyword]) for keyword in sorted(schema, key=_rank)}
    if "$ref" in converted and len(converted) > 1:  # draft-07 ignores siblings of $ref
        return {"allOf": [{"$ref": converted.pop("$ref")}], **converted}
    return converted


def _keyword(keyword: str, value: Any) -> Any:
    if keyword in _NAMED_SCHEMAS:
        return {name: draft7(schema) for name, schema in value.items()}
    if keyword in _SCHEMAS:
        return [draft7(schema) for schema in value]
    if keyword in _SCHEMA and isinstance(value, dict):
        return draft7(value)
    return value


def _rank(keyword: str) -> tuple[int, str]:
    return (_FIRST_KEYWORDS.index(keyword) if keyword in _FIRST_KEYWORDS else len(_FIRST_KEYWORDS), keyword)


def _with_members(schema: JsonSchemaValue) -> JsonSchemaValue:
    """Adds the docstrings of an enum's members to its description, which pydantic sets last."""
    docs = zip(schema.get("enum", ()), schema.get("x-enum-descriptions", ()), strict=False)
    bullets = [f"- `{value}`: {doc}" for value, doc in docs if doc]
    return {**schema, "description": "\n".join([schema.get("description", ""), "", *bullets])} if bullets else schema


def _refuse_split(name: str) -> None:
    if name.endswith(("-Input", "-Output")):
        raise UnsupportedSchema(
            f"{name.rpartition('-')[0]} is both sent and received, with different schemas: "
            "declare two models that share their scalars"
        )
    if "__" in name:  # pydantic adds the module to the names of two equally named classes
        raise UnsupportedSchema(f"two classes have the name {name.rpartition('__')[2]}: rename one")


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, with docstrings and `x-secret`, and without titles of fields."""

    schema_dialect = DIALECT

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:  # noqa: ARG002 - `draft7` sorts
        return value

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - it would only repeat the field's name
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        result = super().model_schema(schema)
        cls = schema["cls"]
        docs = field_docs(cls)
        for name, value in result.get("properties", {}).items():
            texts = (docs.get(name), value.get("description"))
            if any(texts):
                value["description"] = "  ".join(text for text in texts if text)
            field = cls.model_fields[name]
            if Secret in field.metadata or is_secret(field.annotation):
                value["x-secret"] = True
        return result

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        result = super().enum_schema(schema)
        docs = member_docs(schema["cls"])
        # Code generators for many languages support these two keywords.
        result["x-enum-varnames"] = [member.name for member in schema["members"]]
        result["x-enum-descriptions"] = [docs.get(member.name, "") for member in schema["members"]]
        return result

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        # Received objects always contain every field; only a sender can omit one that has a default.
        return super().default_schema(schema) if self.mode == "validation" else self.generate_inner(schema["schema"])
