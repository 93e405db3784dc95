"""The house rules: what ARCHITECTURE.md promises of the code's shape, held by reading the code."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sidecar_protocol import catalog
from sidecar_protocol.contract import methods_of

ROOT = Path(__file__).parent.parent
FEATURES = {"jobs", "claude", "calendar", "atlassian", "activity", "system", "transcripts"}
COMMAND_LINE = {"cli", "commandline", "serve", "__main__"}
ROOTS = {"app", "features", *COMMAND_LINE}
# What a domain of the wire is called where its feature bears another name.
DOMAINS = {"atlassian": {"jira", "confluence"}}
# `atlassian`: what Jira's and Confluence's domains share, which are one feature.
SHARED_CONTRACT = {"contract", "scalars", "errors", "entities", "meta", "connection", "accounts", "atlassian"}
# The pieces of infrastructure that implement a domain of the contract themselves.
INFRASTRUCTURE_DOMAINS = {"wire": {"events", "system"}, "storage": {"system"}}
HEAVY = (
    "httpx",
    "icalendar",
    "google_auth_oauthlib",
    "sqlite_utils",
    "cryptography",
    "click",
    "rich",
    "psutil",
    "platformdirs",
    "argparse",
    "sidecar_protocol.catalog",  # it imports the whole contract
)
# What a feature has that the vault asks for at the handshake.
AT_THE_HANDSHAKE = {"sidecar.calendar.sealed", "sidecar.atlassian.sealed"}


def modules(package: str) -> Iterator[tuple[str, Path, ast.Module]]:
    """Every module of a package: dotted name, path, syntax tree."""
    for path in sorted((ROOT / package).rglob("*.py")):
        if "node_modules" not in path.parts:
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            name = name.removeprefix("protocol.").removesuffix(".__init__")
            yield name, path, ast.parse(path.read_text("utf-8"))


def imports(tree: ast.Module) -> set[str]:
    """The modules of ours that a module imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] in ("sidecar_protocol", "sidecar")}


def part(name: str) -> str:
    """`sidecar.jobs.store` -> jobs, `sidecar.wire.outbox` -> outbox, `sidecar_protocol.claude.usage` -> claude."""
    return (name + ".").split(".")[1]


def test_the_contract_imports_nothing_of_the_process_and_no_domain_imports_another() -> None:
    for name, _, tree in modules("protocol"):
        own = part(name)
        if own in ("catalog", "", "export"):
            continue
        for imported in imports(tree):
            assert imported.startswith("sidecar_protocol"), f"{name} imports {imported}"
            assert own != "connection", f"the connection imports {imported}"
            assert part(imported) in {"", own} | SHARED_CONTRACT - {"connection"}, f"{name} imports {imported}"


def test_features_never_import_each_other_and_nobody_imports_the_composition_root() -> None:
    for name, _, tree in modules("sidecar"):
        own = part(name)
        for imported in imports(tree):
            target = part(imported)
            if imported.startswith("sidecar_protocol") or own in ROOTS:
                continue
            assert target not in ROOTS, f"{name} imports {imported}"
            if own in FEATURES:
                assert target == own or target not in FEATURES, f"{name} imports {imported}"
            else:
                assert target not in FEATURES, f"infrastructure {name} imports {imported}"


def test_each_part_of_the_process_knows_only_its_own_domain_of_the_contract() -> None:
    for name, _, tree in modules("sidecar"):
        own = part(name)
        if own in ROOTS:
            continue
        allowed = {"", own} | SHARED_CONTRACT | DOMAINS.get(own, set()) | INFRASTRUCTURE_DOMAINS.get(own, set())
        for imported in imports(tree):
            if imported.startswith("sidecar_protocol"):
                assert part(imported) in allowed, f"{name} imports {imported}"


@pytest.mark.parametrize("package", ["protocol", "sidecar", "tests"])
def test_modules_are_one_thing_and_say_which(package: str) -> None:
    for name, path, tree in modules(package):
        assert len(path.read_text("utf-8").splitlines()) <= 400, f"{name} is too long to be one thing"
        if package != "tests" or not path.name.startswith("__"):
            assert package == "tests" or ast.get_docstring(tree), f"{name} does not say what it is"


@pytest.mark.parametrize("package", ["protocol", "sidecar"])
def test_functions_fit_on_a_screen(package: str) -> None:
    for name, _, tree in modules(package):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _is_declaration(node):
                length = (node.end_lineno or 0) - node.lineno + 1
                # A signature that mirrors a declaration is data, not logic.
                length -= (node.body[0].lineno - node.lineno - 1) if node.body else 0
                assert length <= 45, f"{name}.{node.name} has {length} lines"


def _is_declaration(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(one, ast.Call) and getattr(one.func, "id", "") == "method" for one in node.decorator_list)


