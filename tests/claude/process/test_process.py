"""One CLI process: its lines, its pipes and its descriptors."""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.claude.process.cli_process import ClaudeProcess, LineSplitter, RunOptions, start
from tests.claude.harness import until


async def finished(executable: Path, prompt: str, cwd: Path) -> tuple[ClaudeProcess, list[bytes]]:
    """Runs a prompt to the end of the process; returns it and its lines."""
    lines: list[bytes] = []

    def on_line(line: bytes, parsed: Mapping[str, Any] | None) -> None:
        assert parsed is None or parsed == json.loads(line)
        lines.append(line)

    with anyio.fail_after(120):
        process = await start(executable, RunOptions(), cwd=cwd, environment=dict(os.environ), on_line=on_line)
        process.send_prompt(prompt)
        await process.prompt_done.wait()
        process.close_stdin()
        await process.closed.wait()
    process.release()
    return process, lines


def open_files(pid: str, names: str | None = None) -> set[str]:
    """Returns the targets of a process's descriptors, all or those whose number is in `names`."""
    folder = Path("/proc", pid, "fd")
    found: set[str] = set()
    for fd in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found |= {str(fd.readlink())} if names is None or fd.name in names else set()
    return found


@given(st.lists(st.binary(max_size=9).map(lambda line: line.replace(b"\n", b""))), st.integers(1, 7))
def test_lines_are_restored_from_chunks_of_any_size(lines: list[bytes], size: int) -> None:
    sent = b"".join(line + b"\n" for line in lines)
    splitter = LineSplitter()
    chunks = [sent[at : at + size] for at in range(0, len(sent), size)]
    assert [line for chunk in chunks for line in splitter.feed(chunk)] == lines


def test_only_a_line_feed_ends_a_line() -> None:
    line = "a\u2028b\x85c\rd".encode()
    assert LineSplitter().feed(line + b"\n") == [line]


def test_a_line_over_the_limit_is_dropped_and_the_next_is_not() -> None:
    splitter = LineSplitter(limit=4)
    received = [splitter.feed(chunk) for chunk in (b"okay\ntoo", b" long", b"er\nfine\n", b"12345\n1234\n")]
    assert received == [[b"okay"], [], [b"fine"], [b"1234"]]
    assert splitter.dropped == 2


async def test_an_exit_is_noticed_while_a_grandchild_holds_the_pipe(standin: Path, tmp_path: Path) -> None:
    grandchildren: list[int] = []

    def on_line(line: bytes, parsed: Mapping[str, Any] | None) -> None:
        del parsed
        event = json.loads(line).get("event", {})
        if event.get("type") == "content_block_delta":
            grandchildren.append(int(event["delta"]["text"]))

    with anyio.fail_after(120):
        process = await start(standin, RunOptions(), cwd=tmp_path, environment=dict(os.environ), on_line=on_line)
        process.send_prompt("[[holder]] [[exit:3]]")
        await process.exited.wait()
        assert (process.exit_code, process.closed.is_set()) == (3, False)
        await until(lambda: grandchildren)
        os.kill(grandchildren[0], signal.SIGKILL)
        await process.closed.wait()
    process.release()


async def test_the_last_eight_kibibytes_of_stderr_are_kept(standin: Path, tmp_path: Path) -> None:
    process, _ = await finished(standin, f"[[stderr:{'x' * 20_000}THE END]]", tmp_path)
    assert len(process.stderr_tail) == 8 * 1024
    assert process.stderr_tail.endswith("THE END\n")


async def test_a_line_of_many_megabytes_arrives_whole(standin: Path, tmp_path: Path) -> None:
    _, lines = await finished(standin, "[[huge:9000000]]", tmp_path)
    assert max(len(line) for line in lines) > 9_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_the_cli_has_none_of_our_descriptors_and_a_session_of_its_own(standin: Path, tmp_path: Path) -> None:
    seen: list[tuple[set[str], int, int]] = []
    ours = open_files("self", "012") - {"/dev/null"}

    def on_line(line: bytes, parsed: Mapping[str, Any] | None) -> None:
        del line, parsed
        if not seen:  # at the first line, since the process has started by then
            seen.append((open_files(str(process.pid)), os.getsid(process.pid), os.getpgid(process.pid)))

    with anyio.fail_after(120):
        process = await start(standin, RunOptions(), cwd=tmp_path, environment=dict(os.environ), on_line=on_line)
        process.send_prompt("hi")
        await process.prompt_done.wait()
        process.close_stdin()
        await process.closed.wait()
    process.release()
    descriptors, session, group = seen[0]
    assert descriptors.isdisjoint(ours)
    assert (session, group) == (process.pid, process.pid)


async def test_sending_to_a_process_that_has_exited_does_nothing(standin: Path, tmp_path: Path) -> None:
    process, _ = await finished(standin, "[[exit:3]]", tmp_path)
    process.send({"type": "user"})
    process.close_stdin()
    process.terminate()
    assert process.exit_code == 3
