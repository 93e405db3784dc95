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
LAYERS: tuple[set[str], ...] = (
    {"clock", "days", "exit_codes", "feed", "job_handler", "json_reader", "loopback", "paths", "secret_texts", "text"},
    {"files", "http", "ids", "logs", "recurrence", "settings", "storage"},
    {"wire"},
    {"hub"},
    {"runtime"},
    {"accounts"},
    FEATURES,
    {"features", "packaging"},
    {"commandline"},
    {"app"},
    {"serve"},
    {"__main__"},
)
"""The modules and rooms of `sidecar`, from the bottom up: each imports only from layers below its own."""
ROOTS = set().union(*LAYERS[LAYERS.index(FEATURES) + 1 :])
MAX_PARAMETERS = 6
MAX_MODULES = 20
LATE_IMPORTS = {
    # One of the three ways to start.
    "sidecar.__main__": {"sidecar.serve", "sidecar.transcripts.replay.server", "sidecar.commandline.commands"},
    # After the claim on the pipes; a start without options or errors needs no parser and no traceback.
    "sidecar.http.lean_imports": {"asyncio", "pydantic"},
    "sidecar.serve": {"sidecar.app", "argparse", "resource", "traceback"},
    # Recording is rare, and only Claude needs the hub.  The others bring anyio and the models of the status.
    "sidecar.app": {
        "sidecar.transcripts.record",
        "sidecar.transcripts.upstream",
        "sidecar.http.client",
        "sidecar.hub.tools",
        "sidecar.system.service",
        "sidecar.system.backups",
    },
    # anyio again.
    "sidecar.features": {"sidecar.system.feature"},
    "sidecar.jobs.feature": {"sidecar.jobs.worker"},
    # dateutil, which only schedules with a rule need.
    "sidecar.jobs.timing": {"sidecar.recurrence"},
    "sidecar.storage.migrations": {"sqlite_utils", "sqlite_utils.migrations"},
    # Only a start that fails needs it.
    "sidecar.storage.inspection": {"shutil"},
    # With the first request to a vendor, the first .ics file, the first sign-in, the first secret, the first status.
    "sidecar.http.client": {"sidecar.http.transport"},
    "sidecar.calendar.ics.address": {"urllib.request"},
    "sidecar.calendar.ics.provider": {"sidecar.calendar.ics.expand"},
    "sidecar.calendar.google.oauth": {"google_auth_oauthlib.flow"},
    "sidecar.storage.secrets": {"cryptography.exceptions", "cryptography.hazmat.primitives.ciphers.aead"},
    "sidecar.system.service": {"psutil"},
    "sidecar.settings": {"platformdirs"},  # Electron always sets APP_DATA_DIR
    # Modules of one platform.
    "sidecar.storage.lock_file": {"msvcrt", "fcntl"},
    "sidecar.wire.descriptors": {"msvcrt"},
    "sidecar.wire.host_watch": {"ctypes"},
    # The extra `bundle`, which an installed sidecar does not have.
    "sidecar.packaging.bundle": {"PyInstaller.__main__"},
    "sidecar.packaging.contents": {"packaging.requirements", "packaging.utils"},
    # prompt_toolkit, which scripts do not need.
    "sidecar.commandline.console.command": {"sidecar.commandline.console.prompt"},
    # pytest loads the plugin in every test run, also in those that verify no transcript.
    "sidecar.transcripts.pytest_plugin": {"sidecar.transcripts.pytest_items"},
}
"""The imports inside functions, by module, with their reasons."""
SEALED_COLUMNS = {"sidecar.calendar.sealed", "sidecar.atlassian.sealed"}
"""Modules that name the sealed columns of their feature's tables, for the vault, which needs them at the handshake."""
DYNAMIC_TABLES = {
    "sidecar.storage.secrets": "the columns that SEALED_COLUMNS name",
    "sidecar.storage.fulltext": "the index's own tables, and the table that it indexes",
    "sidecar.storage.paging": "the table that a store gives it",
    "sidecar.storage.row_cache": "the table that a store gives it",
    "sidecar.accounts.store": "the table that a feature's store gives it",
    "sidecar.storage.inspection": "the table of the migrations",
    "sidecar.features": "whether the tables of its TABLES have rows",
    "sidecar.storage.restore": "the rows of a backup's tables, counted",
    "sidecar.claude.sessions.journal": "its own table or that of its index",
}
"""Modules whose SQL has a table's name as a parameter."""
TABLE_OWNERS = ("PagedList", "RowCache", "FullTextIndex", "AccountsTable")
"""Classes that are given the name of a table."""
ENVIRONMENT_READERS = {
    "sidecar.settings": "the settings",
    "sidecar.claude.feature": "passed on to the Claude CLI",
    "sidecar.claude.checks": "the same environment, checked",
    "sidecar.days": "TZ, the time zone of this computer",
    "sidecar.paths": "passed on to a spawned sidecar without our variables",
    "sidecar.__main__": "completion by the shell",
    "sidecar.packaging.bundle": "an almost empty one, for the program that was just built",
    "sidecar.transcripts.pytest_items": "UPDATE=1",
    "sidecar.transcripts.record": "the secrets in it, which are not recorded",
}
"""Modules that read the environment, apart from the command line's."""
NOT_YET: set[str] = set()
"""Violations that later work removes; an entry that is no longer one fails."""
# Features that serve domains of other names.
DOMAINS = {"atlassian": {"jira", "confluence"}}
# `atlassian`: what Jira's and Confluence's domains share, which are one feature.
SHARED_CONTRACT = {"contract", "scalars", "errors", "entities", "meta", "accounts", "atlassian", "job_errors", "tools"}
JSON_RPC = {"connection", "json_line", "mcp"}
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
            allowed = JSON_RPC if own in JSON_RPC else {"", own} | SHARED_CONTRACT
            assert part(imported) in allowed, f"{name} imports {imported}"


