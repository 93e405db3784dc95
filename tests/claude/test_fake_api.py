"""The fake Messages API as a program, as the tests of the Node host start it."""

import json
import sys
import urllib.request
from pathlib import Path
from subprocess import PIPE, Popen

ROOT = Path(__file__).parents[2]


def test_the_fake_api_tells_its_url_answers_and_ends_with_its_stdin() -> None:
    with Popen(
        [sys.executable, "-m", "tests.fakes.anthropic", "--port", "0"], cwd=ROOT, stdin=PIPE, stdout=PIPE
    ) as fake:
        assert fake.stdin is not None
        assert fake.stdout is not None
        url = fake.stdout.readline().decode().strip()
        body = {"model": "m", "messages": [{"role": "user", "content": "[[text:hello]]"}]}
        request = urllib.request.Request(f"{url}/v1/messages", json.dumps(body).encode())  # noqa: S310 - our own URL
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            assert json.load(answer)["content"] == [{"type": "text", "text": "hello"}]
        fake.stdin.close()
        assert fake.wait(timeout=10) == 0
