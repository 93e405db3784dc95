"""Recording: the file has the whole conversation without its secrets, however the process ends."""

import json
import time
from base64 import b64decode
from hashlib import sha256
from pathlib import Path

import pytest

from sidecar.claude.prompts.media import media_type
from sidecar.transcripts.file.addresses import placeholder_url
from sidecar.transcripts.file.contents import example
from sidecar.transcripts.file.facts import contract_facts
from sidecar.transcripts.file.redact import Redactor
from sidecar.transcripts.record import Recorder
from tests.claude.prompts.files import GIF, JPEG, WEBP, base64, pdf, png
from tests.conftest import StartRawClient
from tests.process.raw_client import CLIENT, line
from tests.transcripts.recording import answer, lines_of, request, sent_by_client, sent_by_sidecar

KEY = "c2VjcmV0IGtleSBvZiAzMiBieXRlcyBpbiBiYXNlNjQ="
SESAME = "open sesame"


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """Returns the path of the recording."""
    return tmp_path / "conversation.jsonl"


def test_the_file_has_all_messages_in_the_order_of_the_wire(raw_client: StartRawClient, record: Path) -> None:
    with raw_client("--record", str(record)) as wire:
        wire.initialize()
        wire.send(b"".join(line("jobs.create", number, type="maintenance.backup") for number in range(20)))
        wire.close_stdin()
        received = wire.remaining()
        assert wire.exit_code() == 0
    header, first, *_, last = lines_of(record)
    assert header["transcript"] == 1
    assert {"protocol_version", "schema_hash", "server", "started_at"} <= header.keys()
    assert first["msg"]["method"] == "initialize"
    assert last == {"t": last["t"], "dir": "s2c", "exit": 0}
    assert sent_by_sidecar(record)[-len(received) :] == received
    assert [message["id"] for message in sent_by_client(record)] == ["call-1", *range(20)]
    times = [entry["t"] for entry in lines_of(record)[1:]]
    assert times == sorted(times)


def test_the_file_has_everything_that_the_client_received_before_a_kill(
    raw_client: StartRawClient, record: Path
) -> None:
    with raw_client("--record", str(record)) as wire:
        wire.initialize()
        created = wire.call("jobs.create", type="maintenance.backup", run_at="2100-01-01T00:00:00Z")
        wire.process.kill()
        wire.exit_code()
    assert created in [message.get("result") for message in sent_by_sidecar(record)]


def test_secrets_are_not_recorded_in_any_place(raw_client: StartRawClient, record: Path) -> None:
    params = {**CLIENT, "token": SESAME, "secrets": {"key": KEY}}
    escaped = json.dumps({"jsonrpc": "2.0", "id": 2, "method": "initialize", "params": params})
    with raw_client("--record", str(record), BACKEND_TOKEN="another") as wire:
        wire.send(line("initialize", 1, **params))
        wire.send(escaped.replace('"token"', '"\\u0074oken"').replace('"key"', '"k\\u0065y"').encode() + b"\n")
        wire.send(line("initialise", 3, token=SESAME))
        wire.send(line("jobs.create", 4, type="maintenance.backup", payload={"token": SESAME, "keep": 2}))
        wire.send(b"\xef\xbb\xbf" + line("initialize", 5, token=SESAME)[:-1] + b"\r\n")
        wire.send(b'{"jsonrpc":"2.0","id":6,"method":"initialize","params":{"token":"%s\n' % SESAME.encode())
        wire.send(b"[%s]\n" % line("initialize", 7, token=SESAME).strip())
        wire.close_stdin()
        wire.remaining()
        wire.exit_code()
    text = record.read_text("utf-8")
    assert SESAME not in text
    assert KEY not in text
    first, second, *_ = sent_by_client(record)
    assert first["params"] == {**CLIENT, "token": {"$secret": 1}, "secrets": {"key": {"$secret": 2}}}
    assert second["params"] == first["params"]  # the same value has the same number
    assert {"raw", "redacted"} <= next(entry for entry in lines_of(record) if "raw" in entry).keys()
    assert lines_of(record)  # each line is JSON


