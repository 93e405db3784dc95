"""The clouds on tape: recorded once from a real server, played without one, and with no secret in the file."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urljoin

import pytest

from sidecar.http import Http, HttpRequest, HttpResponse, ServerUnreachable
from sidecar.transcripts.file.addresses import digest_of, stand_in
from sidecar.transcripts.upstream import NotOnTape, UpstreamPlayer, UpstreamRecorder
from tests.loopback import ManualClock
from tests.test_http import OK, Server, refusal

LISTS = '{"items":["%s"]}'
SECRETS = ("secret-path", "secret-key", "hush", "a-token", "another-token", "basic-password")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A real server on loopback."""
    made = Server(0)
    listening = await asyncio.start_server(made.handle, "127.0.0.1", 0)
    made.url = made.url.replace(":0/", f":{listening.sockets[0].getsockname()[1]}/")
    async with listening:
        yield made


async def _ask(upstream: UpstreamRecorder | UpstreamPlayer, *requests: HttpRequest) -> list[HttpResponse]:
    http = Http(ManualClock(), random_fraction=lambda: 0.5, sleep=_at_once, upstream=upstream)
    try:
        return [await http.send(request) for request in requests]
    finally:
        await http.close()


async def _at_once(_: float) -> None:
    return


def body(text: str) -> bytes:
    """An answer with this JSON."""
    head = (
        f"HTTP/1.1 200 OK\r\nConnection: close\r\nSet-Cookie: hush\r\nETag: e1\r\nContent-Length: {len(text)}\r\n\r\n"
    )
    return (head + text).encode()


async def test_what_was_recorded_is_played_without_the_server(server: Server, tmp_path: Path) -> None:
    tape = tmp_path / "clouds.upstream"
    token = HttpRequest(
        "POST", server.url, "Google's tokens", form={"code": "hush", "grant_type": "authorization_code"}
    )
    items = HttpRequest("GET", server.url, "The calendar", params=[("page", "1")], auth=("me", "basic-password"))
    server.answers = [
        body('{"access_token":"a-token","refresh_token":"another-token","expires_in":3600}'),
        refusal(503),
        body(LISTS % "first"),
        body(LISTS % "second"),
    ]
    recorded = await _ask(UpstreamRecorder(tape), token, items, items)
    server.answers = [refusal(500)]  # nobody asks it any more
    played = await _ask(UpstreamPlayer(tape), token, items, items)
    assert len(server.heard) == 4
    assert [answer.json() for answer in played[1:]] == [answer.json() for answer in recorded[1:]]
    assert played[0].json() == {
        "access_token": "recorded-access_token",
        "refresh_token": "recorded-refresh_token",
        "expires_in": 3600,
    }
    assert played[1].headers == {"etag": "e1"}
    text = tape.read_text("utf-8")
    assert not any(secret in text for secret in SECRETS)
    assert [json.loads(line)["status"] for line in text.splitlines()] == [200, 503, 200, 200]


async def test_a_request_that_differs_only_in_its_secrets_is_the_same_and_any_other_is_refused(
    server: Server, tmp_path: Path
) -> None:
    tape = tmp_path / "clouds.upstream"
    server.answers = [OK]
    await _ask(
        UpstreamRecorder(tape), HttpRequest("POST", server.url, "Tokens", form={"code": "one", "redirect_uri": "x"})
    )
    again = HttpRequest("POST", server.url, "Tokens", form={"code": "two", "redirect_uri": "x"})
    assert (await _ask(UpstreamPlayer(tape), again, again))[1].json() == {}
    with pytest.raises(NotOnTape, match="Tokens: POST was not recorded like this"):
        await _ask(UpstreamPlayer(tape), HttpRequest("POST", server.url, "Tokens", form={"redirect_uri": "y"}))


