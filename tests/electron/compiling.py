"""Compile protocol/typescript together with the TypeScript of its tests and benchmark, so that Node can run them."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "protocol" / "typescript"
MODULES: Final = PACKAGE / "node_modules"


def missing() -> str | None:
    """What is not installed; None: it can be compiled."""
    if shutil.which("node") is None:
        return "node is not installed"
    for name in ("typescript", "electron", "esbuild", "playwright-core", "vscode-jsonrpc"):
        if not (MODULES / name / "package.json").is_file():
            return f"{name} is not installed: `npm install --ignore-scripts` in protocol/typescript"
    return None


def compile_into(out: Path) -> str:
    """Write the JavaScript into `out`, as the repository is laid out; what the compiler objects to."""
    (out / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    (out / "node_modules").symlink_to(MODULES, target_is_directory=True)
    command = [str(MODULES / ".bin" / "tsc"), "-p", str(ROOT / "tests" / "electron"), "--outDir", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr
