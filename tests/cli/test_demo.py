from tests.cli.shell import Shell


def test_the_demo_shows_a_whole_conversation_without_claude(shell: Shell) -> None:
    demo = shell.run("demo")
    assert (demo.code, demo.err) == (0, "")
    for words in (
        "claude     not found",
        "→ initialize",
        "← system.diagnostics",
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
