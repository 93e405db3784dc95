"""Everything that commands print on a terminal with 80 and with 120 columns."""

import re

import pytest
from sidecar_protocol.claude.doctor import Finding

from sidecar.commandline.upkeep.doctor import print_findings
from tests.commandline.harness import CliHarness
from tests.commandline.test_console import TerminalUser
from tests.commandline.views.report_samples import ARABIC, HOSTILE, KOREAN, LONG, NOW
from tests.commandline.views.snapshots import FOLDER, WIDTHS, check, console
from tests.test_documents import code

BERLIN = "Europe/Berlin"


@pytest.mark.parametrize("width", WIDTHS)
def test_the_demo_has_thirteen_lines(cli: CliHarness, width: int) -> None:
    cli.install_claude()
    demo = cli.run("demo", "--now", NOW, TZ=BERLIN, COLUMNS=str(width))
    assert (demo.code, demo.err) == (0, "")
    assert len(demo.out.splitlines()) == 13
    check("demo", width, re.sub(r"\d+\.\d+ MB", "1.2 MB", re.sub(r"Done in .*?\.  ", "Done in 2.15 s.  ", demo.out)))


def test_the_readme_shows_what_the_demo_prints() -> None:
    (shown,) = code("README.md", "sidecar", "console")
    assert shown == "$ uv run sidecar demo\n" + (FOLDER / "demo.80.txt").read_text("utf-8")


@pytest.mark.parametrize("width", WIDTHS)
def test_methods_are_listed_and_explained(cli: CliHarness, width: int) -> None:
    texts = []
    for name in ("jobs.schedules", "activity.heatmap"):
        ended = cli.run("methods", name, COLUMNS=str(width))
        assert (ended.code, ended.err) == (0, "")
        texts.append(f"$ sidecar methods {name}\n{ended.out}")
    check("methods", width, "\n".join(texts))


@pytest.mark.parametrize("width", WIDTHS)
def test_the_console_greets(cli: CliHarness, width: int) -> None:
    user = TerminalUser(cli, width)
    try:
        greeting = user.until("completes.") + "completes.\n"
        user.type("exit\r")
        assert user.process.wait(60) == 0
    finally:
        user.close()
    check("console", width, re.sub(r"process \d+", "process 4711", greeting))


@pytest.mark.parametrize("width", WIDTHS)
def test_findings_are_aligned_and_wrapped(width: int) -> None:
    out, text = console(width)
    findings = [
        Finding.ok("Python", "3.11.7, /home/ada/.venv/bin/python"),
        Finding.ok("data folder", f"/home/ada/{KOREAN}, private, 20 GB free"),
        Finding.warning("Claude executable", LONG, f"Set CLAUDE_PATH. {ARABIC}"),
        Finding.problem("database", f"{HOSTILE} is not a SQLite database.", None),
    ]
    print_findings(out, findings)
    check("doctor", width, text.getvalue())


@pytest.mark.parametrize("width", WIDTHS)
def test_a_call_on_a_terminal_prints_for_a_person_and_elsewhere_json(cli: CliHarness, width: int) -> None:
    at = "run_at=2100-01-01T00:00:00Z"
    created = cli.run("call", "jobs.create", "type=maintenance.backup", at, "--json").result
    shown = cli.run_on_terminal("call", "jobs.list", columns=width)
    assert "maintenance.backup" in shown.out
    assert "job id" in shown.out
    assert created["job"]["job_id"][-8:] in shown.out
    piped = cli.run("call", "jobs.list")
    assert piped.out.startswith('{\n  "jobs": [\n    {\n      "job_id": "')
    text = cli.run("call", "jobs.list", "--text", COLUMNS=str(width), TZ=BERLIN)
    assert re.fullmatch(r"created +type +status +job id *", text.out.splitlines()[0])
