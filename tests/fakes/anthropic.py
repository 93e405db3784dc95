"""A fake Messages API on loopback for the real `claude`.

Directives in the last user prompt control the answer; without one the prompt is echoed:
  [[text:HELLO]]       answers HELLO                   [[big:N]]            answers with N characters
  [[slow:N]]           N words, 50 ms apart            [[gate:N]]           N words, each waits for `release`
  [[error:401]]        an API error, every time        [[error:529:2]]      an API error for the first 2 requests
  [[limit:EPOCH]]      the first time: a subscription's usage limit that resets then (needs an OAuth token)
  [[limitafter:EPOCH]] the same once, but at the result of a tool
  [[near:EPOCH]]       answers, and says that a limit is nearly reached (needs an OAuth token)
  [[cut]]              the first time: drops the connection mid-answer      [[hang]]  answers nothing until `close`
  [[refuse]]           stop_reason "refusal", always   [[tool:bash:CMD]]    calls Bash, then reports its result
  [[call:NAME:JSON]]   calls any tool, several in one message; [[say:TEXT]] is the answer then, instead of their results
  [[think:TEXT]]       thinks before the answer, in two pieces      [[redacted]]  thinks what the API redacts
A prompt in the `script` is answered by its blocks, one list per request until the turn ends, texts word by word.
`python -m tests.fakes.anthropic --port 0 [--script FILE]` prints the URL and serves until standard input ends; each
line of input is a number of words to release from gates.
"""

import argparse
import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.server import FakeHandler, FakeServer

DIRECTIVE = re.compile(r"\[\[(\w+)(?::(.*?))?\]\]", re.DOTALL)
ALLOWED_LATE = re.compile(r"one call of (\w+) with exactly this input:\n(.*)\n")
WORD_PAUSE_S = 0.05
USAGE = {"input_tokens": 12, "output_tokens": 9, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 4}
"""The tokens of each answer."""
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


