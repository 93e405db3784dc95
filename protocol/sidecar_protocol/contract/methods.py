"""Declarations of methods: `@method` in a Protocol class, and what is derived from it."""

import inspect
from collections.abc import Awaitable, Callable
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple, TypeVar, get_type_hints

from pydantic import Field, create_model

from sidecar_protocol.contract.errors import RpcError
from sidecar_protocol.contract.job_types import JobSpec
from sidecar_protocol.contract.models import Input, Model
from sidecar_protocol.contract.names import pascal_case

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

DOMAIN = "{domain}"
"""Placeholder in the names of methods that several interfaces share."""


class Unchanged:
    """The type of `UNCHANGED`."""


UNCHANGED: Any = Unchanged()
"""Default of a param that changes nothing if it is left out, and resets the value if it is null."""


class ToolUse(StrEnum):
    """The effect of a method that an assistant, such as Claude, calls as a tool."""

    READ = "read"
    """It only reads, and has nothing secret in its result."""
    ACT = "act"
    """It changes something: the person is asked before each call."""


class _Declaration(NamedTuple):
    """The function of a method, the arguments of `@method`, and the Protocol class that declares it."""

    function: Callable[..., Any]
    name: str
    raises: tuple[type[RpcError], ...]
    rest: str | None
    since: str
    waits: bool
    before_initialize: bool
    job: str | None = None
    """The type of the job that it returns."""
    interface: type = object
    tool: ToolUse | None = None
    """How it is offered to assistants; None if it is not."""
    withheld: tuple[str, ...] = ()
    """Params that assistants do not have: those that only a person may choose, and those that would be of no use."""


class Method(_Declaration):
    """A declared method, with the values that are derived from its declaration."""

    def of(self, interface: type, domain: str) -> "Method":
        """Returns the method as a part of an interface, whose `domain` is put into its name and endpoint."""
        rest = None if self.rest is None else self.rest.replace(DOMAIN, domain)
        job = None if self.job is None else self.job.replace(DOMAIN, domain)
        return self._replace(interface=interface, name=self.name.replace(DOMAIN, domain), rest=rest, job=job)

    @property
    def attribute(self) -> str:
        """The name of the function."""
        return self.function.__name__

    @cached_property
    def doc(self) -> str:
        """The docstring of the declaration."""
        return inspect.getdoc(self.function) or ""

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self.function, include_extras=True)

    @cached_property
    def result(self) -> type[Model] | None:
        """The model of the result, or None for a notification from the client."""
        returned = self._hints["return"]
        return None if returned is type(None) else returned

    @cached_property
    def spec(self) -> type[JobSpec] | None:
        """The job type of a method that queues one: its fields are params, and the handler receives it as one object.

        Declared as the only positional parameter.
        """
        positional = [one.name for one in self._parameters if one.kind is not one.KEYWORD_ONLY]
        if not positional:
            return None
        hint = self._hints[positional[0]]
        if len(positional) > 1 or not (isinstance(hint, type) and issubclass(hint, JobSpec)):
            raise TypeError(f"{self.name}: {positional[-1]} must be keyword-only")
        return hint

    @cached_property
    def params(self) -> type[Input]:
        """The params as a model that rejects unknown fields, built from the signature on first use."""
        fields: dict[str, Any] = {
            one.name: (self._hints[one.name], _field(one.default))
            for one in self._parameters
            if one.kind is one.KEYWORD_ONLY
        }
        return create_model(pascal_case(self.name) + "Params", __base__=self.spec or Input, **fields)

    @property
    def _parameters(self) -> list[inspect.Parameter]:
        return list(inspect.signature(self.function).parameters.values())[1:]  # without self


def _field(default: Any) -> Any:
    if default is UNCHANGED:  # no default of the schema: JSON has no value for it
        return Field(default_factory=lambda: UNCHANGED)
    return ... if default is inspect.Parameter.empty else default


def method(
    name: str,
    *,
    raises: tuple[type[RpcError], ...] = (),
    rest: str | None = None,
    since: str = "0.1.0",
    waits: bool = False,
    before_initialize: bool = False,
    job: str | None = None,
    tool: ToolUse | None = None,
    withheld: tuple[str, ...] = (),
) -> Callable[[F], F]:
    """Declares the decorated function as a method of the wire.

    `rest` is the endpoint of the old backend that the method replaces.  The handler of a method that `waits` may
    suspend and runs in a task of its own; all other handlers run to their end at once.  A method that is allowed
    `before_initialize` can be called before the handshake.  `job` is the type of the job that it returns, if that is
    always the same.  A `tool` is also offered to assistants, without the `withheld` params; the first paragraph of its
    docstring is what they read.
    """

    def declare(function: F) -> F:
        declared = Method(
            function, name, raises, rest, since, waits, before_initialize, job, tool=tool, withheld=withheld
        )
        setattr(function, "__declaration__", declared)  # noqa: B010 - mypy knows no such attribute
        return function

    return declare


def methods_of(interface: type) -> tuple[Method, ...]:
    """Returns the methods that a Protocol class declares, in source order.

    A class that sets `domain` has the methods of its base, with `{domain}` in their names replaced; the base has none.
    """
    domain = vars(interface).get("domain", DOMAIN)
    source = interface if domain is DOMAIN else interface.__bases__[0]
    declared = (getattr(function, "__declaration__", None) for function in vars(source).values())
    methods = (one.of(interface, domain) for one in declared if isinstance(one, Method))
    return tuple(one for one in methods if DOMAIN not in one.name)


def remote(interface: type[T], call: Callable[[str, dict[str, Any]], Awaitable[Any]]) -> T:
    """Returns a client for the interface: each method passes its name and arguments to `call` and parses the result.

    Arguments that are None are not sent, except those whose default is `UNCHANGED`: null resets their value.
    """

    def proxy(declared: Method) -> Callable[..., Awaitable[Any]]:
        parameters = inspect.signature(declared.function).parameters

        async def invoke(_: object, *specs: JobSpec, **params: Any) -> Any:
            for spec in specs:
                params |= spec.model_dump(mode="json", exclude_unset=True)
            defaults = {name: one.default for name, one in parameters.items() if one.default is UNCHANGED}
            sent = {name: value for name, value in params.items() if value is not defaults.get(name)}
            response = await call(declared.name, sent)
            return declared.result.model_validate(response) if declared.result else None

        return invoke

    attributes = {declared.attribute: proxy(declared) for declared in methods_of(interface)}
    client: T = type("Remote" + interface.__name__, (), attributes)()
    return client
