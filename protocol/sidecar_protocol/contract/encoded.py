"""Values that are already JSON, such as rows that SQLite has encoded, typed as the models that describe them."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Final, Generic, ParamSpec, TypeVar, cast

from pydantic_core import to_json

from sidecar_protocol.contract.models import Model

M = TypeVar("M", bound=Model)
N = TypeVar("N", bound=Model)
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

    def extended(self, model: type[N], **fields: object) -> "Encoded[N]":
        """Returns the value with more fields, as a model that extends this one's."""
        return Encoded(model, b"%s,%s}" % (self.json[:-1], json_members(fields)))


_ENCODABLE: Final = (Encoded, Model)
_PLAIN: Final = frozenset({str, int, bool, type(None)})  # pydantic's check whether a value is a model is slow


def encode(model: Callable[P, M], /, *args: P.args, **fields: P.kwargs) -> Encoded[M]:
    """Encodes a model from its fields, without building or validating it: `encode(JobPage, jobs=…, next_cursor=…)`.

    Takes the arguments of the model's constructor.  Models among them may be `Encoded.as_model()`.
    """
    assert not args  # a model's constructor takes keywords only
    cls = cast("type[M]", model)  # declared as a callable for the sake of the argument types
    return Encoded(cls, json_object(_defaults(cls) | fields))


@cache
def _defaults(model: type[Model]) -> dict[str, object]:
    """Returns the fields of a model in their order, with their defaults."""
    return {name: field.default for name, field in model.model_fields.items()}


def as_models(values: Iterable[Encoded[M]]) -> list[M]:
    """Returns a list of encoded values, typed as `Encoded.as_model` types them one by one."""
    return cast("list[M]", list(values))


def json_members(fields: Mapping[str, object]) -> bytes:
    """Returns the members of a JSON object without its braces: `"a":1,"b":[]`."""
    return b"".join(_members(fields))


def json_object(fields: Mapping[str, object]) -> bytes:
    """Returns a JSON object; values may be models, `Encoded`, lists of these, or anything that pydantic can encode."""
    return b"".join((b"{", *_members(fields), b"}"))


def _members(fields: Mapping[str, object]) -> list[bytes]:
    """Returns pieces to be joined once, because a page may be several megabytes."""
    pieces: list[bytes] = []
    for name, value in fields.items():
        pieces.append(_name(name) if pieces else _name(name)[1:])
        if type(value) in _PLAIN:
            pieces.append(to_json(value))
        elif isinstance(value, _ENCODABLE):
            pieces.append(value.json_bytes())
        elif isinstance(value, list) and value and isinstance(value[0], _ENCODABLE):
            pieces += (b"[", b",".join([item.json_bytes() for item in value]), b"]")
        else:
            pieces.append(to_json(value, inf_nan_mode="null"))
    return pieces


@cache
def _name(name: str) -> bytes:
    """Returns the beginning of a member that follows another one."""
    return b',"%s":' % name.encode()
