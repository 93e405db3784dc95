"""Imports libraries without parts of them that take long to import and that this process does not use.

Each part is an optional import of its library, or is only read by type checkers, so that the library works without it.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from types import ModuleType
from typing import Any, cast


@contextmanager
def replaced_modules(replacements: Mapping[str, ModuleType | None]) -> Iterator[None]:
    """Replaces modules during the imports of the block; None makes their import fail."""
    before = {name: sys.modules.get(name) for name in replacements}
    sys.modules.update(cast("Mapping[str, ModuleType]", replacements))
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


class _UnreadTypedDict(dict[str, Any]):
    """Takes the place of `TypedDict` for classes whose annotations only type checkers read: it compiles none of them.

    An instance is a plain dict, as with `TypedDict`.
    """

    def __new__(cls, *args: Any, **members: Any) -> Any:
        return dict(*args, **members)

    def __init_subclass__(cls, **options: Any) -> None:
        """Ignores the options of `TypedDict`, such as `total`."""


@contextmanager
def _unread_typed_dicts() -> Iterator[None]:
    """Replaces `TypedDict` during the imports of the block, in the module from which pydantic takes it."""
    typing = import_module("typing" if sys.version_info >= (3, 12) else "typing_extensions")
    before = vars(typing)["TypedDict"]
    vars(typing)["TypedDict"] = _UnreadTypedDict
    try:
        yield
    finally:
        vars(typing)["TypedDict"] = before


def import_asyncio_and_pydantic() -> None:
    """Imports asyncio without TLS, and pydantic without what it does for plugins and type checkers.

    Call it before anything else imports them.  It saves about a fifth of the start, and 3 MiB:

    - asyncio's TLS: httpx brings its own.
    - pydantic's search for plugins reads the metadata of all installed packages when the first model is built, and code
      of a plugin would see what clients send.
    - pydantic_core declares its schemas, which are plain dicts, as eighty classes of `TypedDict`.  Compiling their 600
      annotations, which are for type checkers, takes 8 % of the start.

    A release that needs the part left out is imported whole, with the next import of it.
    """
    with suppress(ImportError), replaced_modules({"ssl": None}):
        import asyncio  # noqa: F401, PLC0415
    with suppress(Exception), _unread_typed_dicts():
        import_module("pydantic_core")
    no_packages = ModuleType("importlib.metadata")
    no_packages.entry_points = lambda **_: ()  # type: ignore[attr-defined]
    with suppress(ImportError, AttributeError), replaced_modules({"importlib.metadata": no_packages}):
        from pydantic import BaseModel  # noqa: PLC0415

        type("First", (BaseModel,), {})
