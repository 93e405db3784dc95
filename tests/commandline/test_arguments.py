"""`key=value` arguments."""

from pathlib import Path
from typing import Any

import click
import pytest

from sidecar.commandline.assignments import callable_methods, find_method, params_of
from sidecar.commandline.job_view import job_field


def params(method: str, *assignments: str) -> dict[str, Any]:
    return params_of(find_method(method), assignments)


def test_a_value_is_parsed_by_its_declared_type() -> None:
    assert params("jobs.list", "limit=5", "status=failed") == {"limit": 5, "status": "failed"}
    assert params("jobs.create", 'type="x"', "priority=-1", 'payload={"keep":2}') == {
        "type": '"x"',
        "priority": -1,
        "payload": {"keep": 2},
    }
    assert params("claude.spawn", "prompt=1", "timeout_s=2.5") == {"prompt": "1", "timeout_s": 2.5}
    assert params("jobs.list", "limit=null", "cursor=a=b") == {"limit": None, "cursor": "a=b"}


def test_a_colon_forces_json_and_an_at_sign_reads_a_file(tmp_path: Path) -> None:
    file = tmp_path / "question.txt"
    file.write_text("2 + 2?\n", "utf-8")
    assert params("jobs.get", "job_id:=7") == {"job_id": 7}
    assert params("claude.spawn", f"prompt=@{file}", 'model:="@x"') == {"prompt": "2 + 2?\n", "model": "@x"}
    assert params("system.health", '_meta={"timeout_ms": 5}') == {"_meta": {"timeout_ms": 5}}


def test_a_list_of_strings_can_be_given_item_by_item() -> None:
    expected = {"prompt": "x", "allowed_tools": ["Read", "Bash(git *)"]}
    assert params("claude.spawn", "prompt=x", "allowed_tools=Read", "allowed_tools=Bash(git *)") == expected
    assert params("claude.spawn", "prompt=x", 'allowed_tools=["Read", "Bash(git *)"]') == expected


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("limt=5", "jobs.list has no parameter limt. Did you mean limit? Its parameters: status, type, limit, cursor."),
        ("limit", "not of the form key=value"),
        ("limit=many", "limit must be an integer, not 'many'."),
        ("limit:={", "limit:= must be followed by JSON"),
        ("cursor=@/no/such/file", "cursor: /no/such/file cannot be read: No such file or directory."),
    ],
)
def test_a_wrong_argument_is_explained(assignment: str, words: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        params("jobs.list", assignment)
    assert words in caught.value.message


def test_a_param_twice_and_a_notification_cannot_be_called() -> None:
    with pytest.raises(click.UsageError, match="limit is given twice"):
        params("jobs.list", "limit=1", "limit=2")
    with pytest.raises(click.UsageError, match="exit is a notification"):
        find_method("exit")


def test_methods_whose_result_contains_a_job_can_be_waited_for() -> None:
    waitable = {name for name, declared in callable_methods().items() if job_field(declared.result) is not None}
    assert {"jobs.create", "jobs.get", "jobs.cancel", "claude.spawn"} <= waitable
    assert not {"jobs.list", "system.health", "initialize"} & waitable
