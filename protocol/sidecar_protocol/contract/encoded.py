"""Values that are already JSON, such as rows that SQLite has encoded, typed as the models that describe them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, ParamSpec, TypeVar, cast

from pydantic_core import to_json

from sidecar_protocol.contract.models import Model

M = TypeVar("M", bound=Model)
P = ParamSpec("P")


class Encoded(Generic[M]):
    """The JSON of an `M`.  It is sent unchanged: neither validated, nor copied, nor decoded.

    The creator vouches that the JSON fits the model.
    """

    __slots__ = ("json", "model")

    def __init__(self, model: type[M], json: bytes) -> None:
        self.model = model
        self.json = json

    def load(self) -> M:
        """Decodes the value."""
        return self.model.model_validate_json(self.json)

    def as_model(self) -> M:
        """Returns this object, typed as the model that it encodes.

        Only for a method's result, an argument of `encode` and a notification's field.  These are serialised with
        `json_bytes` and nothing else, so that their declarations need not mention `Encoded`.  It has no fields: code
        that reads one calls `load`.
        """
        return cast("M", self)

    def json_bytes(self) -> bytes:
        """Returns the JSON, as `Model.json_bytes` does."""
        return self.json


def encode(model: Callable[P, M], /, *args: P.args, **fields: P.kwargs) -> Encoded[M]:
    """Encodes a model from its fields, without building or validating it: `encode(JobPage, jobs=…, next_cursor=…)`.

    Takes the arguments of the model's constructor.  Models among them may be `Encoded.as_model()`.
    """
    assert not args  # a model's constructor takes keywords only
    cls = cast("type[M]", model)  # declared as a callable for the sake of the argument types
    values = {name: fields.get(name, info.default) for name, info in cls.model_fields.items()}
    return Encoded(cls, b"{%s}" % json_members(values))


def as_models(values: Iterable[Encoded[M]]) -> list[M]:
    """Applies `Encoded.as_model` to a list."""
    return [value.as_model() for value in values]


def json_members(fields: Mapping[str, object]) -> bytes:
    """Returns the members of a JSON object without its braces: `"a":1,"b":[]`."""
    return b",".join([b'"%s":%s' % (name.encode(), _json(value)) for name, value in fields.items()])


def _json(value: object) -> bytes:
    if isinstance(value, Model | Encoded):
        return value.json_bytes()
    if isinstance(value, list | tuple) and value and isinstance(value[0], Model | Encoded):
        return b"[%s]" % b",".join([item.json_bytes() for item in value])
    return to_json(value, inf_nan_mode="null")
