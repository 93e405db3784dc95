"""The archive of `npm pack`, installed as in an app: its files, its types and its modules."""

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.electron.compiling import PACKAGE, ROOT

PRELOAD_SCRIPT = "./dist/preload.cjs"

TYPE_ERRORS = """
import { connectSidecar, JobStatus, RpcError } from "sidecar-electron/renderer";
import type { Job } from "sidecar-electron/renderer";
import type { BugReport, Sidecar } from "sidecar-electron/main";
import { SCHEMA_HASH } from "sidecar-electron/contract";
import { Client } from "sidecar-electron";
import { LineMessageReader } from "sidecar-electron/vscode-jsonrpc";

const sidecar = connectSidecar();
export const found: Promise<Job[]> = sidecar.jobs.list({ status: JobStatus.QUEUED }).then(({ jobs }) => jobs);
export const end: () => void = sidecar.on("jobs.updated", ({ job }) => job.status === "queued");
export const report = (host: Sidecar): Promise<BugReport> => host.bugReport();
// @ts-expect-error there is no such method
void sidecar.jobs.delete;
// @ts-expect-error a param is missing
void sidecar.jobs.get();
// @ts-expect-error a page has no handshake
void sidecar.initialize;
// @ts-expect-error a page cannot listen to lag
sidecar.on("events.lag", () => undefined);
void [SCHEMA_HASH, Client, LineMessageReader, RpcError];
"""


def manifest(packed: Path) -> Any:
    return json.loads((packed / "node_modules/sidecar-electron/package.json").read_text("utf-8"))


def test_the_archive_contains_the_modules_their_types_and_the_preload_script(packed: Path) -> None:
    installed = packed / "node_modules" / "sidecar-electron"
    files = {path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_file()}
    sources = {path.name for path in PACKAGE.glob("*.ts*") if path.suffix in {".ts", ".tsx"}}
    expected = {f"dist/src/{name}" for name in sources}
    for name in sources:
        for end in (".js", ".js.map", ".d.ts", ".d.ts.map"):
            expected |= {f"dist/{Path(name).stem}{end}", f"dist/cjs/{Path(name).stem}{end}"}
    expected |= {f"dist/preload.{end}" for end in ("cjs", "cjs.map", "d.cts")}
    assert files == expected | {"dist/cjs/package.json", "package.json", "README.md", "LICENSE"}
    assert (installed / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_each_entry_point_is_an_es_module_and_a_commonjs_module_with_types_for_every_resolution(packed: Path) -> None:
    found = manifest(packed)
    entries = found["exports"]
    assert (entries.pop("./package.json"), entries.pop("./preload-script")) == ("./package.json", PRELOAD_SCRIPT)
    modules = {name: Path(paths["import"]).stem for name, paths in entries.items()}
    assert entries == {
        name: {"import": f"./dist/{module}.js", "require": f"./dist/cjs/{module}.js"}
        for name, module in modules.items()
    }
    old_resolution = {name.removeprefix("./"): [f"./dist/cjs/{module}.d.ts"] for name, module in modules.items()}
    assert [found["types"]] == old_resolution.pop(".")
    assert found["typesVersions"] == {"*": {**old_resolution, "preload-script": ["./dist/preload.d.cts"]}}


def test_maps_lead_to_sources_that_are_in_the_package(packed: Path) -> None:
    maps = sorted((packed / "node_modules" / "sidecar-electron" / "dist").rglob("*.map"))
    assert len(maps) > 100
    for file in maps:
        found = json.loads(file.read_text("utf-8"))
        sources = [(file.parent / source).resolve() for source in found["sources"]]
        assert sources, file
        assert [source for source in sources if not source.is_file()] == []


@pytest.mark.parametrize(
    ("command", "verdict"),
    [(["publint", "run", "--strict"], "All good!"), (["attw", "--no-color", "--no-emoji"], "No problems found")],
)
def test_checkers_of_packages_find_nothing(archive: Path, node_modules: Path, command: list[str], verdict: str) -> None:
    program = node_modules / ".bin" / command[0]
    if not program.exists():
        pytest.skip(f"{command[0]} is not installed: `npm install --ignore-scripts` in protocol/typescript")
    done = subprocess.run([program, *command[1:], archive], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert verdict in done.stdout


def test_the_package_has_no_dependencies_and_pins_its_development_dependencies(packed: Path) -> None:
    found = manifest(packed)
    assert "dependencies" not in found
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in found["devDependencies"].values())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert found["version"] == project["version"], "the package and the sidecar are released together"


@pytest.mark.parametrize(("module", "resolution"), [("nodenext", "nodenext"), ("esnext", "bundler")])
def test_the_samples_of_the_readmes_and_wrong_calls_are_type_checked(
    packed: Path, node_modules: Path, module: str, resolution: str
) -> None:
    documents = "".join((folder / "README.md").read_text("utf-8") for folder in (PACKAGE, ROOT))
    samples = re.findall(r"^```ts\n(.*?)^```", documents, re.DOTALL | re.MULTILINE)
    assert len(samples) == 10
    for number, text in enumerate((*samples, TYPE_ERRORS)):
        (packed / f"sample_{number}.ts").write_text(text, encoding="utf-8")
    options = {"target": "es2022", "lib": ["es2022", "dom"], "types": ["node"], "strict": True, "noEmit": True}
    resolution_options = {"module": module, "moduleResolution": resolution, "exactOptionalPropertyTypes": True}
    settings = {"compilerOptions": {**options, **resolution_options}, "include": ["*.ts"]}
    (packed / "tsconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    done = subprocess.run([node_modules / ".bin" / "tsc", "-p", packed], capture_output=True, text=True, check=False)
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


def test_the_modules_can_be_imported_and_the_preload_script_only_requires_electron(packed: Path) -> None:
    names = ", ".join(
        f"import('sidecar-electron{path}')" for path in ("", "/contract", "/main", "/preload", "/renderer")
    )
    script = f"""
    import {{ createRequire }} from "node:module";
    import {{ readFileSync }} from "node:fs";
    const require = createRequire(process.cwd() + "/");
    const loaded = await Promise.all([{names}]);
    const source = readFileSync(require.resolve("sidecar-electron/preload-script"), "utf-8");
    const wanted = [...source.matchAll(/require\\("([^"]*)"\\)/g)].map(([, name]) => name);
    console.log(JSON.stringify([loaded.every((module) => Object.keys(module).length > 0), wanted]));
    """
    ran = subprocess.run(
        ["node", "--input-type=module", "-e", script], cwd=packed, capture_output=True, text=True, check=True
    )
    assert json.loads(ran.stdout) == [True, ["electron"]]
