"""Every stream that was recorded from the real CLI, with everything in it: what each line is, and what it all comes to.

The recordings' names say what was tried; their lines that begin with `#` tell what was written to stdin.
"""

import json
import re
from pathlib import Path

import pytest
from sidecar_protocol.claude.sessions import MessageKind

from sidecar.claude.sessions.messages import BOOKKEEPING, SYSTEM_BOOKKEEPING, messages_in
from sidecar.claude.stream import RunReader
from sidecar.job_handler import JobFailed
from sidecar.json_reader import parse_object

SAID = re.compile(r"\[\[text:(.*?)\]\]")

ANSWERS = {
    "01-basic": "echo: hi",
    "02-partial": "Hello partial world",
    "03-tool-bash-allowed": "tool said (ok): hi-from-bash",
    "04-tool-bash-denied": "tool said (error): This command requires approval",
    "05-think": "thought.",
    "06-session-id": "one",
    "08-resume": "two",
    "09-resume-fork": "three",
    "11-resume-othercwd": "y",
    "13-model": "m",
    "14-model-alias": "m",
    "15-json-format": "m",
    "20-root-skip-perms-IS_SANDBOX": "tool said (ok): 0",
    "30-multiturn": "q2",
    "31-initialize": "hello",
    "32-interrupt-control": "after interrupt",
    "35-stdin-eof-midturn": "w0 w1 w2",
    "40-perm-allow": "tool said (ok): done",
    "41-perm-allow-modified": "tool said (ok): MODIFIED",
    "42-perm-deny": "tool said (error): user said no",
    "45-perm-no-prompt-tool": "tool said (error): ",
    "46-controls": "b",
    "47-slash": "",
    "51-err-429-default-retries": "recovered after 3 tries",
    "57-cut-midstream": "Hello from the fake model.",
    "57b-stall-midstream": "600",
    "58-sse-error": "Hello from the fake model.",
    "60-maxtok": "echo: ",
    "61-refusal": "echo: ",
    "66-prompt-by-stdin": "from stdin",
    "69-json-schema": '{"name":"bob"}',
    "70-no-persist": "a",
    "71-bare": "a",
    "84-tool-running-stdin-eof": "tool said (error): Exit code 1",
    "95-v2.1.197-basic": "a",
}
"""How the answers begin."""
FAILURES = {
    "10-resume-unknown": (1, "session_unknown", False),
    "12-max-turns": (1, "max_turns", False),
    "16-text-format": (0, "output_unparseable", False),  # the answer is there, but in another format
    "33-sigint": (0, "interrupted", False),
    "34-sigterm": (143, "killed_by_signal", False),
    "36-badjson": (1, "process_exited", False),
    "43-perm-deny-interrupt": (0, "interrupted", False),
    "44-perm-cancelled": (0, "interrupted", False),
    "50-err-401": (143, "killed_by_signal", False),  # it would have gone on trying
    "52-err-529-max0": (1, "overloaded", True),
    "53-err-529-max1": (1, "overloaded", True),
    "54-err-500-max0": (1, "server_error", True),
    "55-err-400": (1, "api_error", False),
    "56-err-429-forever-max1": (1, "rate_limited", True),
    "57c-stall-idle-5s": (143, "killed_by_signal", False),  # nor would this one have ended
    "59-conn-refused": (1, "network", True),
    "62-nokey": (1, "auth", False),
    "64-hang-timeout": (1, "network", True),
    "80-tool-running-interrupt": (0, "interrupted", False),
    "81-tool-running-sigint": (0, "interrupted", False),
    "82-tool-running-sigterm": (143, "killed_by_signal", False),
    "83-tool-running-sigkill": (-9, "killed_by_signal", False),
    "96-v2.1.197-401": (143, "killed_by_signal", False),
}
"""How the process ended, the kind of failure that this is, and whether trying again may help."""
NO_JSON = {"16-text-format": 1}
"""How many lines of a recording are not JSON."""


class Recording:
    """A recording, read whole."""

    def __init__(self, path: Path) -> None:
        lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
        self.written = [line.removeprefix(b"# stdin: ") for line in lines if line.startswith(b"# stdin: ")]
        self.lines = [line for line in lines if not line.startswith(b"#")]
        self.messages = [message for line in self.lines if (message := parse_object(line)) is not None]
        self.items = [item for message in self.messages for item in messages_in(message)]
        self.reader = RunReader()
        for line in self.lines:
            self.reader.read(parse_object(line))


def recording(folder: Path, name: str) -> Recording:
    return Recording(folder / f"{name}.jsonl")


def test_all_recordings_are_known_here(recordings: Path) -> None:
    assert {path.stem for path in recordings.glob("*.jsonl")} == {*ANSWERS, *FAILURES}


NAMES = sorted({*ANSWERS, *FAILURES})


@pytest.mark.parametrize("name", NAMES)
def test_every_line_is_bookkeeping_or_kept(recordings: Path, name: str) -> None:
    read = recording(recordings, name)
    assert read.reader.invalid_lines == len(read.lines) - len(read.messages) == NO_JSON.get(name, 0)
    for message in read.messages:
        known = message["type"] in BOOKKEEPING or message.get("subtype") in SYSTEM_BOOKKEEPING
        items = list(messages_in(message))
        assert known is not bool(items), message
        assert all(item.kind is MessageKind.RAW or item.text for item in items), message


@pytest.mark.parametrize("name", ANSWERS)
def test_a_run_that_was_answered_succeeds(recordings: Path, name: str) -> None:
    outcome = recording(recordings, name).reader.finish(0, "")
    assert outcome.text.startswith(ANSWERS[name])
    assert outcome.session_id is not None
    assert ("deni" in name or name in ("42-perm-deny", "45-perm-no-prompt-tool")) is bool(outcome.permission_denials)


@pytest.mark.parametrize("name", FAILURES)
def test_a_run_that_failed_says_in_which_way(recordings: Path, name: str) -> None:
    exit_code, kind, retryable = FAILURES[name]
    with pytest.raises(JobFailed) as failed:
        recording(recordings, name).reader.finish(exit_code, "")
    assert (failed.value.kind, failed.value.retryable) == (kind, retryable)


@pytest.mark.parametrize("name", ["30-multiturn", "31-initialize", "32-interrupt-control", "46-controls", "47-slash"])
def test_what_claude_was_asked_to_say_is_what_it_said(recordings: Path, name: str) -> None:
    read = recording(recordings, name)
    prompts = [json.loads(line).get("message", {}).get("content", "") for line in read.written]
    asked = [text for prompt in prompts for text in SAID.findall(prompt)]
    said = [item.text for item in read.items if item.kind is MessageKind.ASSISTANT_TEXT]
    assert asked
    assert [text for text in said if text in asked] == asked


@pytest.mark.parametrize("name", NAMES)
def test_each_message_and_each_cost_is_counted_once(recordings: Path, name: str) -> None:
    read = recording(recordings, name)
    results = [message for message in read.messages if message["type"] == "result"]
    told = sum(one.get("total_cost_usd", 0.0) for one in results[-1:])
    usage = read.reader.usage
    assert len({one.api_message_id for one in usage.messages}) == len(usage.messages)
    assert usage.tokens.output_tokens == sum(one.tokens.output_tokens for one in usage.messages)
    if "resume-" in name or name.endswith("resume"):  # the CLI tells what the session cost before, too
        assert (usage.cost_usd or 0.0) <= told / 1.9
    else:
        assert (usage.cost_usd or 0.0) == pytest.approx(told)
    assert not any("[" in model for model in usage.costs)