def test_imports_point_down_so_features_never_meet_and_nothing_below_them_knows_them() -> None:
    level = {part: number for number, layer in enumerate(LAYERS) for part in layer}
    assert len(level) == sum(map(len, LAYERS))
    used = set()
    for name, _, tree in modules("sidecar"):
        own = part(name)
        used.add(own)
        for imported in imports(tree):
            target = part(imported)
            if imported.startswith("sidecar.") and target in level and target != own:
                assert level[target] < level[own], f"{name} imports {imported}"
    assert used - {""} == set(level)


def violations() -> Iterator[str]:
    """The rules that NOT_YET may excuse."""
    for package in [ROOT / "sidecar", *(path for path in (ROOT / "sidecar").rglob("*") if path.is_dir())]:
        if sum(path.name != "__init__.py" for path in package.glob("*.py")) > MAX_MODULES:
            yield f"{package.relative_to(ROOT)} has too many modules"
    for name, _, tree in modules("sidecar"):
        for node in ast.walk(tree):
            if not isinstance(node, ast.ClassDef):
                continue
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
                    given = [*inner.args.posonlyargs, *inner.args.args, *inner.args.kwonlyargs]
                    if len(given) - 1 > MAX_PARAMETERS:
                        yield f"{name}.{node.name} takes too many parameters"


def test_rooms_are_small_and_constructors_take_few_parameters() -> None:
    assert set(violations()) == NOT_YET


def test_only_heavy_or_rare_imports_are_inside_functions() -> None:
    found: dict[str, set[str]] = {}
    for name, _, tree in modules("sidecar"):
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.Import):
                        found.setdefault(name, set()).update(alias.name for alias in node.names)
                    elif isinstance(node, ast.ImportFrom):
                        whole = node.module in ("sidecar", "sidecar_protocol")
                        names = (
                            {f"{node.module}.{alias.name}" for alias in node.names} if whole else {node.module or ""}
                        )
                        found.setdefault(name, set()).update(names)
    assert found == LATE_IMPORTS


@pytest.mark.parametrize("package", ["protocol", "sidecar"])
def test_nothing_private_of_another_library_is_used(package: str) -> None:
    for name, path, tree in modules(package):
        text = path.read_text("utf-8")
        assert "SLF001" not in text, f"{name} reads a private attribute"
        assert not re.search(r"""["'][a-z]\w*(\.\w+)*\._\w+["']""", text), f"{name} names a private module"
        for node in ast.walk(tree):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            for imported in names:
                private = [one for one in imported.split(".") if one.startswith("_") and not one.startswith("__")]
                assert not private, f"{name} imports {imported}"


