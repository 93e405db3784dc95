from datetime import UTC, date, datetime, time

import pytest

from sidecar.calendar.ics_events import IcsCalendar
from sidecar.calendar.provider import Window
from sidecar.commandline.demo_calendar import sample
from tests.calendar.ics_harness import day, vcalendar, vevent
from tests.commandline.shell import Shell
from tests.fakes.ics import PRIVATE, FakeIcs


def test_the_demo_shows_a_whole_conversation_without_claude(shell: Shell) -> None:
    demo = shell.run("demo")
    assert (demo.code, demo.err) == (0, "")
    for words in (
        "claude     not found",
        "→ initialize",
        "← system.diagnostics",
        "→ calendar.accounts.create    provider: ics, email: you@example.com, c",
        "active  A week at work (sample)",
        "⟵ calendar.changed",
        "⟵ activity.changed",
        "    events      ",
        "all day      Try the sidecar",
        "meetings in the last 7 days took",
        "`npm install -g",
        "→ jobs.create                 type: maintenance.backup",
        "✓ succeeded in",
        "← jobs.cancel",
        "✓ cancelled",
        "✓ The process was gone",
        "exit code 0.",
        "Everything was as it should be",
    ):
        assert words in demo.out, words
    assert "\x1b" not in demo.out
    assert [line for line in demo.out.splitlines() if line != line.rstrip()] == []
    assert not shell.data_dir.exists()
    assert list(shell.home.iterdir()) == []
    assert shell.left_running() == []


def test_the_demo_asks_claude_where_there_is_one_and_cancels_a_second_run(shell: Shell) -> None:
    shell.install_claude()
    demo = shell.run("demo", "--prompt", "[[slow:6]] why pipes")
    assert (demo.code, demo.err) == (0, "")
    for words in (
        "claude     2.1.330 (Claude Code)",
        "Claude started",
        "⟵ claude.delta",
        "  | w0 w1 w2",
        "tokens      12 in, 7 cached, 9 out",
        "cost        $0.0100",
        "session     ",
        "✓ cancelled while it ran",
        "and so were the 2",
    ):
        assert words in demo.out, words
    assert shell.left_running() == []


def test_a_claude_that_fails_is_explained_and_the_demo_goes_on(shell: Shell) -> None:
    shell.install_claude()
    demo = shell.run("demo", "--prompt", "[[error:401]]", "--db", str(shell.data_dir / "my.db"))
    assert (demo.code, demo.err) == (1, "")
    assert "what to do  Run `claude` in a terminal and use /login" in demo.out
    assert "✓ succeeded in" in demo.out
    assert "✓ cancelled" in demo.out
    assert demo.out.endswith("Not everything was as it should be; see ✗ above.\n")
    assert len(list((shell.data_dir / "backups").iterdir())) == 1


def test_the_demo_takes_somebodys_own_calendar_and_leaves_nothing_of_it_in_their_database(shell: Shell) -> None:
    (shell.home / "mine.ics").write_bytes(
        vcalendar(vevent(f"DTSTART;VALUE=DATE:{day(0)}", "SUMMARY:Mother’s birthday", "RRULE:FREQ=YEARLY"))
    )
    database = str(shell.data_dir / "my.db")
    demo = shell.run("demo", "--calendar", str(shell.home / "mine.ics"), "--db", database)
    assert (demo.code, demo.err) == (0, "")
    assert "all day  Mother’s birthday" in demo.out
    assert "→ calendar.accounts.delete" in demo.out
    assert shell.run("call", "calendar.accounts.list", "--json", "--db", database).result == {"accounts": []}


def test_a_secret_address_is_not_shown_and_one_that_does_not_work_is_told_while_the_rest_goes_on(shell: Shell) -> None:
    with FakeIcs(body=vcalendar(vevent(f"DTSTART:{day(1)}T100000Z", "SUMMARY:Tea"))) as server:
        demo = shell.run("demo", "--calendar", server.address)
        assert (demo.code, demo.err) == (0, "")
        assert "  Tea" in demo.out
        server.status = 404
        refused = shell.run("demo", "--calendar", server.address)
    assert (refused.code, refused.err) == (1, "")
    assert "✗ The calendar could not be connected: " in refused.out
    assert "the server answers 404" in " ".join(refused.out.split())
    assert "Back the database up" in refused.out
    assert PRIVATE not in demo.out + refused.out


@pytest.mark.parametrize("today", [date(2026, 11, 21), date(2026, 11, 25), date(2027, 3, 28)])
def test_the_sample_has_something_to_show_on_every_day(today: date) -> None:
    file = IcsCalendar(sample(today).encode())
    noon = int(datetime.combine(today, time(12), UTC).timestamp())
    found = file.occurrences(Window(noon - 7 * 86_400, noon + 7 * 86_400), UTC, "")
    assert len([it for it in found if it.end_ts <= noon]) >= 5
    assert next(it.title for it in found if it.start_time[:10] == today.isoformat()) == "Try the sidecar"
    assert len([it for it in found if it.start_ts > noon]) >= 5


def test_on_a_terminal_the_demo_moves(shell: Shell) -> None:
    shell.install_claude()
    demo = shell.run_on_terminal("demo", "--prompt", "[[slow:6]]")
    assert demo.code == 0
    assert "╭" in demo.out
    assert demo.out.count("\x1b[?25l") == demo.out.count("\x1b[?25h") > 0  # the cursor went and came back


def test_plain_is_still_also_on_a_terminal_and_the_folder_can_be_kept(shell: Shell) -> None:
    demo = shell.run_on_terminal("demo", "--plain", "--keep")
    (folder,) = shell.home.glob("sidecar-demo-*")
    assert demo.code == 0
    assert "\x1b" not in demo.out
    assert f"database   {folder / 'data' / 'sidecar.db'} (kept)" in demo.out
    assert (folder / "data" / "sidecar.db").exists()


def test_ctrl_c_leaves_no_process_and_no_folder(shell: Shell) -> None:
    shell.install_claude()
    demo = shell.interrupt("demo", "--prompt", "[[hang]]", after="Claude started", stream="out")
    assert (demo.code, demo.err) == (130, "")
    assert demo.out.endswith("Interrupted; the sidecar has been stopped.\n")
    assert shell.left_running() == []
    assert list(shell.home.iterdir()) == []
