"""Redaction: no secret gets into a transcript, whatever form it takes, and what stays can be replayed and verified."""

import json
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import pytest

from sidecar.secret_texts import SecretFinder, redact
from sidecar.transcripts.file.facts import contract_facts
from sidecar.transcripts.file.patterns import example, fits
from sidecar.transcripts.file.redact import RE, Redactor
from sidecar.transcripts.verify.check import VerifyOptions, check
from sidecar.transcripts.verify.findings import explain_all
from tests.conftest import StartRawClient
from tests.process.raw_client import CLIENT, line
from tests.strict_json import parse
from tests.transcripts.recording import lines_of, notification, request, sent_by_client

SECRET = "Q7rTzW4mK9xB2nLpV6sYdF8h"  # noqa: S105 - an invented one
"""The secret part of every value below."""
LOGIN = b64encode(f"ada@example.com:{SECRET}".encode()).decode()
SHAPED = [
    f"ATATT3xFfGF0{SECRET}=1A2B3C4D",
    f"use sk-ant-api03-{SECRET}-AA for this",
    f"ya29.a0{SECRET}",
    f"1//0g{SECRET}",
    f"GOCSPX-{SECRET}",
    f"ghp_{SECRET}12345678",
    f"Authorization: Bearer {SECRET}",
    f"BEARER {SECRET}",
    f"Authorization: Basic {LOGIN}",
    f"basic {LOGIN}",
    LOGIN,
    f"eyJhbGciOiJIUzI1NiJ9.{SECRET}.{SECRET}",
    f"https://ada:{SECRET}@example.com/path",
    f"https://ada:p@{SECRET}@example.com/path",
    f"postgres://{SECRET}@db.example.com/",
    f"https://calendar.google.com/calendar/ical/ada%40example.com/private-{SECRET}/basic.ics",
    f"see webcal://p12-caldav.icloud.com/published/2/{SECRET} today",
    f"https://example.com/feed?x=1&api_key={SECRET}&y=2",
    f"API_TOKEN={SECRET}",
    f'{{"clientSecret": "{SECRET}"}}',
    f"password: {SECRET}",
    f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n{SECRET}\n-----END RSA PRIVATE KEY-----",
    quote(f"token=sk-ant-api03-{SECRET}", safe="").replace("-", "%2D"),
    f"sk\\u002dant\\u002dapi03\\u002d{SECRET}",
    f"ATATT3xFfGF0ABCDEFGH\n    {SECRET}\n",
    b64encode(f"https://x/?access_token={SECRET}".encode()).decode(),
]
HARMLESS = [
    "01a00000-0000-7000-8000-000000000000",
    "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    "3f786850e387550fdab836ed7e6dc881de23001b",
    "callFunctionCheckIfDataAlreadyExistsPerpetualSubinventory",
    "basic information about bearer authentication",
    "max_tokens: 4096, next page token = none",
    "http://localhost:8080/path?key=a&limit=5",
    "git@github.com:example/repository.git",
    "mailto:ada@example.com",
    "/home/ada/secrets/password_reset.py",
    "risk-analysis-of-the-quarter-1234567890",
    "The password must be changed by Friday.",
    "2026-11-23T08:00:00.000Z",
]


def redacted(*messages: Any, from_client: bool = True, patterns: tuple[str, ...] = ()) -> list[Any]:
    """Returns the messages as one recording contains them."""
    redactor = Redactor(contract_facts(), patterns)
    lines = [redactor.redacted(json.dumps(one).encode(), from_client=from_client) for one in messages]
    return [json.loads(one) for one in lines if one is not None]


@pytest.mark.parametrize("text", SHAPED)
def test_a_text_with_the_form_of_a_secret_is_replaced_by_a_pattern_that_it_matches(text: str) -> None:
    raw: list[Any] = [
        request(1, "claude.spawn", prompt=text),
        request(2, "jobs.create", type="x", payload={"a": [{"b": text}]}),
    ]
    answers: list[Any] = [
        {"jsonrpc": "2.0", "id": 1, "error": {"code": 5000, "message": text, "data": {"details": [text]}}},
        notification("claude.message_added", message={"content": [{"type": "text", "text": text}]}),
        {"jsonrpc": "2.0", "id": 1, "result": {text: 1}},
    ]
    found = [*redacted(*raw), *redacted(*answers, from_client=False)]
    assert SECRET not in json.dumps(found)
    assert LOGIN not in json.dumps(found)
    prompt = found[0]["params"]["prompt"]
    if RE in prompt:
        assert fits(RE, prompt[RE], text)
        assert fits(RE, prompt[RE], example(prompt))
        assert len(example(prompt)) == len(text)  # offsets into a text stay right
    else:
        assert prompt.keys() <= {"$secret", "$like"}