@pytest.mark.parametrize("keeps_files", [False, True])
def test_the_content_of_a_file_is_recorded_only_if_wanted(
    raw_client: StartRawClient, record: Path, *, keeps_files: bool
) -> None:
    data = base64(pdf())
    with raw_client("--record", str(record), *(["--record-files"] if keeps_files else [])) as wire:
        wire.initialize()
        content = [{"type": "file", "data": data, "name": "secret plans.pdf"}]
        wire.send(line("claude.spawn", 1, content=content))
        wire.close_stdin()
        wire.remaining()
    sent = next(one for one in sent_by_client(record) if one["method"] == "claude.spawn")["params"]["content"][0]
    assert sent["name"] == "secret plans.pdf"
    if keeps_files:
        assert sent["data"] == data
    else:
        described = f"{len(data)} characters of base64, sha256 {sha256(data.encode()).hexdigest()}"
        assert sent["data"]["$secret"] == described
        assert media_type(b64decode(sent["data"]["$like"])) == "application/pdf"
        assert data.encode() not in record.read_bytes()


@pytest.mark.parametrize("content", [png(), JPEG, GIF, WEBP, pdf(), b"text"])
def test_a_replay_sends_a_small_file_of_the_same_type(content: bytes) -> None:
    assert media_type(b64decode(example(base64(content)))) == media_type(content)


def test_a_secret_address_is_recorded_with_a_placeholder_to_send(raw_client: StartRawClient, record: Path) -> None:
    address = "https://example.com/ical/hush/basic.ics"
    account = {"provider": "ics", "email": "ada@example.com"}
    with raw_client("--record", str(record)) as wire:
        wire.send(line("calendar.accounts.create", 1, **account, credentials={"address": address}))
        wire.send(line("calendar.accounts.create", 2, **account, credentials={"address": "/home/hush/team.ics"}))
        wire.send(line("calendar.accounts.create", 3, **account, credentials={"address": "file:///hush/team.ics"}))
        wire.close_stdin()
        wire.remaining()
        wire.exit_code()
    assert [message["params"]["credentials"]["address"] for message in sent_by_client(record)] == [
        {"$secret": 1, "$like": placeholder_url(address)},
        {"$secret": 2},
        {"$secret": 3},
    ]
    assert "hush" not in record.read_text("utf-8")


def test_a_secret_of_one_line_is_not_recorded_in_the_others_of_the_same_turn(record: Path) -> None:
    plain, secret = request(1, "system.health"), request(2, "initialise", tokne=SESAME)
    echo, after = answer(2, said=f"no method takes {SESAME} here"), answer(3, status="ok")
    recorder = Recorder(record, {}, Redactor(contract_facts()), time.monotonic)
    recorder.on_receive()
    recorder.received += [json.dumps(one).encode() for one in (plain, secret, plain)]
    recorder.on_send(b"".join(json.dumps(one).encode() + b"\n" for one in (answer(1), echo, after)))
    recorder.close(0)
    assert SESAME not in record.read_text("utf-8")
    first, redacted, last = sent_by_client(record)
    assert (first, last) == (plain, plain)
    assert redacted["params"] == {"tokne": {"$secret": 1}}
    begin, said, end = sent_by_sidecar(record)
    assert (begin, end) == (answer(1), after)
    assert said["result"]["said"]["$re"].startswith("no method takes ")


def test_lines_that_are_not_json_are_recorded_unchanged(raw_client: StartRawClient, record: Path) -> None:
    with raw_client("--record", str(record)) as wire:
        wire.send(b"no JSON \xff\n\n  \n" + line("system.health", 1))
        wire.answer(1)
    raw = [entry["raw"] for entry in lines_of(record) if "raw" in entry]
    assert raw == ["bm8gSlNPTiD/"]


def test_another_run_is_appended_even_after_an_incomplete_line(raw_client: StartRawClient, record: Path) -> None:
    for _ in range(2):
        with raw_client("--record", str(record)) as wire:
            wire.initialize()
            wire.process.kill()
            wire.exit_code()
        record.write_bytes(record.read_bytes() + b'{"t":1.5,"di')  # as after a power failure
    text = record.read_bytes()
    assert text.count(b'"transcript":1') == 2
    assert text.count(b'\n{"t":1.5,"di\n{"transcript"') == 1


def test_a_full_disk_ends_the_recording_and_not_the_sidecar(raw_client: StartRawClient) -> None:
    with raw_client("--record", "/dev/full") as wire:
        assert wire.initialize()["protocol_version"] == 1
        assert wire.call("system.health")["status"] == "ok"
        wire.close_stdin()
        assert wire.exit_code() == 0
        assert any("recording stopped" in entry["msg"] for entry in wire.log())


def test_a_file_that_cannot_be_opened_is_reported_at_start(raw_client: StartRawClient, tmp_path: Path) -> None:
    with raw_client("--record", str(tmp_path / "missing" / "file.jsonl")) as wire:
        assert wire.exit_code() == 74
        assert "missing" in wire.errors.read_text("utf-8")
