"""Each benchmark runs and reports its figures; no figure is compared with anything."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.bench.__main__ import GROUPS
from tests.bench.benchmark import PACES, QUEUED_JOB, ServerPool
from tests.bench.feed_rows import fill_plain
from tests.bench.picture import SHOWN, svg
from tests.bench.server_kinds import PLAIN_DATABASE, ROOT, baseline_kind, node_kind, node_with_sqlite
from tests.bench.targets import HIGHER, LOWER, TARGETS, Bound, Target, verdict
from tests.electron.compiling import missing

GROUPS_WITHOUT_EXTRAS = sorted(GROUPS.keys() - {"bridge", "node"})
"""The groups that run without Node."""


def run(module: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()
    return done.stdout.decode()


def test_every_group_reports_its_figures() -> None:
    options = [word for group in GROUPS_WITHOUT_EXTRAS for word in ("--only", group)]
    report: dict[str, Any] = json.loads(run("tests.bench", "--smoke", *options, "--json"))
    measured = {row["name"] for row in report["measures"] if row["sidecar"] is not None}
    expected = {name for name in TARGETS if name.partition(".")[0] in GROUPS_WITHOUT_EXTRAS}
    assert measured == expected, report["notes"]
    assert set(report["seconds"]) == set(GROUPS_WITHOUT_EXTRAS)


def test_the_bridge_has_figures() -> None:
    if (absent := missing()) is not None:
        pytest.skip(absent)
    report: dict[str, Any] = json.loads(run("tests.bench", "--smoke", "--only", "bridge", "--json"))
    measured = {row["name"] for row in report["measures"] if row["sidecar"] is not None}
    assert measured == {name for name in TARGETS if name.startswith("bridge.")}, report["notes"]


def test_every_group_has_figures_and_every_figure_a_group() -> None:
    assert {name.partition(".")[0] for name in TARGETS} == set(GROUPS)


@pytest.mark.parametrize(
    ("value", "baseline", "fastapi", "expected"),
    [
        (10.0, 10.0, 100.0, "stretch"),
        (14.0, 10.0, 100.0, "met"),
        (16.0, 10.0, 100.0, "missed"),
        (14.0, 10.0, None, "met~"),
        (14.0, None, None, ""),
    ],
)
def test_a_verdict_without_fastapi_is_marked_as_an_estimate(
    value: float, baseline: float | None, fastapi: float | None, expected: str
) -> None:
    target = Target("", "us", LOWER, Bound(0.15, 1.5), Bound(of_baseline=1.0), fastapi_per_baseline=10)
    assert verdict(target, value, baseline, fastapi) == expected


def test_a_figure_that_misses_its_target_is_missed_though_it_reaches_its_stretch_goal() -> None:
    target = Target("", "/s", HIGHER, Bound(of_fastapi=3), Bound(of_baseline=2))
    assert [verdict(target, value, 10, 10) for value in (31, 25, 15)] == ["stretch", "missed", "missed"]


def test_a_node_without_sqlite_is_left_out_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "node"
    old.write_text("#!/bin/sh\necho v20.20.2\n")
    old.chmod(0o755)
    for named, reason in ((old, "Node v20.20.2 has no SQLite"), (tmp_path / "missing", "no Node was found")):
        monkeypatch.setenv("NODE", str(named))
        node, said = node_with_sqlite()
        assert node is None
        assert said == f"{reason}; set NODE to one of version 22.13 or newer"


def test_node_s_baseline_answers_as_python_s_does(tmp_path: Path) -> None:
    node, reason = node_with_sqlite()
    if node is None:
        pytest.skip(reason)
    fill_plain(tmp_path / PLAIN_DATABASE, 30)
    found = []
    for kind in (baseline_kind(), node_kind(node)):
        pool = ServerPool(kind, tmp_path, PACES["smoke"])
        server = pool.start("")
        created = pool.call(server, "jobs.create", QUEUED_JOB)["job"]
        assert pool.call(server, "jobs.get", {"job_id": created["job_id"]}) == created
        assert pool.call(server, "jobs.list", {"limit": 1})["jobs"] == [created]
        unlike = {"job_id", "created_at", "updated_at"}
        found.append(
            (
                {name: value for name, value in created.items() if name not in unlike},
                pool.call(server, "activity.events.list", {"limit": 20}),
            )
        )
        server.stop()
    assert found[0] == found[1]


def test_a_figure_without_a_target_gets_no_verdict() -> None:
    assert verdict(Target("", "/s", HIGHER), 1.0, 1.0, 1.0) == ""


def _report(**changed: float | None) -> dict[str, Any]:
    figures: dict[str, dict[str, float | None]] = {name: {"sidecar": 8, "baseline": 4, "fastapi": 2} for name in SHOWN}
    figures["life.jobs_list"] |= changed
    return {
        "machine": {"python": "3.11", "sqlite": "3.40"},
        "measures": [{"name": name, "better": TARGETS[name].better, **row} for name, row in figures.items()],
    }


def test_the_picture_shows_how_many_times_as_fast_as_fastapi_each_figure_is() -> None:
    picture = ET.fromstring(svg(_report()))  # noqa: S314 - our own
    texts = ["".join(one.itertext()) for one in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert set(SHOWN.values()) < set(texts)
    assert texts.count("4.0") == len(SHOWN) - 1  # rates
    assert "0.2" in texts  # of a duration, the shorter is the faster: 2 / 8


def test_a_picture_needs_fastapi_s_figures() -> None:
    with pytest.raises(LookupError, match=r"not measured with FastAPI: life\.jobs_list"):
        svg(_report(fastapi=None))


def test_the_feed_is_measured_small_and_large() -> None:
    report = json.loads(run("tests.bench.feed", "--rows", "1100", "--rounds", "1", "--json"))
    assert report["sizes"] == [1_000, 1_100]
    assert all(one["small_ms"] > 0 and one["large_ms"] > 0 for one in report["measures"])


def test_the_calendar_is_measured_small_and_large() -> None:
    sizes = ("--calendars", "2", "--events", "40", "--rounds", "1")
    report = json.loads(run("tests.bench.calendar", *sizes, "--json"))
    assert list(report["sizes"]) == ["4", "40"]


def test_the_jira_sync_reads_every_issue_and_every_change() -> None:
    lines = run("tests.bench.jira_sync", "--issues", "20", "--changes", "2").splitlines()
    small, large = map(json.loads, lines)
    assert (small["issues"], small["changes"], large["issues"], large["changes"]) == (2, 2, 20, 2)


def test_a_mixed_life_is_measured_and_has_no_gaps() -> None:
    report = json.loads(run("tests.bench.soak", "--minutes", "0.1", "--json", "--stacks"))
    assert (report["gaps"], report["errors"]) == (0, {})
    assert {"activity.events.list", "claude.spawn", "jira.accounts.sync"} <= report["methods"].keys()
    stacks = [frame for stretch in report["stretches"] for frame in stretch["stack"]]
    assert any("sidecar/storage/migrations.py" in frame for frame in stacks), "a new database is long in the making"


def test_the_layers_of_a_start_are_measured() -> None:
    shares = [
        int(line.split("|")[2].split()[0]) for line in run("tests.bench.start_layers", "--rounds", "1").splitlines()
    ]
    assert len(shares) == 6
    assert 95 <= sum(shares) <= 105