@pytest.mark.parametrize("text", HARMLESS)
def test_other_texts_are_recorded_as_they_are(text: str) -> None:
    message = request(1, "claude.spawn", prompt=text, _meta={"progress_token": "how-far-12345678"})
    assert redacted(message) == [message]
    usage = notification("claude.message_added", message={"usage": {"input_tokens": 12_345_678}, "text": text})
    assert redacted(usage, from_client=False) == [usage]


def test_the_quick_look_at_a_line_passes_over_no_secret() -> None:
    choose = Random(5).choice
    finder, redactor = SecretFinder(), Redactor(contract_facts())
    around = ["für", "日本", "a", "(", "\n", " ", ": ", "=", '"', "'", "x/y", "x-1", "Ada's"]
    found = 0
    for _ in range(3_000):
        text = choose(SHAPED)
        begin, end = sorted((choose(range(len(text) + 1)), choose(range(len(text) + 1))))
        text = choose([text, text[begin:end], text[:begin] + choose(around) + text[begin:]])
        text = f"{choose(around)}{choose(around)}{text}{choose(around)}"
        if choose((True, False)):
            text = f"{choose(around)}{choose((b64encode, urlsafe_b64encode))(text.encode()).decode()}{choose(around)}"
        # The end of a text that goes on elsewhere is always searched by all expressions.
        if any(end < len(text) for _, end in finder.spans(f"{text} .", is_cut=True)):
            found += 1
            line = json.dumps({"id": 1, "result": [f"{text} ."]}, ensure_ascii=choose((True, False))).encode()
            assert redactor.may_find(line), text
            assert finder.spans(f"{text} ."), text
    assert found > 500


def test_a_request_is_recorded_as_it_came_only_if_no_member_can_be_secret() -> None:
    def is_plain(text: str) -> bool:
        return Redactor(contract_facts()).is_plain(text.encode())

    begin = '{"jsonrpc":"2.0","id":1,"method":"jobs.get"'
    plain = '{"jsonrpc": "2.0", "id": "a", "method": "jobs.list", "params": {"limit": 5, "cursor": null}}'
    assert is_plain('{"jsonrpc":"2.0","id":1,"method":"system.health"}')
    assert is_plain(begin + ',"params":{"job_id":"a"}}')
    assert is_plain(f"{plain}\n{plain}")
    assert is_plain('{"jsonrpc":"2.0","id":1,"method":"jobs.create","params":{"type":"a","payload":{"full":true}}}')
    for end in (
        ',"params":{"job_id":"a"},"tokne":"weak-one"}',
        ',"params":{"job_id":"a","tokne":"weak-one"}}',
        ',"params":{"job_id":{"tokne":"weak-one"}}}',
        ',"params":["weak-one"]}',
        ',"params":{"job_id":["--tokne","weak-one"]}}',
        ',"params":{"tokne":"weak-one"},"params":{"job_id":"a"}}',
        ',"params":null,"params":{"job_id":"a"}}',
        ',"params":{"job_id":"\\ud83d"}}',
        ',"params":{"job_id":"a"}}\r',
        ',"params":{"job_id":"a\nb"}}',
        ',"params":{"limit":1.2.3}}',
        ',"params":{"limit":01}}',
        ',"params":{"limit":1e999}}',
        ',"jsonrpc":"2"0"}',
    ):
        assert not is_plain(begin + end), end
        assert not is_plain(f"{plain}\n{begin}{end}"), end
    assert not is_plain('{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"token":"weak-one"}}')


def test_what_is_recorded_as_it_came_would_be_redacted_to_itself() -> None:
    schemas, choose = contract_facts(), Random(7).choice
    names = sorted(
        {*schemas.plain_names(), *schemas.secret_names(), "tokne", "name", "key", "value", "apiToken", "mood"}
    )
    values = ["weak-one", "token", "tokne", "-token", 5, -1.5e-7, None, True, {}]
    redactor, found = Redactor(schemas), 0
    for _ in range(5_000):
        members = {choose(names): choose(values) for _ in range(choose((1, 2)))}
        params = choose((members, {choose(names): members, **members}))
        message = {**request(choose((1, "a")), choose(schemas.methods)), "params": params}
        line = json.dumps(message).encode()
        if redactor.is_plain(line):
            found += 1
            assert json.loads(redactor.redacted(line, from_client=True) or b"") == message
            at = choose(range(len(line)))
            broken = line[:at] + choose((b"\n", b'"', b"0", b".", b"e", b"-", b",", b"{", b"")) + line[at + 1 :]
            if redactor.is_plain(broken):
                assert [parse(one) for one in broken.split(b"\n")], broken
    assert found > 1_000


