"""`sidecar call claude.spawn --wait`: the command of a person whose Claude answers from the hub."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.claude.client import Talk, both_releases, scripted
from tests.commandline.harness import CliHarness, Ended
from tests.electron import example_feed

PROMPT = "What did I do yesterday?"
SEARCH = {"query": "Show delays next to the departure", "event_type": "issue_transitioned", "limit": 1}
ANSWER = "You finished TRAM-426 [1]. You met Bob [9]."
TOOL = "mcp__hub__activity_search"
PRINTED = """\
  source   [1] TRAM-426 Show delays next to the departure, https://tramline.example/browse/TRAM-426
  source   [9] does not exist: You met Bob [9].
"""


@pytest.fixture
def cli(tmp_path: Path, data_dir: Path) -> Iterator[CliHarness]:
    """Commands on a database with half a year of events."""
    (home := tmp_path / "home").mkdir()
    example_feed.main(data_dir)
    harness = CliHarness(home, data_dir)
    yield harness
    assert harness.left_running() == []


def ask(cli: CliHarness, talk: Talk, prompt: str, *options: str) -> Ended:
    """Runs the command with the environment of a `claude`."""
    cli.environment |= {"PATH": os.environ["PATH"], "COLUMNS": "120", **talk.environment}
    return cli.run("call", "claude.spawn", f"prompt={prompt}", f"cwd={cli.home}", "--wait", *options)


@scripted
def test_the_answer_is_printed_with_its_sources(cli: CliHarness, talk: Talk) -> None:
    asked = ask(cli, talk, f"{PROMPT} [[call:{TOOL}:{json.dumps(SEARCH)}]] [[say:{ANSWER}]]", "--text")
    assert asked.code == 0
    assert asked.out == f"{ANSWER}\n"
    assert PRINTED in asked.err
    assert "✓ claude.run succeeded in" in asked.err


@both_releases
def test_the_real_claude_answers_from_the_hub(cli: CliHarness, talk: Talk) -> None:
    assert talk.api is not None
    use = {"type": "tool_use", "name": TOOL, "input": SEARCH}
    talk.api.script = {PROMPT: [[use], [{"type": "text", "text": ANSWER}]]}
    asked = ask(cli, talk, PROMPT, "--json")
    assert (asked.code, asked.result["status"]) == (0, "succeeded")
    assert asked.result["result"]["text"] == ANSWER
    [blocks] = [
        message["content"]
        for message in talk.api.messages()[-1].body["messages"]
        if message["role"] == "user" and "tool_result" in json.dumps(message)
    ]
    assert "TRAM-426 Show delays next to the departure" in json.dumps(blocks), "Claude has read the feed"
    known, unknown = asked.result["result"]["citations"]
    assert known["row"]["url"] == "https://tramline.example/browse/TRAM-426"
    assert (unknown["row"], unknown["sentence"]) == (None, "You met Bob [9].")