@dataclass(frozen=True, slots=True)
class Request:
    """A received request, with header names in lower case and the parsed body, if any."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any

    @property
    def prompt(self) -> str:
        """The last text of the last user message, without the reminders of the CLI.

        The CLI joins prompts without an answer into one message with several texts.
        """
        texts = [block["text"] for block in self.user_blocks if block.get("type") == "text"]
        return str((texts or [""])[-1]).removesuffix("\n")

    @property
    def user_blocks(self) -> list[dict[str, Any]]:
        """The content blocks of the last user message, without the reminders of the CLI."""
        written = ("<system-reminder>", "[Image: ")
        return [block for block in self.blocks if not block.get("text", "").lstrip().startswith(written)]

    @property
    def blocks(self) -> list[dict[str, Any]]:
        """The content blocks of the last user message."""
        content = [m["content"] for m in self.body["messages"] if m["role"] == "user"][-1]
        return [{"type": "text", "text": content}] if isinstance(content, str) else content

    @property
    def directives(self) -> dict[str, str]:
        """The directives of the prompt: name -> argument."""
        return {name: argument or "" for name, argument in DIRECTIVE.findall(self.prompt)}


class FakeAnthropic(FakeServer):
    """The server: `with FakeAnthropic() as api: ... api.url, api.requests, api.environment(home)`."""

    def __init__(self, port: int = 0, script: Mapping[str, list[list[dict[str, Any]]]] | None = None) -> None:
        self.script = script or {}
        self.requests: list[Request] = []
        self.limited: set[str] = set()
        self.answers = 0
        """The number of complete answers, each of `USAGE`, without those of one token, which the CLI leaves out."""
        self.begun = 0
        """The number of answers that were begun; one that is broken off costs its input and what it has written."""
        self.written = 0
        """The size of all streamed events; from their texts the CLI estimates the tokens of a broken-off answer."""
        """The size of all streamed events; from their texts the CLI estimates the tokens of a broken-off answer."""
        self._arrived = threading.Condition()
        self._gate = threading.Semaphore(0)
        super().__init__(_Handler, port)

    def environment(self, home: Path) -> dict[str, str]:
        """Returns the whole environment for a run of the real CLI that connects to this server only."""
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home),
            "CLAUDE_CONFIG_DIR": str(home / ".claude"),
            "ANTHROPIC_BASE_URL": self.url,
            "ANTHROPIC_API_KEY": "dummy",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_RETRIES": "0",  # by default it retries 10 times, for minutes
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_ERROR_REPORTING": "1",
            "DISABLE_TELEMETRY": "1",
        }
        if sys.platform != "win32" and os.geteuid() == 0:
            environment["IS_SANDBOX"] = "1"  # root needs it for bypassPermissions
        return environment

    @property
    def billed(self) -> dict[str, int]:
        """The tokens of all complete answers."""
        return {name: count * self.answers for name, count in USAGE.items()}

    @property
    def at_most_billed(self) -> dict[str, int]:
        """The tokens of all answers, also of those that were broken off."""
        return {name: count * max(self.begun, self.answers) for name, count in USAGE.items()}

    def messages(self) -> list[Request]:
        """Returns the model requests so far, the oldest first."""
        return [request for request in self.requests if request.path.split("?")[0] == "/v1/messages"]

    def wait_for_messages(self, count: int, timeout_s: float = 60.0) -> None:
        """Blocks until `count` model requests have arrived; call it in a thread."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.messages()) >= count, timeout_s):
                raise TimeoutError(f"{len(self.messages())} of {count} model requests arrived within {timeout_s} s")

    def release(self, words: int = 1) -> None:
        """Releases this number of words of a [[gate:N]] answer."""
        self._gate.release(words)

    def record(self, request: Request) -> int:
        """Records a request; returns the number of requests with this prompt so far."""
        with self._arrived:
            self.requests.append(request)
            self._arrived.notify_all()
            return sum(1 for r in self.messages() if request.body is not None and r.prompt == request.prompt)

    def words(self, directives: Mapping[str, str]) -> Iterator[str]:
        """Yields the words of an answer at the pace of its directives."""
        for index in range(int(directives.get("slow", 0))):
            if self.is_closing.wait(WORD_PAUSE_S):
                return
            yield f"w{index} "
        for index in range(int(directives.get("gate", 0))):
            while not self._gate.acquire(timeout=WORD_PAUSE_S):
                if self.is_closing.is_set():
                    return
            yield f"w{index} "


