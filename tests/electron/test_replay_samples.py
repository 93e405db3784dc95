"""The samples of the package's README for tests without a sidecar: vitest and Playwright, in a fresh project."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.electron.compiling import MODULES, PACKAGE, ROOT, install
from tests.electron.conftest import chromium

RECORDING = ROOT / "tests" / "transcripts" / "a_backup_runs_and_its_log_is_read.jsonl"
PAGE = """
import { connectSidecar, liveList } from "sidecar-electron/renderer";
const sidecar = connectSidecar();
const jobs = liveList(sidecar, {
  load: async () => [],
  key: (job) => job.job_id,
  changes: { "jobs.updated": ({ job }) => ({ put: job }) },
});
jobs.subscribe((items) => {
  document.body.textContent = items.map((job) => `${job.type}: ${job.status}, ${job.created_at}`).join();
});
void sidecar.jobs.create({ type: "maintenance.backup", payload: { keep: 2 } });
"""


@pytest.fixture(scope="module")
def project(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the package, the README's samples and a recording."""
    folder = tmp_path_factory.mktemp("replayed")
    (folder / "package.json").write_text('{"type": "module"}', "utf-8")
    install(archive, folder)
    for name in ("vitest", "esbuild", "playwright-core"):
        if not (MODULES / name).is_dir():
            pytest.skip(f"{name} is not installed: `npm install --ignore-scripts` in protocol/typescript")
        (folder / "node_modules" / name).symlink_to(MODULES / name, target_is_directory=True)
    shutil.copy(RECORDING, folder / "backup.jsonl")
    readme = (PACKAGE / "README.md").read_text("utf-8")
    samples = re.findall(r"^```js\n// (\S+)\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in samples] == ["backup.test.js", "backup.spec.js"]
    for name, text in samples:
        (folder / name).write_text(text, "utf-8")
    return folder


def run(project: Path, *command: str, **more: str) -> str:
    """Returns stdout of a program that must succeed."""
    done = subprocess.run(
        command, cwd=project, env={**os.environ, **more}, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_page_is_tested_in_vitest(project: Path) -> None:
    vitest = project / "node_modules" / "vitest" / "vitest.mjs"
    assert "1 passed" in run(project, "node", str(vitest), "run", "backup.test.js", NO_COLOR="1")


def test_a_page_is_tested_in_a_browser(project: Path) -> None:
    browser = chromium()
    if browser is None:
        pytest.skip("no chromium on PATH")
    (project / "page.js").write_text(PAGE, "utf-8")
    esbuild = str(project / "node_modules" / "esbuild" / "bin" / "esbuild")
    run(project, esbuild, "page.js", "--bundle", "--outfile=bundle.js", "--log-level=error")
    (project / "index.html").write_text('<!doctype html><body></body><script src="bundle.js"></script>', "utf-8")
    address = (project / "index.html").as_uri()
    assert run(project, "node", "backup.spec.js", CHROMIUM=browser, APP_URL=address) == "[]\n"