def test_the_contract_reads_no_clock_and_does_no_io() -> None:
    forbidden = {"time", "os", "asyncio", "anyio", "socket", "subprocess", "random", "uuid", "sqlite3", "threading"}
    for name, _, tree in modules("protocol"):
        if name == "sidecar_protocol.export.docs":
            continue
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not forbidden & {one.split(".")[0] for one in names}, f"{name} imports {names}"


def test_each_table_is_named_in_exactly_one_module() -> None:
    text = "".join(path.read_text("utf-8") for path in sorted((ROOT / "schema" / "migrations").glob("*.sql")))
    tables = re.findall(r"CREATE TABLE (\w+)", text)
    assert tables
    owners: dict[str, set[str]] = {table: set() for table in tables}
    statement = re.compile(r"\b(?:FROM|INTO|UPDATE|JOIN)\s+(\w+)")
    for name, _, tree in modules("sidecar"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for table in statement.findall(node.value):
                    if table in owners:
                        owners[table].add(name)
    assert {table: names for table, names in owners.items() if len(names) > 1} == {}


def test_only_the_package_that_owns_a_table_declares_its_sealed_columns() -> None:
    """The vault reads and writes these columns, in whatever table they are: the one exception to the rule above."""
    for name, path, tree in modules("sidecar"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "SealedColumn":
                table = ast.literal_eval(node.args[0])
                others = [other for other in path.parent.glob("*.py") if f"FROM {table}" in other.read_text("utf-8")]
                assert others, f"{name} declares a column of {table}, which another package owns"


def test_every_name_on_the_wire_says_where_it_is_declared() -> None:
    for interface in catalog.INTERFACES:
        for declared in methods_of(interface):
            domain = part(interface.__module__)
            if declared.name.startswith(domain + "."):
                continue
            assert domain == "system", f"{declared.name} is declared in {domain}"
    for notification in catalog.NOTIFICATIONS:
        domain = part(notification.__module__)
        assert notification.name.startswith((domain + ".", "$/")), notification.name


def test_every_method_is_called_by_a_test_and_documented() -> None:
    text = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.*") if path.suffix in (".py", ".mjs"))
    for declared in catalog.methods():
        assert declared.doc, declared.name
        attribute = rf"\b{declared.interface.__name__.lower()}\w*\.{declared.attribute}\("
        assert f'"{declared.name}"' in text or re.search(attribute, text), f"no test calls {declared.name}"


def test_error_codes_and_kinds_are_unique() -> None:
    codes = [error.code for error in catalog.ERRORS]
    kinds = [error.kind() for error in catalog.ERRORS]
    assert len(set(codes)) == len(codes)
    assert len(set(kinds)) == len(kinds)


def test_every_endpoint_of_the_old_backend_that_is_served_is_mapped_once() -> None:
    mapped = [declared.rest for declared in catalog.methods() if declared.rest]
    assert len(set(mapped)) == len(mapped)
    assert {"GET /health", "GET /status", "POST /jobs", "GET /jobs", "GET /jobs/{job_id}"} <= set(mapped)
    assert {"POST /jobs/{job_id}/cancel", "POST /claude/spawn", "GET /activity/events"} <= set(mapped)
    assert "POST /claude/session" in mapped


def test_nothing_heavy_is_imported_before_the_first_answer(tmp_path: Path) -> None:
    """A process that has just answered `system.health` lists its modules on stderr."""
    script = f"""
import os, sys
os.environ["APP_DATA_DIR"] = {str(tmp_path)!r}
from sidecar import serve
leave = os._exit
os._exit = lambda code: (sys.stderr.write("MODULES " + " ".join(sys.modules) + "\\n"), sys.stderr.flush(), leave(code))
serve.main([])
"""
    health = b'{"jsonrpc":"2.0","id":1,"method":"system.health"}\n'
    for _ in range(2):  # the first start migrates, for which sqlite_utils is needed
        ended = subprocess.run([sys.executable, "-c", script], input=health, capture_output=True, cwd=ROOT, check=True)
    assert b'"status":"ok"' in ended.stdout
    line = next(line for line in ended.stderr.decode().splitlines() if line.startswith("MODULES"))
    loaded = set(line.split()[1:])
    assert loaded & set(HEAVY) == set()
    assert "anyio" not in loaded
    ours = ("sidecar.activity.", "sidecar.atlassian.", "sidecar.calendar.", "sidecar.claude.")
    assert {name for name in loaded if name.startswith(ours)} == AT_THE_HANDSHAKE


def test_no_file_names_a_package_registry_or_records_its_addresses() -> None:
    hosts = ("py" + "pi.org", "python" + "hosted.org", "registry.npm" + "js", "deb." + "debian.org")
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=False)
    if tracked.returncode != 0:
        pytest.skip("not a git checkout")
    for name in tracked.stdout.splitlines():
        content = (ROOT / name).read_bytes()
        assert not any(host.encode() in content for host in hosts), name
