"""`sidecar bundle`: a folder to ship with an app, as a copy of this Python or as a frozen program."""

import compileall
import os
import platform
import py_compile
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

import click

from sidecar import __version__
from sidecar.packaging.contents import UNUSED, distributions, files_of, licences_of, python_licence
from sidecar.paths import schema_dir

NAME: Final = "sidecar"
"""The folder below --out, and the program in it."""
EXTRA: Final = "Install what builds it: `uv sync --extra bundle`, or `pip install 'sidecar[bundle]'`."
CHECK_TIMEOUT_S: Final = 120
"""Time limit for the finished program's first start."""
PACKAGES: Final = ("sidecar", "sidecar_protocol")
# A script, since a host starts one program; `exec` keeps its process id.  A Python that was built for another folder
# does not find its libpython by itself.
LAUNCHER: Final = """#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
unset PYTHONHOME PYTHONPATH
LD_LIBRARY_PATH="$here/python/lib" exec "$here/python/bin/python3" -I -m sidecar "$@"
"""


@click.command()
@click.option("--out", metavar="DIR", required=True, type=click.Path(path_type=Path), help="Where to put `sidecar/`.")
@click.option("--frozen", is_flag=True, help="Build an executable with PyInstaller instead of copying Python.")
@click.option("--overwrite", is_flag=True, help="Replace the `sidecar/` that is there.")
def bundle(*, out: Path, frozen: bool, overwrite: bool) -> None:
    """Make a folder that runs the sidecar on computers without Python.

    It contains what is installed here, for this operating system and processor.  Put it into your app's resources: see
    "Packaging" in the README of sidecar-electron.
    """
    target = out.absolute() / NAME
    if target.exists() and not overwrite:
        raise click.ClickException(f"{target} exists.  Remove it, or pass --overwrite.")
    out.mkdir(parents=True, exist_ok=True)
    # Next to the target, so that it is moved in one step and a build that fails leaves nothing.
    with tempfile.TemporaryDirectory(prefix=".bundle-", dir=out) as folder:
        made = Path(folder, NAME)
        try:
            (_freeze if frozen else _copy)(made)
        except ImportError as error:
            raise click.ClickException(f"{error}.  {EXTRA}") from error
        _add_licences(made / "licenses", *(["pyinstaller"] if frozen else []))
        started = _program(made)
        _check(started)
        if target.exists():
            shutil.rmtree(target)
        made.rename(target)
    size = sum(file.stat().st_size for file in target.rglob("*") if not file.is_symlink())
    click.echo(f"{target}: {size / 2**20:.0f} MiB")
    click.echo(f"Start it with {' '.join([str(target / Path(started[0]).relative_to(made)), *started[1:]])}")


def _program(folder: Path) -> list[str]:
    """Returns the command line that starts a bundle, as `packagedCommand` of the npm package does."""
    python = folder / "python" / "python.exe"
    if python.exists():
        return [str(python), "-I", "-m", NAME]
    return [str(folder / (f"{NAME}.exe" if os.name == "nt" else NAME))]


def _check(command: list[str]) -> None:
    """Starts a bundle in an empty environment.  Raises `ClickException` with what it printed."""
    kept = {name: value for name, value in os.environ.items() if name in ("SYSTEMROOT", "TEMP", "TMP")}
    done = subprocess.run(  # noqa: S603 - what was just built
        [*command, "--version"],
        env=kept,
        cwd=Path(command[0]).parent,
        capture_output=True,
        text=True,
        timeout=CHECK_TIMEOUT_S,
        check=False,
    )
    if done.returncode or __version__ not in done.stdout:
        raise click.ClickException(f"The bundle does not start (exit code {done.returncode}): {done.stderr.strip()}")


def _freeze(folder: Path) -> None:
    import PyInstaller.__main__  # type: ignore[import-untyped]  # noqa: PLC0415 - from the extra `bundle`

    spec = Path(__file__).with_name("sidecar.spec")
    work = folder.parent / "work"
    PyInstaller.__main__.run(
        ["--noconfirm", "--log-level=WARN", f"--distpath={folder.parent}", f"--workpath={work}", str(spec)]
    )


def _copy(folder: Path) -> None:
    base = Path(sys.base_prefix)
    if base == Path("/usr") or not (base / _relative("stdlib") / "os.py").is_file():
        hint = "Use one from `uv python install`, or pass --frozen."
        raise click.ClickException(f"The Python in {base} is a part of the system and cannot be copied.  {hint}")
    python = folder / "python"
    stdlib = python / _relative("stdlib")
    ignore = shutil.ignore_patterns(*UNUSED)
    if os.name == "nt":
        shutil.copytree(
            base, python, ignore=shutil.ignore_patterns(*UNUSED, "Doc", "include", "libs", "Scripts", "tcl")
        )
    else:
        (python / "bin").mkdir(parents=True)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        shutil.copy2(Path(base, "bin", version).resolve(), python / "bin" / "python3")
        shutil.copytree(base / _relative("stdlib"), stdlib, ignore=ignore)
        for library in (base / "lib").glob("libpython*"):
            shutil.copy2(library, python / "lib" / library.name, follow_symlinks=False)
        launcher = folder / NAME
        launcher.write_text(LAUNCHER)
        launcher.chmod(0o755)
    packages = python / _relative("purelib")
    _install(packages)
    # Bytecode that is not compared with its source: the app's folder may be read-only, and a copy changes times.
    compileall.compile_dir(
        python, quiet=2, workers=0, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH, legacy=False
    )


def _install(packages: Path) -> None:
    """Copies the installed packages, so that the same versions run here and there."""
    for source, path in (pair for package in distributions() for pair in files_of(package)):
        if path.parts[0] not in PACKAGES:
            (packages / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, packages / path)
    for name in PACKAGES:  # in a checkout, only a link to it is installed
        source = Path(__import__(name).__file__ or "").parent
        shutil.copytree(source, packages / name, ignore=shutil.ignore_patterns("__pycache__", "_schema", "*.md"))
    shutil.copytree(schema_dir(), packages / NAME / "_schema")


def _add_licences(folder: Path, *more: str) -> None:
    """Copies the licences of Python and of each package, also of `more`, of which a part is in the bundle."""
    sources = {
        f"{package.metadata['Name']}-{package.version}/{path.as_posix()}": source
        for package in (*distributions(), *map(distribution, more))
        for source, path in licences_of(package)
    }
    if (python := python_licence()) is not None:
        sources[f"Python-{platform.python_version()}/{python.name}"] = python
    for name, source in sources.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / name)


def _relative(name: str) -> Path:
    """Returns a path of `sysconfig` below the installation's folder: `lib/python3.11/site-packages`."""
    inside = sysconfig.get_path(name, vars=dict.fromkeys(("base", "platbase", "installed_base"), ""))
    return Path(inside.lstrip("/\\"))
