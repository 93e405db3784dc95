"""README's recipes as projects: extracted, type-checked, built with the tools that they are for, and run."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.electron.compiling import MODULES, PACKAGE, install
from tests.electron.conftest import CHROMIUM, RunNode, chromium

TOOLS: Final = ("react", "react-dom", "vite", "electron-vite", "@vitejs/plugin-react", "webpack")
FENCE: Final = re.compile(r"^```\w+ ([\w-]+)/(\S+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
"""A file of a project: the project's name, the file's path, its text."""
PAGE: Final = """
import { connectSidecar } from "sidecar-electron/renderer";
const sidecar = connectSidecar();
void (async () => {
  const { jobs } = await sidecar.jobs.list();
  const { status } = await sidecar.state();
  document.body.append(`The sidecar is ${status}, with ${jobs.length} jobs.`);
})();
"""
HTML: Final = '<!doctype html><meta charset="utf-8"><title>Hub</title><body><script type="module" src="%s"></script>'
STRICT: Final = {
    "target": "es2022",
    "lib": ["es2022", "dom"],
    "module": "esnext",
    "moduleResolution": "bundler",
    "types": ["node"],
    "strict": True,
    "skipLibCheck": True,
    "noEmit": True,
}
FORGE_VITE: Final = """
// What Forge's plugin passes to Vite for the main process, the preload script and the page.
import { builtinModules } from "node:module";
import { build } from "vite";

const external = ["electron", ...builtinModules, ...builtinModules.map((name) => `node:${name}`)];
const define = { MAIN_WINDOW_VITE_DEV_SERVER_URL: "undefined", MAIN_WINDOW_VITE_NAME: '"main_window"' };
const common = { configFile: false, logLevel: "warn" };
const lib = { entry: "src/main.ts", fileName: () => "[name].js", formats: ["cjs"] };
await build({ ...common, define, build: { lib, outDir: ".vite/build", rollupOptions: { external } } });
const output = { format: "cjs", inlineDynamicImports: true, entryFileNames: "[name].js" };
const preload = { external, input: "src/preload.ts", output };
await build({ ...common, build: { outDir: ".vite/build", emptyOutDir: false, rollupOptions: preload } });
await build({ ...common, base: "./", build: { outDir: ".vite/renderer/main_window" } });
"""
FORGE_WEBPACK: Final = """
// What Forge's plugin passes to webpack for the main process, the preload script and the page.
import { fileURLToPath } from "node:url";
import webpack from "webpack";

const folder = fileURLToPath(new URL(".", import.meta.url));
const built = (name) => `require('path').resolve(__dirname, '..', 'renderer', 'main_window', '${name}')`;
const entries = {
  MAIN_WINDOW_WEBPACK_ENTRY: `"file://" + ${built("index.html")}`,
  MAIN_WINDOW_PRELOAD_WEBPACK_ENTRY: built("preload.js"),
};
const common = { context: folder, mode: "production", devtool: false, resolve: { extensions: [".js"] } };
const page = `${folder}.webpack/renderer/main_window`;
const stats = await new Promise((resolve, reject) =>
  webpack(
    [
      {
        ...common,
        target: "electron-main",
        entry: "./js/main.js",
        output: { path: `${folder}.webpack/main`, filename: "index.js", libraryTarget: "commonjs2" },
        node: { __dirname: false, __filename: false },
        plugins: [new webpack.DefinePlugin(entries)],
      },
      {
        ...common,
        target: "electron-preload",
        entry: "./js/preload.js",
        output: { path: page, filename: "preload.js" },
      },
      { ...common, target: "web", entry: "./js/renderer.js", output: { path: page, filename: "index.js" } },
    ],
    (error, result) => (error ? reject(error) : resolve(result)),
  ),
);
if (stats.hasErrors()) throw new Error(stats.toString());
"""


def write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def stripped(folder: Path, *names: str) -> None:
    """Compiles TypeScript files of `src` into `js`, one by one."""
    out = str(folder / "js")
    esbuild = str(MODULES / ".bin" / "esbuild")
    run(folder, esbuild, "--log-level=warning", f"--outdir={out}", *(f"src/{name}.ts" for name in names))


def check(folder: Path) -> None:
    """Type-checks a project that has no configuration of its own."""
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": STRICT, "include": ["src", "*.ts"]}))
    run(folder, str(MODULES / ".bin" / "tsc"))


class Readme:
    """The package's README, and the projects that are made from it."""

    def __init__(self, archive: Path, parent: Path) -> None:
        self.text = (PACKAGE / "README.md").read_text("utf-8")
        self.archive = archive
        self.parent = parent
        self.files = {(name, path): text for name, path, text in FENCE.findall(self.text)}

    def project(self, name: str) -> Path:
        """Creates a project with its files in the README, the packed package, and all tools in its node_modules."""
        folder = self.parent / name
        folder.mkdir()
        write(folder, {path: text for (project, path), text in self.files.items() if project == name})
        install(self.archive, folder)
        for module in MODULES.iterdir():
            if not (folder / "node_modules" / module.name).exists():
                (folder / "node_modules" / module.name).symlink_to(module)
        return folder

    def app(self, name: str) -> Path:
        """Creates a project whose `open.ts` is in the README, with the main process of the one with React."""
        folder = self.project(name)
        main = self.files["react", "src/main/index.ts"]
        opening = re.compile(r"^async function open\(\).*?^}\n", re.DOTALL | re.MULTILINE)
        main = opening.sub('import { open } from "./open";\n', main)
        preload = self.files["react", "src/preload/index.ts"]
        write(folder, {"src/main.ts": main, "src/preload.ts": preload, "src/renderer.ts": PAGE})
        return folder


