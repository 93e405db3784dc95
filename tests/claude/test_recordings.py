"""Reads every stream that was recorded from the real CLI: the kind of each line, and the outcome.

A recording's name says what was recorded.  Lines that begin with `# stdin: ` or `>> ` were written to stdin; in
recordings with `>> `, the lines of stdout begin with `<< `.
"""

import json
import re
from pathlib import Path

import pytest
from sidecar_protocol.claude.sessions import MessageKind

from sidecar.claude.billing import total_usage
from sidecar.claude.sessions.messages import BOOKKEEPING, SYSTEM_BOOKKEEPING, messages_in
from sidecar.claude.stream import RunReader
from sidecar.job_handler import JobFailed
from sidecar.json_reader import parse_object

EXPECTED = re.compile(r"\[\[text:(.*?)\]\]")

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
    "97-sdk-mcp": "tool said (ok): 3 events found",
    "98-hooks-gate": "tool said (error): the person said no",
}
"""The beginnings of the answers."""
FAILURES = {
    "10-resume-unknown": (1, "session_unknown", False),
    "12-max-turns": (1, "max_turns", False),
    "16-text-format": (0, "output_unparseable", False),  # the answer is there, but in another format
    "33-sigint": (0, "interrupted", False),
    "34-sigterm": (143, "killed_by_signal", False),
    "36-badjson": (1, "process_exited", False),
    "43-perm-deny-interrupt": (0, "interrupted", False),
    "44-perm-cancelled": (0, "interrupted", False),
    "50-err-401": (143, "killed_by_signal", False),  # it was still retrying
    "52-err-529-max0": (1, "overloaded", True),
    "53-err-529-max1": (1, "overloaded", True),
    "54-err-500-max0": (1, "server_error", True),
    "55-err-400": (1, "api_error", False),
    "56-err-429-forever-max1": (1, "rate_limited", True),
    "57c-stall-idle-5s": (143, "killed_by_signal", False),  # it was still waiting
    "59-conn-refused": (1, "network", True),
    "62-nokey": (1, "auth", False),
    "64-hang-timeout": (1, "network", True),
    "80-tool-running-interrupt": (0, "interrupted", False),
    "81-tool-running-sigint": (0, "interrupted", False),
    "82-tool-running-sigterm": (143, "killed_by_signal", False),
    "83-tool-running-sigkill": (-9, "killed_by_signal", False),
    "96-v2.1.197-401": (143, "killed_by_signal", False),
}
"""The exit code, the kind of the failure, and whether it is retryable."""
INVALID_LINES = {"16-text-format": 1}
"""The number of lines that are not JSON."""


class Recording:
    """A recording and everything that is read from it."""

    def __init__(self, path: Path) -> None:
        lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
        self.written = [line.removeprefix(b"# stdin: ") for line in lines if line.startswith(b"# stdin: ")]
        self.lines = [line.removeprefix(b"<< ") for line in lines if not line.startswith((b"#", b">> "))]
        self.messages = [message for line in self.lines if (message := parse_object(line)) is not None]
        self.items = [item for message in self.messages for item in messages_in(message)]
        self.reader = RunReader()
        for line in self.lines:
            self.reader.read(parse_object(line))


def recording(folder: Path, name: str) -> Recording:
    return Recording(folder / f"{name}.jsonl")


def test_every_recording_has_an_expected_outcome(recordings: Path) -> None:
    assert {path.stem for path in recordings.glob("*.jsonl")} == {*ANSWERS, *FAILURES}


NAMES = sorted({*ANSWERS, *FAILURES})


@pytest.mark.parametrize("name", NAMES)
def test_every_line_is_bookkeeping_or_a_message(recordings: Path, name: str) -> None:
    read = recording(recordings, name)
    assert read.reader.end.invalid_lines == len(read.lines) - len(read.messages) == INVALID_LINES.get(name, 0)
    for message in read.messages:
        known = message["type"] in BOOKKEEPING or message.get("subtype") in SYSTEM_BOOKKEEPING
        items = list(messages_in(message))
        assert known is not bool(items), message
        assert all(item.kind is MessageKind.RAW or item.text for item in items), message


@pytest.mark.parametrize("name", ANSWERS)
def test_a_run_with_an_answer_succeeds(recordings: Path, name: str) -> None:
    outcome = recording(recordings, name).reader.finish(0, "")
    assert outcome.text.startswith(ANSWERS[name])
    assert outcome.session_id is not None
    assert ("deni" in name or name in ("42-perm-deny", "45-perm-no-prompt-tool", "98-hooks-gate")) is bool(
        outcome.permission_denials
    )


@pytest.mark.parametrize("name", FAILURES)
def test_a_failed_run_has_its_kind(recordings: Path, name: str) -> None:
    exit_code, kind, retryable = FAILURES[name]
    with pytest.raises(JobFailed) as failed:
        recording(recordings, name).reader.finish(exit_code, "")
    assert (failed.value.kind, failed.value.retryable) == (kind, retryable)


@pytest.mark.parametrize("name", ["30-multiturn", "31-initialize", "32-interrupt-control", "46-controls", "47-slash"])
def test_the_texts_of_the_answers_are_those_that_the_prompts_asked_for(recordings: Path, name: str) -> None:
    read = recording(recordings, name)
    prompts = [json.loads(line).get("message", {}).get("content", "") for line in read.written]
    expected = [text for prompt in prompts for text in EXPECTED.findall(prompt)]
    texts = [item.text for item in read.items if item.kind is MessageKind.ASSISTANT_TEXT]
    assert expected
    assert [text for text in texts if text in expected] == expected


@pytest.mark.parametrize("name", NAMES)
def test_each_message_and_each_cost_is_counted_once(recordings: Path, name: str) -> None:
    read = recording(recordings, name)
    results = [message for message in read.messages if message["type"] == "result"]
    reported = sum(one.get("total_cost_usd", 0.0) for one in results[-1:])
    usage = read.reader.usage
    assert len({one.api_message_id for one in usage.messages}) == len(usage.messages)
    counted = [*(one.tokens for one in usage.billed.values()), *(one.tokens for one in usage.messages)]
    assert usage.tokens == total_usage(counted)
    if "resume-" in name or name.endswith("resume"):  # the CLI reports the cost of the whole session
        assert (usage.cost_usd or 0.0) <= reported / 1.9
    else:
        assert (usage.cost_usd or 0.0) == pytest.approx(reported)
    assert not any("[" in model for model in usage.billed)
