"""The contents of a bundle: the packages that the sidecar requires, and which parts of Python are left out."""

import re
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Final

ROOT_MODULE: Final = Path(__file__).parent.parent / "__main__.py"
EXCLUDED: Final = (
    "hypothesis",
    "mypy",
    "pip",
    "pytest",
    "setuptools",
    "sidecar.packaging",
    "sidecar.transcripts.pytest_items",
    "sidecar.transcripts.pytest_plugin",
    "tkinter",
)
"""Modules that only developers use.  PyInstaller would follow their imports, and sqlite-utils requires pip."""
UNUSED: Final = (
    "__pycache__",
    "Doc",
    "Scripts",
    "config-*",  # what builds Python's own extensions
    "ensurepip",
    "idlelib",
    "include",
    "lib2to3",
    "libs",
    "site-packages",
    "test",
    "tcl",
    "tests",
    "tkinter",
    "turtledemo",
    "_tkinter*",
    "*.a",
    "*.pyc",
)
"""Folders and files of a Python installation that no bundle needs."""


def distributions(root: str = "sidecar") -> list[Distribution]:
    """Returns an installed package and everything that it requires on this platform, as installed here."""
    # From the extra `bundle`, which serving does not have.
    from packaging.requirements import Requirement  # noqa: PLC0415
    from packaging.utils import canonicalize_name  # noqa: PLC0415

    found: dict[str, Distribution] = {}

    def add(name: str, extras: frozenset[str]) -> None:
        key = canonicalize_name(name)
        if key in EXCLUDED or (key in found and not extras):
            return
        found[key] = distribution(name)
        for text in found[key].requires or ():
            required = Requirement(text)
            if required.marker is None or any(required.marker.evaluate({"extra": extra}) for extra in extras | {""}):
                add(required.name, frozenset(required.extras))

    add(root, frozenset())
    return list(found.values())


def files_of(package: Distribution) -> Iterator[tuple[Path, Path]]:
    """Yields (source, path below site-packages) of a package's files, without its commands and bytecode."""
    for file in package.files or ():
        if ".." not in file.parts and "__pycache__" not in file.parts and file.suffix != ".pth":
            yield Path(str(package.locate_file(file))), Path(*file.parts)


LICENCE_FILE: Final = re.compile(r"(licen[cs]e|copying|notice)", re.IGNORECASE)


def licences_of(package: Distribution) -> list[tuple[Path, Path]]:
    """Returns (source, path below the package's folder of licences) of the texts that a package ships with."""
    return [
        (Path(str(package.locate_file(file))), Path(*file.parts[file.parts.index(info) + 1 :]))
        for file in package.files or ()
        for info in file.parts[:1]
        if info.endswith(".dist-info") and LICENCE_FILE.search(file.name) and file.suffix not in (".py", ".pyc")
    ]


def python_licence() -> Path | None:
    """Returns the file with the licences of Python and of what it contains, or None if this Python ships none."""
    folders = (Path(sysconfig.get_path("stdlib")), Path(sys.base_prefix))
    return next((path for folder in folders for path in folder.glob("LICENSE*") if path.is_file()), None)
