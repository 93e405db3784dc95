"""The base classes of every value on the wire, and the mark for secret values."""

from typing import Annotated, Any, ClassVar, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ConfigDict


class Cited(NamedTuple):
    """Declares that an assistant can cite an entity, by the names of the entity's fields."""

    kind: str
    ids: tuple[str, ...]
    """The fields that identify it; one without all of them cannot be cited."""
    title: str
    at: str | None = None
    url: str | None = None


class Model(BaseModel):
    """A value that crosses the wire.  Readers ignore fields that they do not know."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        # Building sixty models at import takes 25 ms; most runs use a handful.
        defer_build=True,
        # A result always contains its defaulted fields, so TypeScript must not declare them optional.
        json_schema_serialization_defaults_required=True,
        # NaN is not JSON; the host could not parse the line.
        ser_json_inf_nan="null",
    )

    shown: ClassVar[tuple[str, ...]] = ()
    """The fields that matter to a person who looks at a list of these, the most important first.

    `start..end` is a span of time, and `a|b` is the first of two that is not null.
    """

    cited: ClassVar[Cited | None] = None
    """Set for the entities that an answer of an assistant can rest on, such as events."""

    def json_bytes(self) -> bytes:
        """Returns the value as JSON."""
        return self.__pydantic_serializer__.to_json(self)


class Input(Model):
    """A value that a client sends.  Unknown fields are rejected: they are typos, or belong to a newer protocol."""

    model_config = ConfigDict(extra="forbid")


class Secret:
    """Marks a scalar whose value must never be logged, recorded or sent back: `Annotated[str, Secret]`."""


class Foreign:
    """Marks a text that others can have written, such as the title of an invitation: `Annotated[str, Foreign]`."""


def is_secret(annotation: Any) -> bool:
    """Returns whether a type, or one of its type arguments, is marked `Secret`."""
    if get_origin(annotation) is Annotated and Secret in get_args(annotation):
        return True
    return any(is_secret(argument) for argument in get_args(annotation))
