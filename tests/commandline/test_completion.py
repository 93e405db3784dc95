"""The console completes lines and remembers them."""

from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from sidecar.commandline.console.completion import ContractCompleter
from sidecar.commandline.console.history import MAX_LINE_CHARS, ConsoleHistory
from sidecar.transcripts.file.facts import contract_facts


def completed(line: str) -> list[str]:
    """Returns the lines that the completions of a line lead to."""
    found = ContractCompleter().get_completions(Document(line), CompleteEvent())
    return [line[: len(line) + one.start_position] + one.text for one in found]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("jobs.queue.pa", "jobs.queue.pause"),
        ("job = jobs.crea", "job = jobs.create"),
        ("jobs.list sta", "jobs.list status="),
        ("jobs.list status=succ", "jobs.list status=succeeded"),
        ("jobs.create type=maintenance.b", "jobs.create type=maintenance.backup"),
        ("jobs.list type=cal", "jobs.list type=calendar.sync"),
        ("jobs.create type=maintenance.backup payload={", 'jobs.create type=maintenance.backup payload={"keep": '),
        ('jobs.create type=maintenance.backup payload={"ke', 'jobs.create type=maintenance.backup payload={"keep": '),
        (
            'jobs.create type=activity.export payload={"overwrite": true, "form',
            'jobs.create type=activity.export payload={"overwrite": true, "format": ',
        ),
        (
            'jobs.create type=activity.export payload={"format": "c',
            'jobs.create type=activity.export payload={"format": "csv"',
        ),
        (
            'jobs.create type=activity.export payload={"overwrite": tr',
            'jobs.create type=activity.export payload={"overwrite": true',
        ),
        ("help jobs.crea", "help jobs.create"),
        (".until jobs.upd", ".until jobs.updated"),
        ("meth", "methods"),
    ],
)
def test_methods_params_job_types_payloads_and_values_are_completed(line: str, expected: str) -> None:
    assert expected in completed(line)


def test_a_member_that_is_there_is_not_offered_again() -> None:
    assert not [
        one for one in completed('jobs.create type=maintenance.backup payload={"keep": 2, "') if "keep" in one[-9:]
    ]
    assert completed("jobs.create type=unknown payload={") == []


def test_the_history_is_kept_without_secrets_and_within_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "state" / "console_history"
    history = ConsoleHistory(path, contract_facts())
    for line in (
        "jobs.list status=failed",
        "jira.accounts.create org=Example api_token=hush",
        'calendar.accounts.create provider=ics credentials={"address": "https://x/hush.ics"}',
        'claude.spawn prompt="use sk-ant-api03-hush1234hush5678"',
        '.raw {"jsonrpc":"2.0","id":1,"method":"initialize","params":{"token":"hush"}}',
        "jobs.list type=" + "x" * MAX_LINE_CHARS,
        "two\nlines",
    ):
        history.store_string(line)
    assert "hush" not in path.read_text("utf-8")
    assert path.stat().st_mode & 0o777 == 0o600
    again = ConsoleHistory(path, contract_facts())
    assert list(again.load_history_strings()) == ["two\nlines", "jobs.list status=failed"]
    for number in range(2_000):
        again.store_string(f"jobs.list cursor={'x' * 400}{number}")
    assert path.stat().st_size < 1_000_000
    assert next(iter(again.load_history_strings())).endswith("x1999")
    path.write_bytes(b"\xff not JSON\n" + path.read_bytes()[-500:])
    assert len(list(ConsoleHistory(path, contract_facts()).load_history_strings())) == 1


def test_a_history_that_cannot_be_written_does_not_stop_the_console(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    history = ConsoleHistory(tmp_path / "file" / "history", contract_facts())
    history.store_string("jobs.list")
    assert list(history.load_history_strings()) == []
