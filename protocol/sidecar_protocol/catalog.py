"""Lists the whole contract: every interface, notification, job type and error declared in a module of this package.

Modules are read in alphabetical order and declarations in source order, so that the generated files are reproducible.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Protocol, TypeVar

import sidecar_protocol
from sidecar_protocol.contract import JobSpec, Method, Notification, RpcError, methods_of

T = TypeVar("T")

_MACHINERY = tuple(
    f"sidecar_protocol.{name}" for name in ("catalog", "connection", "contract", "export", "mcp", "tools")
)
"""Modules and packages without declarations; `contract` defines the base classes."""


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    for found in sorted(pkgutil.iter_modules(package.__path__), key=lambda found: found.name):
        name = f"{package.__name__}.{found.name}"
        if name not in _MACHINERY:
            module = importlib.import_module(name)
            yield module
            if found.ispkg:
                yield from _modules(module)


def _classes() -> Iterator[type]:
    for module in _modules(sidecar_protocol):
        for value in vars(module).values():
            if isinstance(value, type) and value.__module__ == module.__name__:
                yield value


def _subclasses(base: type[T]) -> tuple[type[T], ...]:
    return tuple(cls for cls in _CLASSES if issubclass(cls, base))


_CLASSES = tuple(_classes())
INTERFACES: tuple[type, ...] = tuple(cls for cls in _CLASSES if Protocol in cls.__bases__ and methods_of(cls))
NOTIFICATIONS = _subclasses(Notification)
JOB_TYPES = _subclasses(JobSpec)
ERRORS = _subclasses(RpcError)


def methods() -> tuple[Method, ...]:
    """Returns every method, in the order of the interfaces and then of their source."""
    return tuple(declared for interface in INTERFACES for declared in methods_of(interface))
