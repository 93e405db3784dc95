from tests.commandline.shell import SCRIPT, Shell

HEALTH = '{"jsonrpc":"2.0","id":1,"method":"system.health"}\n'


def test_without_arguments_it_serves_whoever_spawned_it(shell: Shell) -> None:
    served = shell.run(program=SCRIPT, stdin=HEALTH)
    assert (served.code, shell.data_dir.exists()) == (0, True)
    assert served.out.startswith('{"jsonrpc":"2.0","id":1,"result":{"status":"ok"')


def test_without_arguments_on_a_terminal_it_helps(shell: Shell) -> None:
    helped = shell.run_on_terminal(program=SCRIPT)
    assert "Usage: sidecar [OPTIONS] COMMAND" in helped.out
    assert not shell.data_dir.exists()


def test_serve_has_its_own_help_and_a_command_that_does_not_exist_is_a_usage_error(shell: Shell) -> None:
    helped = shell.run("serve", "--help", program=SCRIPT)
    assert helped.code == 0
    assert helped.out.startswith("usage: sidecar serve [-h] [--db PATH]")
    mistyped = shell.run("dmeo", program=SCRIPT)
    assert mistyped.code == 2
    assert "No such command 'dmeo'" in mistyped.err


def test_a_shell_completes_methods_params_and_words(shell: Shell) -> None:
    def completed(words: str, at: int) -> list[str]:
        request = {"_SIDECAR_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(at)}
        return [line.removeprefix("plain,") for line in shell.run(program=SCRIPT, **request).out.splitlines()]

    assert completed("sidecar call jobs.l", 2) == ["jobs.list"]
    assert completed("sidecar call jobs.list st", 3) == ["status="]
    assert completed("sidecar call jobs.list status=r", 3) == ["status=running"]


def test_a_reader_that_goes_away_early_costs_no_traceback(shell: Shell) -> None:
    with shell.start("demo") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 1
    assert shell.left_running() == []
