"""`sidecar demo`: its script runs to the end, and it leaves nothing behind."""

from datetime import UTC, date, datetime, time

import pytest

from sidecar.calendar.ics.expand import IcsCalendar
from sidecar.calendar.provider import TimeRange
from sidecar.commandline.demo import FILES
from tests.calendar.ics.harness import day, vcalendar, vevent
from tests.commandline.harness import CliHarness
from tests.fakes.ics import PRIVATE, FakeIcs


def test_the_demo_runs_without_claude_and_leaves_nothing_behind(cli: CliHarness) -> None:
    demo = cli.run("demo", "--verbose")
    assert (demo.code, demo.err) == (0, "")
    for words in (
        "(removed at the end)",
        "→ initialize",
        "← system.diagnostics",
        "Claude not found",
        "→ calendar.accounts.create    provider: ics, email: you@example.com, c",
        "active  A week at work (sample)",
        "⟵ calendar.changed",
        "⟵ activity.changed",
        "    events   ",
        "  Stand-up",
        "← activity.summary",
        " meetings, ",
        "→ jobs.create                 type: maintenance.backup",
        "✓ succeeded in",
        "← jobs.cancel",
        "✓ cancelled",
        "→ mcp calendar_events_list",
        "← mcp calendar_events_list",
        "→ calendar.accounts.delete",
        "← (exit code 0)",
        "Done in ",
    ):
        assert words in demo.out, words
    assert "\x1b" not in demo.out
    assert [line for line in demo.out.splitlines() if line != line.rstrip()] == []
    assert not cli.data_dir.exists()
    assert {path.name for path in cli.home.iterdir()} <= {".claude"}, "Claude keeps its own record"
    assert cli.left_running() == []


def test_a_prompt_is_sent_to_claude_and_a_second_run_is_cancelled(cli: CliHarness) -> None:
    cli.install_claude()
    demo = cli.run("demo", "--verbose", "--prompt", "[[slow:6]] why pipes")
    assert (demo.code, demo.err) == (0, "")
    for words in (
        "database ok, Claude 2.1.332\n",
        "Claude started",
        "⟵ claude.delta",
        "text     w0 w1 w2",
        "0 hits",
        "tokens   12 in, 7 cached, 9 out",
        "cost     $0.0100",
        "session  ",
        "✓ cancelled after",
    ):
        assert words in demo.out, words
    assert cli.left_running() == []


def test_claude_answers_from_the_calendar_and_its_tool_is_shown(cli: CliHarness) -> None:
    cli.install_claude()
    reads = '[[call:mcp__hub__calendar_events_list:{"start":"2026-11-30","end":"2026-12-05","limit":5}]]'
    demo = cli.run("demo", "--prompt", f"{reads} [[say:Stand-up, then planning [1][2].]] [[gate]]")
    assert "✓ Ask Claude                      Stand-up, then planning [1][2]." in demo.out
    assert '  mcp__hub__calendar_events_list {"start"' in demo.out


def test_an_answer_that_is_longer_than_a_line_is_shown_whole(cli: CliHarness) -> None:
    cli.install_claude()
    answer = " ".join(f"Meeting {number}." for number in range(30))
    demo = cli.run("demo", "--prompt", f"[[text:{answer}]] [[gate]]")
    assert answer in " ".join(demo.out.split())


def test_claude_is_not_started_without_a_prompt_and_a_tool_is_called_by_hand(cli: CliHarness) -> None:
    cli.install_claude()
    demo = cli.run("demo")
    assert (demo.code, "Ask Claude" in demo.out) == (0, False)
    _, _, rest = demo.out.partition("✓ Call `sidecar mcp` by hand      ")
    assert rest.partition("Disconnect")[0].count("\n    ") == 2
    assert "--prompt asks Claude" in rest


def test_a_prompt_without_a_text_asks_about_the_week(cli: CliHarness) -> None:
    cli.install_claude()
    demo = cli.run("demo", "--prompt")
    assert "✓ Ask Claude                      echo: What is on this week?" in demo.out


