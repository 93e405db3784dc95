"""`sidecar call` and `sidecar methods`."""

import contextlib
import json
import sqlite3

from sidecar_protocol.catalog import methods

from tests.commandline.harness import LIMIT_S, CliHarness, Ended


def test_json_is_one_compact_line_and_the_token_of_the_environment_is_sent(cli: CliHarness) -> None:
    listed = cli.run("call", "jobs.list", "--json", BACKEND_TOKEN="t0ken")
    assert listed == Ended(0, '{"jobs":[],"next_cursor":null}\n', "")


def test_a_job_is_waited_for_and_a_pipe_gets_json_whole(cli: CliHarness) -> None:
    awaited = cli.run("call", "jobs.create", "type=maintenance.backup", 'payload={"keep": 2}', "priority=-1", "--wait")
    assert awaited.code == 0
    assert awaited.out.startswith('{\n  "job_id": "')
    job = json.loads(awaited.out)
    assert (job["status"], job["payload"], job["priority"]) == ("succeeded", {"keep": 2}, -1)
    listed = cli.run("call", "jobs.list", "limit=5")
    assert [one["job_id"] for one in json.loads(listed.out)["jobs"]] == [job["job_id"]]


def test_an_error_of_the_sidecar_is_printed_with_its_details_and_exits_with_1(cli: CliHarness) -> None:
    refused = cli.run("call", "jobs.list", "limit=0", "cursor:=5")
    assert refused == Ended(
        1,
        "",
        "invalid_params: The params are invalid; see details.\n"
        "  limit: Input should be greater than or equal to 1\n"
        "  cursor: Input should be a valid string\n",
    )


def test_an_unknown_method_exits_with_2_and_suggests_another(cli: CliHarness) -> None:
    method = cli.run("call", "job.list")
    assert (method.code, method.out) == (2, "")
    assert "There is no method job.list. Did you mean jobs.list" in method.err


def test_a_prompt_is_read_from_standard_input_and_a_failed_job_exits_with_1(cli: CliHarness) -> None:
    ended = cli.run("call", "claude.spawn", "prompt=@-", "allowed_tools=Read", "--wait", stdin="two\nlines")
    job = json.loads(ended.out)
    assert ended.code == 1
    assert (job["payload"]["prompt"], job["payload"]["allowed_tools"]) == ("two\nlines", ["Read"])
    assert job["status"] == "failed"
    assert "failed (executable_missing): CLAUDE_PATH is" in ended.err
    assert "npm install -g @anthropic-ai/claude-code" in ended.err


def test_the_text_of_a_run_is_printed_as_it_is_written(cli: CliHarness) -> None:
    cli.install_claude()
    ended = cli.run("call", "claude.spawn", "prompt=[[slow:3]]", "--wait")
    assert ended.code == 0
    assert ended.err.splitlines() == ["Claude is working", "w0 w1 w2 "]
    assert json.loads(ended.out)["result"]["text"] == "w0 w1 w2 "


def test_the_answer_of_claude_is_printed_as_text_and_the_exit_code_says_whether_there_is_one(cli: CliHarness) -> None:
    cli.install_claude()
    spawn = ("call", "claude.spawn", "--wait", "--text")
    ended = cli.run(*spawn, "prompt=[[text:파이프\x1b[2J: why?]]")
    assert (ended.code, ended.out) == (0, "파이프[2J: why?\n")
    assert "✓ claude.run succeeded in " in ended.err
    assert "  tokens   12 in, 7 cached, 9 out" in ended.err
    failed = cli.run(*spawn, "prompt=[[error:401]]")
    assert failed.code == 1
    assert failed.out == ""
    assert "✗ claude.run failed after " in failed.err
    assert failed.err.count("Run `claude` in a terminal and use /login") == 1
    terminal = cli.run_on_terminal(*spawn[:-1], "prompt=[[text:파이프: why?]]")
    assert terminal.code == 0
    assert "파이프: why?\r\n" in terminal.out


def test_ctrl_c_cancels_the_job_and_waits_until_it_ends(cli: CliHarness) -> None:
    cli.install_claude()
    ended = cli.interrupt(
        "call", "claude.spawn", "prompt=[[text:begun]] [[hang]]", "--wait", after="Claude is working", stream="err"
    )
    assert ended.code == 130
    assert json.loads(ended.out)["status"] == "cancelled"
    assert "Traceback" not in ended.err
    assert cli.left_running() == []


def test_follow_prints_notifications_until_ctrl_c(cli: CliHarness) -> None:
    ended = cli.interrupt(
        "call",
        "jobs.create",
        "type=maintenance.backup",
        "--follow",
        "--json",
        after='"status":"succeeded"',
        stream="out",
    )
    answer, *notifications = map(json.loads, ended.out.splitlines())
    assert ended.code == 0
    statuses = [one["params"]["job"]["status"] for one in notifications if one["method"] == "jobs.updated"]
    assert statuses == ["queued", "running", "succeeded"]
    assert answer["job"]["status"] == "queued"
    assert cli.left_running() == []


def test_a_database_in_use_is_explained_in_one_line(cli: CliHarness) -> None:
    with cli.serving() as holder:
        refused = cli.run("call", "jobs.list")
    assert refused == Ended(
        73,
        "",
        f"The database is in use (exit code 73): another sidecar (process {holder}) is using this database. "
        "Close the app that uses it, or choose another database with --db.\n",
    )


def test_a_newer_database_another_file_and_a_wrong_setting_are_explained_in_one_line(cli: CliHarness) -> None:
    newer = cli.home / "newer.db"
    with contextlib.closing(sqlite3.connect(newer)) as connection, connection:
        connection.execute("CREATE TABLE schema_migrations (id INTEGER, migration_set TEXT, name TEXT)")
        connection.execute("INSERT INTO schema_migrations VALUES (1, 'sidecar', '9999_from_the_future')")
    strange = cli.home / "strange.db"
    strange.write_bytes(b"no database at all " * 100)
    for code, words, process in (
        (78, "has migration 9999_from_the_future", cli.start("call", "jobs.list", "--db", str(newer))),
        (74, "is not a SQLite database", cli.start("call", "jobs.list", "--db", str(strange))),
        (2, "RUN_ENV must be dev or prod", cli.start("call", "jobs.list", RUN_ENV="test")),
    ):
        with process:
            out, err = process.communicate(timeout=LIMIT_S)
        assert (process.returncode, out) == (code, "")
        (sentence,) = err.splitlines()
        assert f"(exit code {code})" in sentence
        assert words in sentence


def test_the_methods_are_listed_with_their_params(cli: CliHarness) -> None:
    listed = cli.run("methods", "--json").result
    assert [one["name"] for one in listed] == [one.name for one in methods() if one.result is not None]
    assert next(one["params"] for one in listed if one["name"] == "jobs.get") == ["job_id"]
