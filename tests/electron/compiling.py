"""Compiles protocol/typescript together with its tests and its benchmark, so that Node can run them, and packs it."""

import fcntl
import shutil
import subprocess
import tarfile
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


def pack_once(folder: Path) -> Path:
    """Packs the package into `folder`, unless another process has done so; returns the archive."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # npm pack builds in place
        if not folder.exists():
            folder.mkdir()
            command = ["npm", "pack", "--json", "--loglevel=error", "--pack-destination", str(folder)]
            done = subprocess.run(command, cwd=PACKAGE, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
    return next(folder.glob("*.tgz"))


def install(archive: Path, app: Path) -> None:
    """Unpacks the archive into the `node_modules` of an app, beside the types of Electron and Node, and Ajv."""
    installed = app / "node_modules"
    installed.mkdir()
    with tarfile.open(archive) as files:
        if hasattr(tarfile, "data_filter"):  # not before Python 3.11.4
            files.extraction_filter = tarfile.data_filter
        files.extractall(installed)  # noqa: S202 - our own archive
    (installed / "package").rename(installed / "sidecar-electron")
    for name in ("electron", "@types", "ajv"):
        (installed / name).symlink_to(MODULES / name, target_is_directory=True)