def test_a_log_has_no_secret_either() -> None:
    for text in SHAPED:
        assert SECRET not in redact(text)
        assert LOGIN not in redact(text)
    assert redact("the token: abc was refused") == "the token: [redacted] was refused"
    assert redact("3 jobs in /home/ada/secrets took 5 s") == "3 jobs in /home/ada/secrets took 5 s"


@pytest.mark.parametrize("name", ["apiToken", "api-token", "API_TOKEN", "api_tokne", "tokn", "Credentials", "passwrod"])
def test_a_secret_under_a_misspelt_name_is_replaced(name: str) -> None:
    [found] = redacted(request(1, "jira.accounts.create", org="Example", **{name: "weak-one"}))
    assert found["params"][name] == {"$secret": 1}
    assert found["params"]["org"] == "Example"


def test_secrets_without_a_name_are_replaced() -> None:
    positional = {**request(1, "jira.accounts.create"), "params": ["Example", "https://x", "ada@example.com", SECRET]}
    unknown = {**request(2, "jira.account.create"), "params": [SECRET]}
    header = request(3, "jobs.create", payload={"headers": [{"name": "X-Api-Key", "value": SECRET}]})
    options = request(4, "jobs.create", payload={"args": ["--token", SECRET, "--verbose", "yes"]})
    found = redacted(positional, unknown, header, options)
    assert SECRET not in json.dumps(found)
    assert found[3]["params"]["payload"]["args"][2:] == ["--verbose", "yes"]


def test_a_secret_that_was_sent_is_found_in_every_later_message() -> None:
    redactor = Redactor(contract_facts())
    redactor.redacted(json.dumps(request(1, "initialize", token=SECRET)).encode(), from_client=True)
    half = len(SECRET) // 2
    echoes = [
        f"the token {SECRET} was refused",
        f"…{quote(SECRET)}…",
        f"{SECRET[:half]}\n  {SECRET[half:]}",
        b64encode(f"someone:{SECRET}:12".encode()).decode(),
        [SECRET[:half], SECRET[half:]],
    ]
    for echo in echoes:
        found = redactor.redacted(json.dumps({"id": 1, "result": {"text": echo}}).encode(), from_client=False)
        assert found is not None
        assert SECRET[:half].encode() not in found
        assert SECRET[half:].encode() not in found


@pytest.mark.parametrize("size", [1, 3, 7, 20])
def test_a_secret_does_not_survive_in_the_pieces_of_a_text(size: int) -> None:
    text = f"Here is your key: sk-ant-api03-{SECRET}-{SECRET}-AA. Keep it, and the password=“{SECRET}” too."
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    ids = {"session_id": "s", "job_id": "j", "message_id": "m"}
    deltas = [notification("claude.delta", **ids, offset=at * size, text=piece) for at, piece in enumerate(pieces)]
    found = [example(one["params"]["text"]) for one in redacted(*deltas, from_client=False)]
    joined = "".join(found)
    assert list(map(len, found)) == list(map(len, pieces))
    assert joined.startswith("Here is your key: ")
    assert SECRET not in joined
    assert not any(SECRET[at : at + 8] in joined for at in range(len(SECRET) - 8))


def test_an_expression_of_the_user_hides_texts_and_takes_no_time_that_grows_with_them(
    raw_client: StartRawClient, tmp_path: Path
) -> None:
    record = tmp_path / "talk.jsonl"
    with raw_client("--record", str(record), "--redact", "(a+)+$", "--redact", r"ACME-\d+") as wire:
        wire.send(line("initialize", 1, **CLIENT))
        wire.send(line("jobs.create", 2, type="ACME-123", payload={"a": "a" * 50_000 + "b"}))
        wire.close_stdin()
        wire.remaining()
        assert wire.exit_code() == 0
    assert "ACME" not in record.read_text("utf-8")
    assert sent_by_client(record)[1]["params"]["payload"]["a"] == "a" * 50_000 + "b"
    with raw_client("--record", str(record), "--redact", "(?=a)") as wire:
        assert wire.exit_code() == 2
        assert "'(?=a)' is not a regular expression" in wire.errors.read_text("utf-8")