def test_an_error_of_claude_is_explained_and_ends_the_demo(cli: CliHarness) -> None:
    cli.install_claude()
    demo = cli.run("demo", "--prompt", "[[error:401]]", "--db", str(cli.data_dir / "my.db"))
    assert demo.code == 1
    assert "✗ Ask Claude" in demo.out
    assert "hint     Run `claude` in a terminal and use /login" in demo.out
    assert "The job's status is failed instead of succeeded." in demo.err
    assert len(list((cli.data_dir / "backups").iterdir())) == 1


def test_the_users_calendar_is_read_and_disconnected_from_the_users_database(cli: CliHarness) -> None:
    (cli.home / "mine.ics").write_bytes(
        vcalendar(vevent(f"DTSTART;VALUE=DATE:{day(0)}", "SUMMARY:Mother’s birthday", "RRULE:FREQ=YEARLY"))
    )
    database = str(cli.data_dir / "my.db")
    demo = cli.run("demo", "--verbose", "--calendar", str(cli.home / "mine.ics"), "--db", database)
    assert (demo.code, demo.err) == (0, "")
    assert "  Mother’s birthday" in demo.out
    assert "→ calendar.accounts.delete" in demo.out
    assert cli.run("call", "calendar.accounts.list", "--json", "--db", database).result == {"accounts": []}


def test_a_secret_address_is_not_printed_and_one_that_fails_is_explained(cli: CliHarness) -> None:
    with FakeIcs(body=vcalendar(vevent(f"DTSTART:{day(1)}T100000Z", "SUMMARY:Tea"))) as server:
        demo = cli.run("demo", "--calendar", server.address)
        assert (demo.code, demo.err) == (0, "")
        assert "  Tea" in demo.out
        server.status = 404
        refused = cli.run("demo", "--calendar", server.address)
    assert refused.code == 1
    assert "(HTTP 404)" in " ".join(refused.err.split())
    assert PRIVATE not in demo.out + refused.out + refused.err


@pytest.mark.parametrize("today", [date(2026, 11, 21), date(2026, 11, 25), date(2027, 3, 28)])
def test_the_sample_has_events_before_and_after_every_day(today: date) -> None:
    file = IcsCalendar((FILES / "sample.ics").read_bytes())
    noon = int(datetime.combine(today, time(12), UTC).timestamp())
    found = file.expand(TimeRange(noon - 7 * 86_400, noon + 7 * 86_400), UTC, "").events
    assert len([event for event in found if event.end_ts <= noon]) >= 5
    assert len([event for event in found if event.start_ts > noon]) >= 5


def test_a_terminal_shows_progress_below_the_messages(cli: CliHarness) -> None:
    cli.install_claude()
    demo = cli.run_on_terminal("demo", "--prompt", "[[slow:6]]")
    assert demo.code == 0
    assert "╭" in demo.out
    assert demo.out.count("\x1b[?25l") == demo.out.count("\x1b[?25h") > 0  # the cursor is hidden and shown again


def test_the_data_folder_can_be_kept(cli: CliHarness) -> None:
    demo = cli.run("demo", "--keep")
    (folder,) = cli.home.glob("sidecar-demo-*")
    assert demo.code == 0
    assert f"data folder {folder / 'data'} (kept)" in demo.out
    assert (folder / "data" / "sidecar.db").exists()


def test_ctrl_c_leaves_no_process_and_no_folder(cli: CliHarness) -> None:
    cli.install_claude()
    demo = cli.interrupt("demo", "--verbose", "--prompt", "[[hang]]", after="Claude started", stream="out")
    assert (demo.code, demo.err) == (130, "")
    assert demo.out.endswith("Interrupted; the sidecar has been stopped.\n")
    assert cli.left_running() == []
    assert {path.name for path in cli.home.iterdir()} <= {".claude"}, "Claude keeps its own record"