class _Handler(FakeHandler["FakeAnthropic"]):
    def respond(self, body: bytes) -> None:
        request, times = self._record(json.loads(body) if body else None)
        path = self.path.split("?")[0]
        if self.command == "HEAD":
            self.send_bytes(200, b"", {})
        elif path == "/v1/messages/count_tokens":
            self.send_json(200, {"input_tokens": 10})
        elif path != "/v1/messages":
            self.send_json(404, _error(404, "no such path"))
        else:
            self._message(request, times)

    def _record(self, body: Any) -> tuple[Request, int]:
        request = Request(self.command, self.path, self.lower_headers, body)
        return request, self.fake.record(request)

    def _message(self, request: Request, times: int) -> None:
        directives = request.directives
        status, _, limit = directives.get("error", "").partition(":")
        messages = json.dumps(request.body["messages"])
        if "[[refuseimages]]" in messages and '"type": "image"' in messages:
            self.send_json(400, _error(400, "Could not process image"))
            return
        if status and (not limit or times <= int(limit)):
            headers = {"Retry-After": "0"} if status == "429" else {}
            error = _error(int(status), f"fake {ERROR_TYPES.get(int(status), 'api_error')}")
            self.send_json(int(status), error, headers)
        elif reset := directives.get("limit" if times == 1 else "") or self._limit_after(request):
            headers = {"status": "rejected", "reset": reset, "representative-claim": "five_hour"}
            unified = {f"anthropic-ratelimit-unified-{name}": value for name, value in headers.items()}
            self.send_json(429, _error(429, "fake usage limit"), unified)
        elif "hang" in directives:
            self.fake.is_closing.wait()
        elif request.body.get("stream"):
            self._stream(request, directives, times)
        else:
            blocks, stop_reason = _answer(request, directives)
            blocks = blocks or [{"type": "text", "text": "".join(self.fake.words(directives))}]
            self.fake.answers += request.body.get("max_tokens") != 1
            self.fake.begun += request.body.get("max_tokens") != 1
            self.send_json(
                200, _envelope(request, content=blocks, stop_reason=stop_reason, output_tokens=USAGE["output_tokens"])
            )

    def _limit_after(self, request: Request) -> str | None:
        """Returns the reset of [[limitafter]] if the request has a tool's result, and is the first one of that kind."""
        found = re.search(r"\[\[limitafter:(\d+)\]\]", json.dumps(request.body["messages"]))
        has_result = any(block.get("type") == "tool_result" for block in request.blocks)
        if found is None or not has_result or found[1] in self.fake.limited:
            return None
        self.fake.limited.add(found[1])
        return found[1]

    def _stream(self, request: Request, directives: Mapping[str, str], times: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        for name, value in _near_limit(directives.get("near")).items():
            self.send_header(f"anthropic-ratelimit-unified-{name}", value)
        self.end_headers()
        self.close_connection = True
        self.fake.begun += 1
        self._event("message_start", message=_envelope(request, content=[], stop_reason=None))
        scripted = self._scripted(request)
        blocks, stop_reason = scripted or _answer(request, directives)
        if blocks == []:
            self._text_block(0, self.fake.words(directives))
        for index, block in enumerate(blocks):
            if block["type"] == "text":
                cut = "cut" in directives and times == 1
                whole = self._slowly(block["text"]) if scripted else [block["text"]]
                self._text_block(index, [block["text"][:3]] if cut else whole)
                if cut:
                    return
            elif "thinking" in block["type"]:
                self._thinking_block(index, block)
            else:
                self._tool_block(index, block)
        self._event(
            "message_delta",
            delta={"stop_reason": stop_reason, "stop_sequence": None},
            usage={"output_tokens": USAGE["output_tokens"]},
        )
        self.fake.answers += 1
        self._event("message_stop")

    def _scripted(self, request: Request) -> tuple[list[dict[str, Any]], str] | None:
        """Returns the script's next blocks and stop reason, or None if the prompt is not in the script."""
        answers = 0
        for message in reversed(request.body["messages"]):
            content = message["content"]
            texts = [content] if isinstance(content, str) else [block.get("text") for block in content]
            answers += message["role"] == "assistant"
            for steps in (self.fake.script[text] for text in texts if text in self.fake.script):
                blocks = [
                    {"id": f"toolu_{answers}_{id(request)}", **block} if block["type"] == "tool_use" else block
                    for block in steps[answers]
                ]
                return blocks, "tool_use" if blocks[-1]["type"] == "tool_use" else "end_turn"
        return None

    def _slowly(self, text: str) -> Iterator[str]:
        for word in re.findall(r"\S+\s*", text):
            yield word
            time.sleep(WORD_PAUSE_S / 5)

    def _text_block(self, index: int, pieces: "Iterator[str] | list[str]") -> None:
        self._event("content_block_start", index=index, content_block={"type": "text", "text": ""})
        for piece in pieces:
            self._event("content_block_delta", index=index, delta={"type": "text_delta", "text": piece})
        self._event("content_block_stop", index=index)

    def _tool_block(self, index: int, block: dict[str, Any]) -> None:
        self._event("content_block_start", index=index, content_block={**block, "input": {}})
        arguments = json.dumps(block["input"])
        self._event("content_block_delta", index=index, delta={"type": "input_json_delta", "partial_json": arguments})
        self._event("content_block_stop", index=index)

    def _thinking_block(self, index: int, block: dict[str, Any]) -> None:
        is_redacted = block["type"] == "redacted_thinking"
        empty = block if is_redacted else {**block, "thinking": "", "signature": ""}
        self._event("content_block_start", index=index, content_block=empty)
        text = block.get("thinking", "")
        for piece in [] if is_redacted else [text[: len(text) // 2], text[len(text) // 2 :]]:
            self._event("content_block_delta", index=index, delta={"type": "thinking_delta", "thinking": piece})
        if not is_redacted:
            self._event("content_block_delta", index=index, delta={"type": "signature_delta", "signature": "c2ln"})
        self._event("content_block_stop", index=index)

    def _event(self, name: str, **fields: Any) -> None:
        event = f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()
        self.fake.written += len(event)
        self.wfile.write(event)
        self.wfile.flush()


def _near_limit(reset: str | None) -> dict[str, str]:
    """Returns the headers of a subscription that has used 93 % of its five hours, without their common prefix."""
    if reset is None:
        return {}
    status = "allowed_warning"
    window = {"5h-utilization": "0.93", "5h-reset": reset, "5h-status": status, "5h-surpassed-threshold": "0.9"}
    return {"status": status, "reset": reset, "representative-claim": "five_hour", **window}


def _answer(request: Request, directives: Mapping[str, str]) -> tuple[list[dict[str, Any]], str]:
    """Returns content blocks and stop reason; no blocks means the words of `FakeAnthropic.words`."""
    last = request.user_blocks[-1] if request.user_blocks else {}
    if last.get("type") == "tool_result":  # not a result of an earlier, interrupted turn
        return [_text(_said(request) or f"tool said: {_flat(last['content'])}")], "end_turn"
    if calls := list(_calls(request.prompt)):
        blocks = [
            {"type": "tool_use", "id": f"toolu_{index}_{id(request)}", "name": name, "input": values}
            for index, (name, values) in enumerate(calls)
        ]
        return [_text(f"I will use {calls[0][0]}."), *blocks], "tool_use"
    if "slow" in directives or "gate" in directives:
        return [], "end_turn"
    if "[[refuse]]" in json.dumps(request.body["messages"]):  # the CLI repeats the request in other words
        return [_text("I cannot help with that.")], "refusal"
    if "big" in directives:
        return [_text("x" * int(directives["big"]))], "end_turn"
    thoughts: list[dict[str, Any]] = []
    if "think" in directives:
        thoughts.append({"type": "thinking", "thinking": directives["think"], "signature": "c2ln"})
    if "redacted" in directives:
        thoughts.append({"type": "redacted_thinking", "data": "REDACTED-DATA"})
    return [*thoughts, _text(directives.get("text", f"echo: {request.prompt}"))], "end_turn"


def _calls(prompt: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the tool calls that a prompt requests: name and input."""
    yield from ((name, json.loads(values)) for name, values in ALLOWED_LATE.findall(prompt))
    for directive, argument in DIRECTIVE.findall(prompt):
        name, _, value = argument.partition(":")
        if directive == "tool" and name == "bash":
            yield "Bash", {"command": value, "description": "fake"}
        elif directive == "call":
            yield name, json.loads(value)


def _said(request: Request) -> str | None:
    """Returns what the last prompt, also one before tools' results, wants as the answer to them."""
    users = (one for one in reversed(request.body["messages"]) if one["role"] == "user")
    return next(filter(None, (Request("", "", {}, {"messages": [one]}).directives for one in users)), {}).get("say")


def _flat(content: Any) -> str:
    return content if isinstance(content, str) else "".join(block.get("text", "") for block in content or [])


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _envelope(
    request: Request, *, content: list[dict[str, Any]], stop_reason: str | None, output_tokens: int = 1
) -> dict[str, Any]:
    return {
        "id": f"msg_fake{id(request)}",
        "type": "message",
        "role": "assistant",
        "model": request.body["model"],
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": USAGE | {"output_tokens": output_tokens},
    }


def _error(status: int, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": ERROR_TYPES.get(status, "api_error"), "message": message}}


def main() -> None:
    """Serves until standard input ends."""
    parser = argparse.ArgumentParser(description="A fake Messages API on loopback.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--script", type=Path, help="JSON: prompt -> the blocks of each answer")
    arguments = parser.parse_args()
    script = json.loads(arguments.script.read_text(encoding="utf-8")) if arguments.script else None
    with FakeAnthropic(arguments.port, script) as fake:
        print(fake.url, flush=True)
        for line in sys.stdin:
            fake.release(int(line))
            print("released", flush=True)


if __name__ == "__main__":
    main()
