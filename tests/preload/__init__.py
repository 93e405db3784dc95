"""Libraries that are loaded before the C library, for faults that need a real process: full disks, missing locks."""

import functools
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest


@functools.cache
def preload(name: str) -> dict[str, str]:
    """Compiles `<name>.c` and returns the environment that loads it; skips the test where that is impossible."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("the fault is a C library that is loaded first, which needs Linux and a C compiler")
    library = Path(tempfile.mkdtemp(prefix="sidecar-preload-")) / f"{name}.so"
    source = Path(__file__).with_name(f"{name}.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, source, "-ldl"], check=True)
    return {"LD_PRELOAD": str(library)}
