"""The benchmarks run and report what they promise; what the figures are is never tested."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.bench.__main__ import GROUPS
from tests.bench.contestants import ROOT
from tests.bench.targets import HIGHER, LOWER, TARGETS, Bound, Target, verdict

LIMIT_S = 60
"""A quick run of these groups takes a few seconds on an idle machine."""


def run(*groups: str) -> Any:
    only = [word for group in groups for word in ("--only", group)]
    command = [sys.executable, "-m", "tests.bench", "--quick", *only, "--json"]
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def report() -> Any:
    return run("trivial")


def test_a_quick_run_reports_what_it_measured_and_on_what(report: Any) -> None:
    assert report["quick"] is True
    assert report["contestants"][:2] == ["sidecar", "floor"]
    assert {row["name"] for row in report["measures"]} == {"trivial.x64", "trivial.cpu", "trivial.pipe_x64"}
    assert set(report["seconds"]) == {"trivial"}


def test_every_figure_stands_beside_the_bare_loop_and_its_target(report: Any) -> None:
    for row in report["measures"]:
        assert row["sidecar"] > 0, report["notes"]
        assert row["floor"] > 0, report["notes"]
        assert row["of_floor"] == pytest.approx(row["sidecar"] / row["floor"])
        assert row["must"] == TARGETS[row["name"]].must.words(row["unit"], row["better"])
        assert len(row["samples"]["sidecar"]) == len(row["samples"]["floor"])


def test_the_queue_and_the_events_are_measured_on_a_sidecar_at_work() -> None:
    groups = {"queue", "events", "unread_events", "replay"}
    report = run(*groups)
    measured = {row["name"] for row in report["measures"] if row["sidecar"] is not None}
    assert measured == {name for name in TARGETS if name.partition(".")[0] in groups}, report["notes"]
    assert "huey" in report["notes"]  # what it does not do, or why it is left out


def test_every_group_has_figures_and_every_figure_a_group() -> None:
    assert {name.partition(".")[0] for name in TARGETS} == set(GROUPS)


@pytest.mark.parametrize(
    ("value", "floor", "fastapi", "expected"),
    [
        (10.0, 10.0, 100.0, "moonshot"),
        (14.0, 10.0, 100.0, "met"),
        (16.0, 10.0, 100.0, "missed"),
        (14.0, 10.0, None, "met~"),
        (14.0, None, None, ""),
    ],
)
def test_a_verdict_without_fastapi_says_that_it_is_an_estimate(
    value: float, floor: float | None, fastapi: float | None, expected: str
) -> None:
    target = Target("", "us", LOWER, Bound(0.15, 1.5), Bound(of_floor=1.0), fastapi_per_floor=10)
    assert verdict(target, value, floor, fastapi) == expected


def test_a_figure_without_a_target_gets_no_verdict() -> None:
    assert verdict(Target("", "/s", HIGHER), 1.0, 1.0, 1.0) == ""


def test_the_feed_is_measured_short_and_long() -> None:
    command = [sys.executable, "-m", "tests.bench.feed", "--rows", "2000", "--rounds", "2", "--json"]
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads(done.stdout)
    assert report["sizes"] == [1_000, 2_000]
    assert all(one["small_ms"] > 0 and one["large_ms"] > 0 for one in report["measures"])


def test_the_calendar_is_measured_small_and_large() -> None:
    sizes = ["--calendars", "2", "--events", "400", "--rounds", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.calendar", *sizes, "--json"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads(done.stdout)
    assert list(report["sizes"]) == ["40", "400"]
    assert all(found["sidecar"]["changes_ms"] > 0 for found in report["sizes"].values())
