"""The dependencies in pyproject.toml are those that the code imports, with fixed versions and known licences."""

import ast
import json
import os
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


def normalized(name: str) -> str:
    """Returns the name of a package as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(*folders: str) -> set[str]:
    """Returns the top-level modules that the code in some folders imports, without the standard library's and ours."""
    found: set[str] = set()
    for path in [path for folder in folders for path in (ROOT / folder).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"sidecar", "sidecar_protocol", "tests"}


def test_every_package_that_the_code_imports_is_declared_and_not_only_brought_by_another() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    declared = {normalized(re.split(r"[<>=!~\[; ]", one)[0]) for listed in lists for one in listed}
    providers = packages_distributions()
    # pytest imports the plugin itself; who uses it has pytest.
    needed = {
        name: {normalized(provider) for provider in providers.get(name, ())}
        for name in imported("sidecar", "protocol/sidecar_protocol") - {"pytest", "_pytest"}
    }
    assert {name for name, provided_by in needed.items() if not provided_by & declared} == set()


LICENCES: Final = {
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Public Domain": "Public Domain",
}
"""Names in classifiers, by which older packages name their licence -> short names."""
ALLOWED: Final = {
    *LICENCES.values(), "MIT", "MIT-0", "0BSD", "ISC", "BSD-2-Clause", "BSD-3-Clause", "PSF-2.0", "CC0-1.0",
}  # fmt: skip
"""Licences under which a package may be shipped with an app of any licence."""


def closure(requirements: list[str]) -> set[str]:
    """Returns the packages that these requirements bring on this system, themselves included."""
    found: set[str] = set()
    waiting = [(Requirement(text), "") for text in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        try:
            requires = distribution(requirement.name).requires or []
        except PackageNotFoundError:
            continue
        if (name := normalized(requirement.name)) not in found:
            found.add(name)
            waiting += [(Requirement(text), one) for text in requires for one in (*requirement.extras, "")]
    return found


def licence(name: str) -> str:
    """Returns the licence that a package declares: an SPDX expression, or the name in its classifier."""
    metadata = distribution(name).metadata.json
    if expression := metadata.get("license_expression"):
        return str(expression)
    classified = [one.rpartition(" :: ")[2] for one in metadata.get("classifier", [])]
    named = [one for one in classified if one in LICENCES] or [str(metadata.get("license", ""))]
    return LICENCES.get(named[0], named[0])


@pytest.mark.skipif(sys.platform != "linux", reason="the list is that of Linux")
def test_what_users_install_has_fixed_versions_and_licences_that_allow_to_ship_it() -> None:
    """`UPDATE=1` writes the list, which is read when a vulnerability becomes known."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    names = sorted(closure(settings["project"]["dependencies"]) - {"pip"})  # sqlite-utils names what Python brings
    pinned = dict(line.split("==") for line in settings["tool"]["uv"]["constraint-dependencies"])
    rows = [(name, distribution(name).version, licence(name)) for name in names]
    assert {name: version for name, version, _ in rows if pinned.get(name) != version} == {}
    unknown = [row for row in rows if not all(one in ALLOWED for one in re.split(" (?:OR|AND) ", row[2]))]
    assert unknown == []
    path = ROOT / ".github" / "DEPENDENCIES.md"
    table = "".join(f"| {name} | {version} | {text} |\n" for name, version, text in rows)
    if os.environ.get("UPDATE"):
        head = path.read_text("utf-8").partition("|---|---|---|\n")[0]
        path.write_text(f"{head}|---|---|---|\n{table}", "utf-8")
    assert path.read_text("utf-8").partition("|---|---|---|\n")[2] == table, "run this test with UPDATE=1"


def test_no_npm_package_runs_a_script_when_it_is_installed() -> None:
    """Checks our packages and our commands; electron's script, which downloads it, is run by its name."""
    for folder in ("protocol/typescript", ".ci"):
        scripts = json.loads((ROOT / folder / "package.json").read_text("utf-8")).get("scripts", {})
        assert {"preinstall", "install", "postinstall", "prepare", "prepublish"} & scripts.keys() == set()
    paths = [ROOT / ".ci" / "run", *(ROOT / ".github").rglob("*.yml"), ROOT / ".github" / "CONTRIBUTING.md"]
    text = "\n".join(path.read_text("utf-8") for path in paths)
    commands = re.findall(r"npm (?:install|ci|i)\b[^)`\n]*", text)
    assert len(commands) >= 3
    assert [line for line in commands if "--ignore-scripts" not in line] == []


def test_npm_users_install_nothing_else_and_developers_fixed_versions() -> None:
    package = json.loads((ROOT / "protocol" / "typescript" / "package.json").read_text("utf-8"))
    assert {"dependencies", "optionalDependencies", "bundledDependencies"} & package.keys() == set()
    loose = {name: one for name, one in package["devDependencies"].items() if re.fullmatch(r"[0-9.]+", one) is None}
    assert loose == {}
