"""The `sidecar` command: serving, help, completion and its exit."""

from tests.commandline.harness import LIMIT_S, SCRIPT, CliHarness

HEALTH = '{"jsonrpc":"2.0","id":1,"method":"system.health"}\n'


def test_without_arguments_it_serves(cli: CliHarness) -> None:
    with cli.start(program=SCRIPT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(HEALTH)
        process.stdin.flush()  # and closed only then: what stdin leaves behind is not waited for long
        answer = process.stdout.readline()
        process.communicate(timeout=LIMIT_S)
    assert (process.returncode, cli.data_dir.exists()) == (0, True)
    assert answer.startswith('{"jsonrpc":"2.0","id":1,"result":{"status":"ok"')


def test_without_arguments_on_a_terminal_it_prints_help(cli: CliHarness) -> None:
    helped = cli.run_on_terminal(program=SCRIPT)
    assert "Usage: sidecar [OPTIONS] COMMAND" in helped.out
    assert not cli.data_dir.exists()


def test_serve_has_its_own_help_and_an_unknown_command_is_a_usage_error(cli: CliHarness) -> None:
    helped = cli.run("serve", "--help", program=SCRIPT)
    assert helped.code == 0
    assert helped.out.startswith("Usage: sidecar serve [OPTIONS]")
    mistyped = cli.run("dmeo", program=SCRIPT)
    assert mistyped.code == 2
    assert "No such command 'dmeo'" in mistyped.err


def test_methods_params_and_values_are_completed(cli: CliHarness) -> None:
    def completed(words: str, at: int) -> list[str]:
        request = {"_SIDECAR_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(at)}
        return [line.removeprefix("plain,") for line in cli.run(program=SCRIPT, **request).out.splitlines()]

    assert completed("sidecar call jobs.l", 2) == ["jobs.list", "jobs.log.list"]
    assert completed("sidecar call jobs.list st", 3) == ["status="]
    assert completed("sidecar call jobs.list status=r", 3) == ["status=running"]


def test_a_closed_stdout_causes_no_traceback(cli: CliHarness) -> None:
    with cli.start("demo") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 1
    assert cli.left_running() == []