def test_each_part_of_the_process_knows_only_its_own_domain_of_the_contract() -> None:
    for name, _, tree in modules("sidecar"):
        own = part(name)
        if own in ROOTS:
            continue
        served = DOMAINS.get(own, set()) | INFRASTRUCTURE_DOMAINS.get(own, set())
        allowed = {"", own} | SHARED_CONTRACT | JSON_RPC | served
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


def test_a_declared_method_ends_with_an_ellipsis() -> None:
    """Pyright, which a user of the contract may run, takes a body without it for one that returns None."""
    for name, _, tree in modules("protocol"):
        for node in ast.walk(tree):
            if isinstance(node, ast.AsyncFunctionDef) and _is_declaration(node):
                assert ast.unparse(node.body[-1]) == "...", f"{name}.{node.name}"


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


def test_only_listed_modules_read_the_environment() -> None:
    def reads(tree: ast.Module) -> bool:
        return any(isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv") for node in ast.walk(tree))

    readers = {name for name, _, tree in modules("sidecar") if part(name) != "commandline" and reads(tree)}
    assert readers - {"sidecar.claude.process.orphans"} == ENVIRONMENT_READERS.keys()  # another process's environment


def test_the_tests_mirror_the_rooms() -> None:
    rooms = [path.name for path in (ROOT / "sidecar").iterdir() if (path / "__init__.py").exists()]
    for room in rooms:
        assert (ROOT / "tests" / room).is_dir() or (ROOT / "tests" / f"test_{room}.py").exists(), room


def named_tables(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """How a module names tables: `sql` and the table, `sealed` and the table of a column, `dynamic` and nothing."""
    statement = re.compile(r"\b(?:FROM|INTO|UPDATE|JOIN)\s+(\w+|\{\})")
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (("sql", table) for table in statement.findall(node.value))
        elif isinstance(node, ast.JoinedStr):
            text = "".join(str(one.value) if isinstance(one, ast.Constant) else "{}" for one in node.values)
            yield from (("dynamic", "") for table in statement.findall(text) if table == "{}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            kind = {"SealedColumn": "sealed", **dict.fromkeys(TABLE_OWNERS, "sql")}.get(node.func.id)
            values = (*node.args, *(one.value for one in node.keywords))
            if kind is not None:
                yield from ((kind, str(one.value)) for one in values if isinstance(one, ast.Constant))


def test_each_table_is_named_in_exactly_one_module_and_in_that_of_its_sealed_columns() -> None:
    text = "".join(path.read_text("utf-8") for path in sorted((ROOT / "schema" / "migrations").glob("*.sql")))
    owners: dict[str, set[str]] = {table: set() for table in re.findall(r"CREATE TABLE (\w+)", text)}
    assert owners
    named = [(name, *one) for name, _, tree in modules("sidecar") for one in named_tables(tree)]
    for name, kind, table in named:
        if kind == "sql" and table in owners:
            owners[table].add(name)
    assert {table: names for table, names in owners.items() if len(names) > 1} == {}
    assert {name for name, kind, _ in named if kind == "dynamic"} == DYNAMIC_TABLES.keys()
    sealed = [(name, table) for name, kind, table in named if kind == "sealed" and table in owners]
    assert {name for name, _ in sealed} == SEALED_COLUMNS
    for name, table in sealed:
        assert {part(owner) for owner in owners[table]} == {part(name)}, f"{name} declares a column of {table}"


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
    assert {name for name in loaded if name.startswith(ours)} == SEALED_COLUMNS


def test_no_file_names_a_package_registry_or_records_its_addresses() -> None:
    hosts = ("py" + "pi.org", "python" + "hosted.org", "registry.npm" + "js", "deb." + "debian.org")
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=False)
    if tracked.returncode != 0:
        pytest.skip("not a git checkout")
    for name in tracked.stdout.splitlines():
        content = (ROOT / name).read_bytes()
        assert not any(host.encode() in content for host in hosts), name
