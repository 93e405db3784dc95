"""`sidecar methods` lists and explains methods; one form of help for all commands."""

import json
import shlex

import pytest

from sidecar.commandline.assignments import callable_methods, params_of
from sidecar.commandline.commands import MODULES, SERVERS
from sidecar.commandline.methods import example
from tests.commandline.harness import CliHarness


@pytest.mark.parametrize("name", list(callable_methods()))
def test_the_example_of_each_method_is_valid(name: str) -> None:
    declared = callable_methods()[name]
    method, *assignments = shlex.split(example(declared))
    assert method == name
    declared.params.model_validate(params_of(declared, assignments))


def test_a_method_is_explained_with_params_result_errors_and_an_example(cli: CliHarness) -> None:
    told = cli.run("methods", "jobs.create").out
    for text in ("Adds a job to the queue", "required", "maintenance.backup", "deduplicated", "unknown_job_type"):
        assert text in told
    assert "sidecar call jobs.create type=maintenance.backup" in told
    facts = json.loads(cli.run("methods", "jobs.list", "--json").out)
    assert facts["params"]["status"].startswith("one of queued, running")
    assert facts["example"] == "sidecar call jobs.list"
    listed = cli.run("methods", "jobs.queue").out
    assert "jobs.queue.pause" in listed
    assert "jobs.list" not in listed
    wrong = cli.run("methods", "jobs.lust")
    assert wrong.code == 2
    assert "Did you mean jobs.list" in wrong.err


@pytest.mark.parametrize("command", sorted({*MODULES, *SERVERS}))
def test_the_help_of_each_command_has_the_same_form(cli: CliHarness, command: str) -> None:
    ended = cli.run(command, "--help")
    assert ended.code == 0
    assert ended.out.startswith(f"Usage: sidecar {command} ")
    assert "\nOptions:\n" in ended.out
    assert "--help" in ended.out
