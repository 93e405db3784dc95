"""Compiles protocol/typescript together with its tests and its benchmark, so that Node can run them."""

import fcntl
import shutil
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "protocol" / "typescript"
MODULES: Final = PACKAGE / "node_modules"


def missing() -> str | None:
    """Returns what must be installed first, or None if everything is."""
    if shutil.which("node") is None:
        return "node is not installed"
    for name in ("typescript", "electron", "esbuild", "playwright-core", "vscode-jsonrpc"):
        if not (MODULES / name / "package.json").is_file():
            return f"{name} is not installed: `npm install --ignore-scripts` in protocol/typescript"
    return None


def compile_into(out: Path) -> str:
    """Writes the JavaScript into `out`, in the repository's layout, and returns the compiler's errors."""
    (out / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    (out / "node_modules").symlink_to(MODULES, target_is_directory=True)
    command = [str(MODULES / ".bin" / "tsc"), "-p", str(ROOT / "tests" / "electron"), "--outDir", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def compile_once(out: Path) -> str:
    """Compiles into `out` unless another process has done so; returns the compiler's errors in both cases."""
    errors = out / "compiler_errors.txt"
    with out.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not errors.exists():
            out.mkdir()
            errors.write_text(compile_into(out), encoding="utf-8")
    return errors.read_text(encoding="utf-8")
