"""Apps that use the package in other ways than as ES modules: type-checked by their compilers, and run."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sidecar.paths import isolated_environment
from tests.electron.compiling import MODULES, ROOT, install

EVERY_ENTRY = """
import { Client, RpcError } from "sidecar-electron";
import { SCHEMA_HASH } from "sidecar-electron/contract";
import type { JobPage } from "sidecar-electron/contract";
import { startSidecar } from "sidecar-electron/main";
import type { Sidecar } from "sidecar-electron/main";
import { exposeSidecar } from "sidecar-electron/preload";
import {} from "sidecar-electron/preload-script";
import { connectSidecar } from "sidecar-electron/renderer";
import { ReplayTransport } from "sidecar-electron/replay";
import { LineMessageReader } from "sidecar-electron/vscode-jsonrpc";

export const page = (sidecar: Sidecar): Promise<JobPage> => sidecar.jobs.list({ limit: 1 });
// @ts-expect-error limit is a number, so that the types were found
export const wrong = (sidecar: Sidecar): Promise<JobPage> => sidecar.jobs.list({ limit: "1" });
export const used = [Client, RpcError, SCHEMA_HASH, startSidecar, exposeSidecar, connectSidecar, ReplayTransport];
export const reader: typeof LineMessageReader = LineMessageReader;
"""
COMMONJS_MAIN = """
import { startSidecar, RpcError } from "sidecar-electron/main";
import { strictEqual } from "node:assert";
import { existsSync } from "node:fs";

async function main(): Promise<void> {
  const { SIDECAR_PYTHON = "", SIDECAR_TEMPORARY = "", SIDECAR_ROOT } = process.env;
  const sidecar = startSidecar({
    command: [SIDECAR_PYTHON, "-m", "sidecar"],
    dataDir: SIDECAR_TEMPORARY,
    ...(SIDECAR_ROOT === undefined ? {} : { cwd: SIDECAR_ROOT }),
  });
  const health = await sidecar.system.health();
  const error: unknown = await sidecar.jobs.get({ job_id: "none" }).catch((reason: unknown) => reason);
  strictEqual(error instanceof RpcError, true);
  // An ES module of the same app sees the same class of error.
  const inAnotherCopy = await import("sidecar-electron");
  strictEqual(inAnotherCopy.RpcError === (RpcError as unknown), false);
  strictEqual(error instanceof inAnotherCopy.RpcError, true);
  strictEqual(existsSync(require.resolve("sidecar-electron/preload-script")), true);
  await sidecar.dispose();
  console.log(health.status);
}
void main();
"""


def old_compiler() -> Path:
    """The compiler of TypeScript 5, which `@arethetypeswrong/cli` brings; version 7 cannot resolve as `node10` does."""
    core = MODULES / "@arethetypeswrong" / "core"
    for compiler in (
        core / "node_modules" / "typescript" / "lib" / "tsc.js",
        MODULES / "typescript" / "lib" / "tsc.js",
    ):
        if compiler.is_file():
            return compiler
    pytest.skip("@arethetypeswrong/cli is not installed: `npm install --ignore-scripts` in protocol/typescript")


def new_compiler() -> Path:
    return MODULES / "typescript" / "bin" / "tsc"


def app(folder: Path, archive: Path, kind: str, options: dict[str, Any], source: str) -> Path:
    """Writes an app with one module; `kind` is the `type` of its package.json."""
    folder.mkdir()
    install(archive, folder)
    (folder / "package.json").write_text(json.dumps({"type": kind}), encoding="utf-8")
    (folder / "app.ts").write_text(source, encoding="utf-8")
    common = {"target": "es2022", "lib": ["es2022", "dom"], "types": ["node"], "strict": True, "outDir": "out"}
    settings = {"compilerOptions": common | {"exactOptionalPropertyTypes": True} | options, "include": ["app.ts"]}
    (folder / "tsconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def compile_app(folder: Path, compiler: Path) -> str:
    done = subprocess.run(["node", compiler, "-p", folder], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("resolution", "kind", "module"),
    [
        ("node16", "module", "node16"),
        ("node16", "commonjs", "node16"),
        ("nodenext", "commonjs", "nodenext"),
        ("bundler", "module", "esnext"),
        ("node10", "commonjs", "commonjs"),
    ],
)
def test_every_entry_point_has_types(archive: Path, tmp_path: Path, resolution: str, kind: str, module: str) -> None:
    options = {"module": module, "moduleResolution": resolution}
    folder = app(tmp_path / "app", archive, kind, options, EVERY_ENTRY)
    assert compile_app(folder, old_compiler() if resolution == "node10" else new_compiler()) == ""


def test_a_commonjs_main_process_runs_where_require_loads_no_es_modules(archive: Path, tmp_path: Path) -> None:
    options = {"module": "node16", "moduleResolution": "node16"}
    folder = app(tmp_path / "app", archive, "commonjs", options, COMMONJS_MAIN)
    assert compile_app(folder, new_compiler()) == ""
    more = {"SIDECAR_PYTHON": sys.executable, "SIDECAR_TEMPORARY": str(tmp_path / "data"), "SIDECAR_ROOT": str(ROOT)}
    ran = subprocess.run(
        ["node", "--no-experimental-require-module", "out/app.js"],
        cwd=folder,
        env=isolated_environment(tmp_path / "unused", more),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ran.stdout, ran.returncode) == ("ok\n", 0), ran.stderr
