"""The dependencies in pyproject.toml are those that the code imports."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

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
