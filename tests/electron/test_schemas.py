"""JSON Schemas from the npm package: for a standard validator, and one by one in a bundle."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.electron.compiling import ROOT

VALIDATE = """
const Ajv = require("ajv").default;
const schemas = require("sidecar-electron/schemas");
const ajv = new Ajv();
const validators = Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, ajv.compile(schema)]));
let text = "";
process.stdin.on("data", (chunk) => (text += chunk)).on("end", () => {
  const failed = [];
  for (const [name, value] of JSON.parse(text))
    if (!validators[name](value)) failed.push([name, validators[name].errors]);
  console.log(JSON.stringify([Object.keys(validators).length, failed]));
});
"""
RESULTS = {"jobs.list": "JobPageSchema", "jobs.create": "JobCreatedSchema", "system.status": "StatusSchema"}
EVENTS = {"jobs.updated": "JobUpdatedSchema", "claude.permission_requested": "ClaudePermissionRequestedSchema"}


def recorded() -> list[tuple[str, object]]:
    """Returns the results and notifications of the recorded transcripts, each with the name of its schema."""
    found: list[tuple[str, object]] = []
    for path in (ROOT / "tests" / "transcripts").glob("*.jsonl"):
        names: dict[object, str] = {}
        for line in path.read_text("utf-8").splitlines():
            message = json.loads(line).get("msg")
            if not isinstance(message, dict) or '{"$' in line.replace(" ", ""):
                continue  # with a pattern of `sidecar verify` in place of a value
            method, request_id = message.get("method"), message.get("id")
            if method in RESULTS and request_id is not None:
                names[request_id] = RESULTS[method]
            elif method in EVENTS:
                found.append((EVENTS[method], message["params"]))
            elif "result" in message and request_id in names:
                found.append((names.pop(request_id), message["result"]))
    return found


def test_every_schema_compiles_in_ajv_and_accepts_what_was_recorded(packed: Path, node_modules: Path) -> None:
    if not (node_modules / "ajv").is_dir():
        pytest.skip("ajv is not installed: `npm install --ignore-scripts` in protocol/typescript")
    values = recorded()
    assert {name for name, _ in values} >= {"JobPageSchema", "JobCreatedSchema", "JobUpdatedSchema"}
    wrong = [
        ("JobPageSchema", {"jobs": [{}], "next_cursor": None}),
        ("JobsGetParamsSchema", {"job_id": "1", "nope": 1}),
    ]
    ran = subprocess.run(
        ["node", "--no-experimental-require-module", "-e", VALIDATE],
        cwd=packed,
        input=json.dumps([*values, *wrong]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    count, failed = json.loads(ran.stdout)
    assert count > 200
    assert [name for name, _ in failed] == [name for name, _ in wrong], failed[:1]


def test_a_bundle_has_only_the_schemas_that_it_imports(packed: Path, node_modules: Path, tmp_path: Path) -> None:
    source = "import { JobPageSchema } from 'sidecar-electron/schemas'; console.log(JobPageSchema);"
    bundled = subprocess.run(
        [node_modules / ".bin" / "esbuild", "--bundle", "--format=esm"],
        cwd=packed,
        input=source,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = set(re.findall(r"\b(\w+)Schema =", bundled))
    assert names == {"JobPage", "Job", "JobStatus", "WaitingFor", "JobError"}
