"""The archive of `npm pack`, installed as in an app: its files, its types and its modules."""

import json
import re
import subprocess
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.electron.compiling import PACKAGE, ROOT

MODULES = {"client", "contract", "main", "preload", "renderer", "replay", "vscode_jsonrpc"}

pytestmark = pytest.mark.xdist_group("packing")  # npm pack builds in place, so that only one worker may do it
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


@pytest.fixture(scope="module")
def packed(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package, Electron's types and Node's types in its `node_modules`."""
    folder = tmp_path_factory.mktemp("app")
    done = subprocess.run(
        ["npm", "pack", "--json", "--loglevel=error", "--pack-destination", folder],
        cwd=PACKAGE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    installed = folder / "node_modules" / "sidecar-electron"
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    installed.parent.mkdir()
    (folder / "package").rename(installed)
    for name in ("electron", "@types"):
        (installed.parent / name).symlink_to(node_modules / name, target_is_directory=True)
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    return folder


def manifest(packed: Path) -> Any:
    return json.loads((packed / "node_modules/sidecar-electron/package.json").read_text("utf-8"))


def test_the_archive_contains_the_modules_their_types_and_the_preload_script(packed: Path) -> None:
    installed = packed / "node_modules" / "sidecar-electron"
    files = {path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_file()}
    sources = {path.stem for path in PACKAGE.glob("*.ts")}
    expected = {f"dist/{name}{end}" for name in sources for end in (".js", ".d.ts")}
    assert files == expected | {"dist/preload.cjs", "package.json", "README.md", "LICENSE"}
    assert {Path(path).stem for path in manifest(packed)["exports"].values()} == MODULES
    assert (installed / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


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
    assert len(samples) == 8
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