def test_secrets_of_lines_that_are_not_json_are_not_recorded(raw_client: StartRawClient, tmp_path: Path) -> None:
    record = tmp_path / "talk.jsonl"
    cut = line("initialize", 1, token=f"sesame\n{SECRET}")[:-1].replace(b"\\n", b"\n")
    with raw_client("--record", str(record)) as wire:
        wire.send(cut + b"\n" + line("initialize", 2, **CLIENT))
        wire.send(f"no JSON, but sk-ant-api03-{SECRET}\n".encode())
        wire.send(line("system.health", 3))
        wire.send(f"{{apiToken: {SECRET}".encode("utf-16-le") + b"\n" + line("system.health", 4) + b"as it is\n")
        wire.close_stdin()
        wire.remaining()
        assert wire.exit_code() == 0
    raw = [entry for entry in lines_of(record) if "raw" in entry]
    assert [("redacted" in entry) for entry in raw] == [True, True, True, True, False]


@pytest.mark.parametrize(
    ("params", "is_hidden"),
    [
        ('{"query":"half a pair \\ud83d"}', False),
        ('{"query":"\\ud83d sk-ant-api03-abcdefgh"}', True),
        ('{"query":"\\ud83d","tok\\u0065n":"abc"}', True),
        ('{"query":"\\ud83d","token":"abc","token":null}', True),
    ],
)
def test_a_message_with_half_a_surrogate_pair_is_recorded_unless_it_has_a_secret(params: str, is_hidden: bool) -> None:
    line = '{"jsonrpc":"2.0","id":1,"method":"activity.search","params":' + params + "}"
    redactor = Redactor(contract_facts())
    assert redactor.redacted(line.encode(), from_client=True) is None
    assert redactor.may_show_secret(line.encode()) is is_hidden


def test_a_plain_request_is_recorded_without_a_secret_in_its_values(raw_client: StartRawClient, tmp_path: Path) -> None:
    record = tmp_path / "talk.jsonl"
    with raw_client("--record", str(record)) as wire:
        wire.initialize()
        wire.send(line("jobs.get", 1, job_id=f"ATATT3xFfGF0{SECRET}") + line("jobs.get", 2, job_id="no-such-job"))
        wire.send(
            b'{"jsonrpc":"2.0","id":3,"method":"jobs.get","params":{"tokne":"weak-one"},"params":{"job_id":"a"}}\n'
        )
        wire.close_stdin()
        wire.remaining()
    assert SECRET not in record.read_text("utf-8")
    assert "weak-one" not in record.read_text("utf-8")
    params = [one["params"] for one in sent_by_client(record)[1:]]
    assert params == [{"job_id": {"$secret": 1}}, {"job_id": "no-such-job"}, {"job_id": "a"}]


def test_a_secret_of_the_environment_is_not_recorded(raw_client: StartRawClient, tmp_path: Path) -> None:
    record = tmp_path / "talk.jsonl"
    with raw_client("--record", str(record), ANTHROPIC_API_KEY="correct-horse-battery") as wire:
        wire.send(line("jobs.create", 2, type="correct-horse-battery"))
        wire.close_stdin()
        wire.remaining()
    assert "horse" not in record.read_text("utf-8")


def test_recording_into_an_existing_file_says_that_it_appends_and_can_start_over(
    raw_client: StartRawClient, tmp_path: Path
) -> None:
    record = tmp_path / "talk.jsonl"
    for option, runs in (("--record", 1), ("--record", 2), ("--record-anew", 1)):
        with raw_client(option, str(record)) as wire:
            wire.close_stdin()
            wire.remaining()
            assert wire.exit_code() == 0
            assert ("--record-anew starts over" in wire.errors.read_text("utf-8")) == (runs == 2)
        assert record.read_bytes().count(b'{"transcript":1') == runs
    other = tmp_path / "letter.txt"
    other.write_text("Dear Ada,\n")
    for option in ("--record", "--record-anew"):
        with raw_client(option, str(other)) as wire:
            assert wire.exit_code() == 74
            assert "no transcript" in wire.errors.read_text("utf-8")
    assert other.read_text() == "Dear Ada,\n"


def test_a_recording_with_redacted_texts_verifies_and_replays(raw_client: StartRawClient, tmp_path: Path) -> None:
    record = tmp_path / "talk.jsonl"
    for arguments in (["--record", str(record)], ["replay", str(record)]):
        with raw_client(*arguments) as wire:
            wire.initialize()
            for query in (f"sk-ant-api03-{SECRET}", f"find sk-ant-api03-{SECRET} (all) please"):
                assert "next_cursor" in wire.call("activity.search", query=query)
            wire.close_stdin()
            wire.remaining()
    queries = [one["params"]["query"] for one in sent_by_client(record)[1:]]
    assert [sorted(one) for one in queries] == [["$secret"], ["$like", "$re"]]
    assert explain_all(record, check(record, VerifyOptions())) == ""
