"""The kinds of errors with which jobs of each type can fail: all that the code raises are declared in the contract."""

import ast
from pathlib import Path

import pytest
from sidecar_protocol import catalog
from sidecar_protocol.job_errors import CommonJobErrorKind

from sidecar.claude.failures import FAILURES

SIDECAR = Path(__file__).parents[2] / "sidecar"
SYNCS = ("calendar.sync", "jira.sync", "confluence.sync")
ROOMS = {
    "jobs": (),
    "files.py": ("activity.export", "claude.export"),
    "activity": ("activity.export",),
    "http": SYNCS,
    "accounts": SYNCS,
    "calendar": ("calendar.sync",),
    "atlassian": ("jira.sync", "confluence.sync"),
    "system": ("maintenance.backup",),
    "claude/sessions/export.py": ("claude.export",),
    "claude/sessions": ("claude.turn",),
    "claude/handlers.py": ("claude.run",),
    "claude": ("claude.run", "claude.turn"),
}
"""The job types whose handlers use a room or a module of the sidecar.  The first entry that matches counts."""


def declared(job_type: str) -> set[str]:
    spec = next(spec for spec in catalog.JOB_TYPES if spec.type == job_type)
    return {str(kind) for kinds in spec.errors for kind in kinds}


def raised(path: Path) -> set[str]:
    """Returns the literal kinds of the failures and errors of jobs that a module creates."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            for keyword in node.keywords:
                is_failure = keyword.arg == "kind" and name in {"JobFailed", "JobError", "SiteFailed", "failed"}
                if is_failure and isinstance(keyword.value, ast.Constant):
                    found.add(str(keyword.value.value))
    return found


def modules(room: str) -> list[Path]:
    """Returns the modules for which a room is the first entry that matches."""
    path = SIDECAR / room
    found = [path] if path.is_file() else sorted(path.rglob("*.py"))
    earlier = [SIDECAR / other for other in list(ROOMS)[: list(ROOMS).index(room)]]
    return [module for module in found if not any(module.is_relative_to(other) for other in earlier)]


@pytest.mark.parametrize("room", ROOMS)
def test_every_kind_that_a_room_raises_is_declared_by_each_of_its_job_types(room: str) -> None:
    common = {str(kind) for kind in CommonJobErrorKind}
    kinds = set().union(*(raised(module) for module in modules(room))) - common
    for job_type in ROOMS[room]:
        assert kinds - declared(job_type) == set(), job_type
    assert ROOMS[room] or not kinds


def test_no_kind_is_raised_outside_of_these_rooms() -> None:
    covered = {module for room in ROOMS for module in modules(room)}
    assert {path for path in SIDECAR.rglob("*.py") if raised(path)} - covered == set()
    assert len(set().union(*(raised(module) for module in covered))) > 30


def test_every_failure_of_the_cli_is_declared() -> None:
    for job_type in ("claude.run", "claude.turn"):
        assert set(FAILURES) - declared(job_type) == set()
