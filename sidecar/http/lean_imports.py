"""Imports libraries without parts of them that take long to import and that this process does not use.

Each part is an optional import of its library, so that the library works without it.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import cast


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


def import_asyncio_and_pydantic() -> None:
    """Imports asyncio without TLS, and pydantic without its search for plugins, before anything else imports them.

    That saves about a tenth of the start, and 3 MiB.  httpx brings TLS of its own.  The search reads the metadata of
    all installed packages when the first model is built, and code of a plugin would see what clients send.  A release
    that needs the part left out is imported whole, with the next import of it.
    """
    with suppress(ImportError), replaced_modules({"ssl": None}):
        import asyncio  # noqa: F401, PLC0415
    no_packages = ModuleType("importlib.metadata")
    no_packages.entry_points = lambda **_: ()  # type: ignore[attr-defined]
    with suppress(ImportError, AttributeError), replaced_modules({"importlib.metadata": no_packages}):
        from pydantic import BaseModel  # noqa: PLC0415

        type("First", (BaseModel,), {})
