"""`sidecar schema`: the generated files are current, and stale ones are found."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.commandline.schema import generated_files, stale_files
from tests.commandline.harness import ROOT, Ended

PATHS = [
    "schema/openrpc.json",
    "protocol/typescript/contract.ts",
    "protocol/typescript/schemas.ts",
    "protocol/typescript/value_schemas.ts",
    "protocol/REFERENCE.md",
    "protocol/MIGRATING.md",
    "schema/schema.sql",
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the generated files and of the code that generates them."""
    for folder in ("protocol", "sidecar", "schema"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    return tmp_path


def run_in(checkout: Path, *arguments: str) -> Ended:
    command = [sys.executable, "-m", "sidecar", "schema", *arguments]
    ended = subprocess.run(command, cwd=checkout, capture_output=True, encoding="utf-8", check=False)
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def test_the_contract_and_the_database_schema_are_generated() -> None:
    assert [path.as_posix() for path, _ in generated_files()] == PATHS


def test_the_generated_files_are_current() -> None:
    assert [path.as_posix() for path, _ in stale_files()] == []


def test_a_stale_file_is_reported_and_then_written(checkout: Path) -> None:
    stale = checkout / "schema" / "schema.sql"
    stale.write_text("-- old\n", "utf-8")
    checked = run_in(checkout, "--check")
    assert (checked.code, checked.out) == (1, "")
    assert "schema/schema.sql is stale: run `sidecar schema`" in checked.err.splitlines()
    assert stale.read_text("utf-8") == "-- old\n"
    written = run_in(checkout)
    assert written.code == 0
    assert "written   schema/schema.sql" in written.out.splitlines()
    assert "CREATE TABLE jobs" in stale.read_text("utf-8")