def not_bundled(readme: Readme) -> tuple[Path, str]:
    folder = readme.project("not-bundled")
    sample = re.search(r"^```ts\n(.*?)^```", readme.text, re.DOTALL | re.MULTILINE)
    assert sample is not None
    write(folder, {"package.json": '{"type": "module"}', "src/main.ts": sample[1]})
    check(folder)
    stripped(folder, "main")
    page = PAGE.replace("sidecar-electron/renderer", "./node_modules/sidecar-electron/dist/renderer.js")
    write(folder, {"page.js": page, "index.html": HTML % "page.js"})
    return folder, "js/main.js"


def electron_vite(readme: Readme) -> tuple[Path, str]:
    folder = readme.project("react")
    run(folder, "npm", "run", "--silent", "build")
    return folder, json.loads((folder / "package.json").read_text("utf-8"))["main"]


def forge_vite(readme: Readme) -> tuple[Path, str]:
    folder = readme.app("forge-vite")
    check(folder)
    write(folder, {"forge.mjs": FORGE_VITE, "index.html": HTML % "/src/renderer.ts"})
    run(folder, "node", "forge.mjs")
    return folder, ".vite/build/main.js"


def forge_webpack(readme: Readme) -> tuple[Path, str]:
    folder = readme.app("forge-webpack")
    check(folder)
    stripped(folder, "main", "open", "preload", "renderer")
    write(folder, {"forge.mjs": FORGE_WEBPACK})
    run(folder, "node", "forge.mjs")
    html = (HTML % "index.js").replace(' type="module"', " defer")
    write(folder, {".webpack/renderer/main_window/index.html": html})
    return folder, ".webpack/main/index.js"


def vite(readme: Readme) -> tuple[Path, str]:
    folder = readme.app("vite")
    write(folder, {"package.json": '{"type": "module"}', "index.html": HTML % "/src/renderer.ts"})
    check(folder)
    commands = re.findall(r"`(vite build [^`]*)`", readme.text)
    assert len(commands) == 3
    for command in commands:
        run(folder, str(MODULES / ".bin" / "vite"), *command.split()[1:])
    return folder, "out/main/main.js"


RECIPES: Final[tuple[Callable[[Readme], tuple[Path, str]], ...]] = (
    not_bundled,
    electron_vite,
    forge_vite,
    forge_webpack,
    vite,
)


def test_each_recipe_makes_an_app_whose_page_reaches_the_sidecar(
    archive: Path, tmp_path: Path, run_node: RunNode
) -> None:
    if chromium() is None:
        pytest.skip(f"no chromium on PATH; set {CHROMIUM}")
    for name in TOOLS:
        if not (MODULES / name / "package.json").is_file():
            pytest.skip(f"{name} is not installed: `npm install --ignore-scripts` in protocol/typescript")
    readme = Readme(archive, tmp_path)
    projects = {}
    for recipe in RECIPES:
        folder, main = recipe(readme)
        assert (folder / main).is_file()
        (folder / "node_modules" / "electron").unlink()  # the types; the app runs with a fake
        projects[folder.name] = {"folder": str(folder), "main": main}
    assert {name for name, _ in readme.files} <= set(projects), "a project in the README is not tested"
    run_node("recipes", SIDECAR_PROJECTS=json.dumps(projects), SIDECAR_SCREENSHOT=os.environ.get("SCREENSHOT", ""))
