"""How a method, a notification, an error and a job type are declared: once, in Python.

The dispatcher, OpenRPC, TypeScript, the command line and the tests' client are all derived from these declarations.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model
from pydantic_core import to_json

T = TypeVar("T")


class Model(BaseModel):
    """A value that crosses the wire.  Open: a reader ignores the fields that it does not know."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        # Sixty models cost 25 ms when built at import; most runs use a handful.
        defer_build=True,
        # A result's defaulted field is always sent, so TypeScript must not call it optional.
        json_schema_serialization_defaults_required=True,
        # NaN is not JSON; Electron would drop the whole line.
        ser_json_inf_nan="null",
    )

    @classmethod
    def encoded(cls, data: bytes) -> Self:
        """An instance whose JSON exists already, such as a row that SQLite encoded.

        It is sent as it is and decoded only if somebody reads a field.  The caller vouches that `data` fits the model.
        """
        self = cls.__new__(cls)
        object.__setattr__(self, "__dict__", {"_json": data})
        object.__setattr__(self, "__pydantic_fields_set__", set())
        object.__setattr__(self, "__pydantic_extra__", None)
        object.__setattr__(self, "__pydantic_private__", None)
        return self

    def json_bytes(self) -> bytes:
        """The value as JSON; `encoded` members, alone or in a list, as they are."""
        values = self.__dict__
        data: bytes | None = values.get("_json")
        if data is not None:
            return data
        if any(_is_encoded(value) for value in values.values()):
            return b"{%s}" % _members(self)  # pydantic would write an `encoded` part as {}
        return self.__pydantic_serializer__.to_json(self)

    if not TYPE_CHECKING:  # a declared __getattr__ would make every misspelt field look right to the type checker

        def __getattr__(self, name: str) -> Any:
            """Decode an `encoded` instance when its first field is read."""
            data = self.__dict__.get("_json")
            if data is None or name not in type(self).model_fields:
                return super().__getattr__(name)
            self.__dict__.update(type(self).model_validate_json(data).__dict__)
            return self.__dict__[name]


class Input(Model):
    """A value that a client sends.  Closed: an unknown field is refused, since it is a typo or a newer client."""

    model_config = ConfigDict(extra="forbid")


class RpcError(Exception):
    """The only exception a client ever sees.  A subclass's docstring is its message, its name is its `kind`."""

    code: ClassVar[int]
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str | None = None,
        *,
        hint: str | None = None,
        retry_after_ms: int | None = None,
        error_id: str | None = None,
        details: Iterable[dict[str, Any]] | None = None,
    ) -> None:
        self.message = message or self.summary()
        super().__init__(self.message)
        self.data: dict[str, Any] = {"kind": self.kind(), "retryable": self.retryable}
        optional = {"retry_after_ms": retry_after_ms, "hint": hint, "error_id": error_id}
        self.data |= {key: value for key, value in optional.items() if value is not None}
        if details is not None:
            self.data["details"] = list(details)

    @classmethod
    def kind(cls) -> str:
        """The stable word that clients branch on: `JobNotFound` is `job_not_found`."""
        return snake_case(cls.__name__)

    @classmethod
    def summary(cls) -> str:
        """The first line of the docstring, without its full stop's line end."""
        return inspect.cleandoc(cls.__doc__ or cls.__name__).partition("\n")[0]

    def json_bytes(self) -> bytes:
        """The JSON-RPC error object."""
        return to_json({"code": self.code, "message": self.message, "data": self.data}, inf_nan_mode="null")


class Notification(Model):
    """Something that happened, told unasked.  Durable: it gets a `seq`, is kept in the event log, and can be replayed.

    It carries the whole new state of what it names, so that only the newest one matters.
    """

    name: ClassVar[str]

    def members(self) -> bytes:
        """Its params as JSON, without the outer braces, so that `seq` and `at` can stand before them."""
        return _members(self)


class Ephemeral(Notification):
    """A notification that is worth something only now: no `seq`, never stored, may be merged with a later one."""

    key: ClassVar[tuple[str, ...]]
    """The fields that say what it is about; two with equal keys may become one."""
    appends: ClassVar[str | None] = None
    """The text field that merging concatenates; None: the later one replaces the earlier."""
    max_per_s: ClassVar[int]
    """How many of one key reach the wire in a second."""


_ResultModel = type[Model]  # inside JobSpec the word `type` is its attribute


class Recovery(StrEnum):
    """What becomes of a job that was running when the sidecar ended."""

    REQUEUE = "requeue"
    """It runs again: its work may be done twice without harm."""
    INTERRUPT = "interrupt"
    """It is `interrupted`: what it did cannot be taken back, so a person decides."""
    FAIL = "fail"
    """It is `failed`."""


@dataclass(frozen=True, slots=True)
class JobPolicy:
    """How the jobs of one type are run."""

    max_attempts: int = 1
    """How often a job that fails in a way that may pass is tried, unless `jobs.create` says otherwise."""
    recovery: Recovery = Recovery.INTERRUPT
    timeout_s: float | None = None
    """After this a try has failed; None: the type limits itself."""
    concurrency: int = 8
    """How many run at a time."""