async def test_where_a_secret_address_leads_is_played_without_being_shown(server: Server, tmp_path: Path) -> None:
    tape = tmp_path / "clouds.upstream"
    moved = refusal(302, "Location: /where?hush\r\n")
    server.answers = [moved, body('{"at":"the end"}'), moved, refusal(404)]

    async def followed(upstream: UpstreamRecorder | UpstreamPlayer, address: str) -> list[HttpResponse]:
        answers = []
        for _ in range(2):
            ask = partial(HttpRequest, "GET", what="The calendar's address", has_secret_address=True)
            answers += await _ask(upstream, ask(address))
            answers += await _ask(upstream, ask(urljoin(address, answers[-1].headers["location"])))
        return answers

    recorded = await followed(UpstreamRecorder(tape), server.url)
    assert [answer.status for answer in recorded] == [302, 200, 302, 404]
    for address in (server.url, stand_in(server.url)):  # by what stands for it in a transcript, too
        played = await followed(UpstreamPlayer(tape), address)
        assert [(one.status, one.body) for one in played] == [(one.status, one.body) for one in recorded]
        assert played[0].headers["location"] == stand_in(urljoin(server.url, "/where?hush"))
    text = tape.read_text("utf-8")
    assert not any(part in text for part in ("secret-path", "secret-key", "where", "hush"))


async def test_where_any_other_address_leads_is_kept_but_for_what_may_be_a_token(
    server: Server, tmp_path: Path
) -> None:
    tape = tmp_path / "clouds.upstream"
    asked = HttpRequest("GET", server.url, "Jira's sign-in")
    places = ("https://me:hush@id.example.com/login?continue=hush#hush", "/login?hush", "http://[")
    server.answers = [refusal(302, f"Location: {place}\r\n") for place in places]
    await _ask(UpstreamRecorder(tape), *[asked] * 3)
    origin = server.url.partition("/secret-path")[0]
    played = await _ask(UpstreamPlayer(tape), *[asked] * 3)
    kept = ["https://id.example.com/login", f"{origin}/login", "http://["]
    assert [answer.headers["location"] for answer in played] == kept


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://example.com/private/basic.ics", "https://recorded.invalid/"),
        ("webcal://example.com/private/basic.ics", "webcal://recorded.invalid/"),
        (" HTTPS://example.com/private/basic.ics ", "https://recorded.invalid/"),
        ("http://127.0.0.1:8080/private/basic.ics", "http://localhost/recorded/"),
        ("http://example.com/private/basic.ics", "http://recorded.invalid/"),
    ],
)
def test_what_stands_for_an_address_is_of_its_kind_and_stands_for_itself(address: str, shown: str) -> None:
    made = stand_in(address)
    assert made == shown + digest_of(address)
    assert (digest_of(made), stand_in(made)) == (digest_of(address), made)
    assert digest_of(address) != digest_of(address.replace("basic", "other"))


async def test_that_nothing_has_changed_is_said_only_to_who_asks_for_that(server: Server, tmp_path: Path) -> None:
    tape = tmp_path / "clouds.upstream"
    plain = HttpRequest("GET", server.url, "The calendar")
    conditional = replace(plain, headers={"If-None-Match": "e1"})
    server.answers = [body("{}"), refusal(304)]
    await _ask(UpstreamRecorder(tape), plain, conditional)
    played = await _ask(UpstreamPlayer(tape), conditional, plain, conditional, plain)
    assert [answer.status for answer in played] == [304, 200, 304, 200]


@pytest.mark.parametrize("content", [b"BEGIN:VCALENDAR\r\nSUMMARY:Caf\xc3\xa9\r\n", b"\xff\xfe\x00", b""])
async def test_what_is_no_json_is_played_byte_for_byte(server: Server, tmp_path: Path, content: bytes) -> None:
    tape = tmp_path / "clouds.upstream"
    asked = HttpRequest("GET", server.url, "The calendar")
    server.answers = [refusal(404, body=content)]
    await _ask(UpstreamRecorder(tape), asked)
    assert (await _ask(UpstreamPlayer(tape), asked))[0].body == content


def test_what_is_no_recording_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "not.upstream"
    path.write_text('{"key":"a"}\nno JSON\n')
    with pytest.raises(ValueError, match=r"not\.upstream:2"):
        UpstreamPlayer(path)


async def test_that_no_answer_came_is_played_too(tmp_path: Path) -> None:
    tape = tmp_path / "clouds.upstream"
    nobody = HttpRequest("GET", "http://127.0.0.1:1/", "The calendar", repeatable=False)
    for upstream in (UpstreamRecorder(tape), UpstreamPlayer):
        with pytest.raises(ServerUnreachable, match="The calendar: the server could not be reached"):
            await _ask(upstream if isinstance(upstream, UpstreamRecorder) else upstream(tape), nobody)
    assert json.loads(tape.read_text("utf-8"))["trouble"] == "ServerUnreachable"