class JobSpec(Input):
    """The payload of one type of job."""

    type: ClassVar[str]
    result: ClassVar[_ResultModel]
    policy: ClassVar[JobPolicy] = JobPolicy()

    def lock_key(self) -> str | None:
        """What the job must have for itself: of two jobs with one key the second waits.  None: nothing."""
        return None


@dataclass(frozen=True, slots=True)
class Declaration:
    """What `@method` says beside the signature."""

    name: str
    raises: tuple[type[RpcError], ...]
    rest: str | None
    since: str
    waits: bool
    before_initialize: bool


def method(
    name: str,
    *,
    raises: tuple[type[RpcError], ...] = (),
    rest: str | None = None,
    since: str = "0.1.0",
    waits: bool = False,
    before_initialize: bool = False,
) -> Callable[[T], T]:
    """Declare the function below as a method of the wire.

    `rest`: the endpoint of the old backend that it replaces.  `waits`: its handler may suspend and gets a task; all
    others are stepped to their end in place.  `before_initialize`: it may be called before the handshake.
    """

    def declare(function: T) -> T:
        setattr(function, "__declaration__", Declaration(name, raises, rest, since, waits, before_initialize))  # noqa: B010 - mypy knows no such attribute
        return function

    return declare


class Method:
    """One declared method, read out of its Protocol class."""

    def __init__(self, interface: type, function: Callable[..., Any]) -> None:
        declaration: Declaration = getattr(function, "__declaration__")  # noqa: B009 - see `declare`
        self.interface = interface
        self.attribute = function.__name__
        self.name = declaration.name
        self.raises = declaration.raises
        self.rest = declaration.rest
        self.since = declaration.since
        self.waits = declaration.waits
        self.before_initialize = declaration.before_initialize
        self._function = function

    @cached_property
    def doc(self) -> str:
        """What the declaration's docstring says."""
        return inspect.getdoc(self._function) or ""

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self._function, include_extras=True)

    @cached_property
    def result(self) -> type[Model] | None:
        """The result's model; None for what a client may only notify."""
        returned = self._hints["return"]
        return None if returned is type(None) else returned

    @cached_property
    def params(self) -> type[Input]:
        """The params as a closed model, made from the signature when first needed."""
        fields: dict[str, Any] = {}
        for parameter in inspect.signature(self._function).parameters.values():
            if parameter.name == "self":
                continue
            if parameter.kind is not parameter.KEYWORD_ONLY:
                raise TypeError(f"{self.name}: {parameter.name} must be keyword-only")
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[parameter.name] = (self._hints[parameter.name], default)
        return create_model(pascal_case(self.name) + "Params", __base__=Input, **fields)


def methods_of(interface: type) -> tuple[Method, ...]:
    """The methods that a Protocol class declares, in the order of its text."""
    return tuple(
        Method(interface, function) for function in vars(interface).values() if hasattr(function, "__declaration__")
    )


def remote(interface: type[T], call: Callable[[str, dict[str, Any]], Awaitable[Any]]) -> T:
    """The interface as a client sees it: each method sends its keywords by `call`, which gives the parsed result."""

    def proxy(declared: Method) -> Callable[..., Awaitable[Any]]:
        async def invoke(_: object, **params: Any) -> Any:
            sent = {name: value for name, value in params.items() if value is not None}
            answer = await call(declared.name, sent)
            return declared.result.model_validate(answer) if declared.result else None

        return invoke

    attributes = {declared.attribute: proxy(declared) for declared in methods_of(interface)}
    made: T = type("Remote" + interface.__name__, (), attributes)()
    return made


def page(field: str, items: Iterable[bytes], next_cursor: str | None) -> bytes:
    """The JSON of a list result, `{field: [items], next_cursor}`, from items that are JSON already."""
    return b'{"%s":[%s],"next_cursor":%s}' % (field.encode(), b",".join(items), to_json(next_cursor))


def is_secret(annotation: Any) -> bool:
    """Whether a type is declared secret, so that transcripts and logs must not show it."""
    if get_origin(annotation) is Annotated and Secret in get_args(annotation):
        return True
    return any(is_secret(argument) for argument in get_args(annotation))


class Secret:
    """Marks a scalar whose value must never be logged, recorded or echoed: `Annotated[str, Secret]`."""


def snake_case(name: str) -> str:
    """`JobNotFound` as `job_not_found`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def pascal_case(name: str) -> str:
    """`jobs.log.list` as `JobsLogList`; `$/cancelRequest` as `CancelRequest`."""
    return "".join(part[0].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name) if part)


def _is_encoded(value: Any) -> bool:
    if type(value) is list and value:
        value = value[0]
    return isinstance(value, Model) and "_json" in value.__dict__


def _members(model: Model) -> bytes:
    return b",".join(b'"%s":%s' % (name.encode(), _encode(value)) for name, value in model)


def _encode(value: Any) -> bytes:
    if isinstance(value, Model):
        return value.json_bytes()
    if isinstance(value, tuple | list) and value and isinstance(value[0], Model):
        return b"[%s]" % b",".join(item.json_bytes() for item in value)
    return to_json(value, inf_nan_mode="null")
