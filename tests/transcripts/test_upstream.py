"""Upstream recordings: recorded from a real server, played back without one, and without secrets in the file."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urljoin

import pytest

from sidecar.http.client import Http, HttpRequest, HttpResponse, NotRecorded, ServerUnreachable
from sidecar.transcripts.file.addresses import address_digest, placeholder_url
from sidecar.transcripts.upstream import UpstreamPlayer, UpstreamRecorder
from tests.in_process_app import ManualClock
from tests.test_http import OK, Server, refusal, server

__all__ = ["server"]

LISTS = '{"items":["%s"]}'
SECRETS = ("secret-path", "secret-key", "hush", "a-token", "another-token", "basic-password")


async def _send(upstream: UpstreamRecorder | UpstreamPlayer, *requests: HttpRequest) -> list[HttpResponse]:
    http = Http(ManualClock(), random_fraction=lambda: 0.5, sleep=_at_once, upstream=upstream)
    try:
        return [await http.send(request) for request in requests]
    finally:
        await http.close()


async def _at_once(_: float) -> None:
    return


def body(text: str) -> bytes:
    """Returns an HTTP response with this JSON."""
    head = (
        f"HTTP/1.1 200 OK\r\nConnection: close\r\nSet-Cookie: hush\r\nETag: e1\r\nContent-Length: {len(text)}\r\n\r\n"
    )
    return (head + text).encode()


async def test_recorded_answers_are_played_without_the_server(server: Server, tmp_path: Path) -> None:
    recording = tmp_path / "clouds.upstream"
    token = HttpRequest(
        "POST", server.url, "Google's tokens", form={"code": "hush", "grant_type": "authorization_code"}
    )
    items = HttpRequest("GET", server.url, "The calendar", params=[("page", "1")], auth=("me", "basic-password"))
    server.responses = [
        body('{"access_token":"a-token","refresh_token":"another-token","expires_in":3600}'),
        refusal(503),
        body(LISTS % "first"),
        body(LISTS % "second"),
    ]
    recorded = await _send(UpstreamRecorder(recording), token, items, items)
    server.responses = [refusal(500)]  # not used
    played = await _send(UpstreamPlayer(recording), token, items, items)
    assert len(server.requests) == 4
    assert [answer.json("The page") for answer in played[1:]] == [answer.json("The page") for answer in recorded[1:]]
    assert played[0].json("The page") == {
        "access_token": "recorded-access_token",
        "refresh_token": "recorded-refresh_token",
        "expires_in": 3600,
    }
    assert played[1].headers == {"etag": "e1"}
    text = recording.read_text("utf-8")
    assert not any(secret in text for secret in SECRETS)
    assert [json.loads(line)["status"] for line in text.splitlines()] == [200, 503, 200, 200]


async def test_requests_that_differ_only_in_secrets_are_the_same_and_others_are_refused(
    server: Server, tmp_path: Path
) -> None:
    recording = tmp_path / "clouds.upstream"
    server.responses = [OK]
    await _send(
        UpstreamRecorder(recording),
        HttpRequest("POST", server.url, "Tokens", form={"code": "one", "redirect_uri": "x"}),
    )
    again = HttpRequest("POST", server.url, "Tokens", form={"code": "two", "redirect_uri": "x"})
    assert (await _send(UpstreamPlayer(recording), again, again))[1].json("The page") == {}
    with pytest.raises(NotRecorded, match="Tokens: this POST request was not recorded"):
        await _send(UpstreamPlayer(recording), HttpRequest("POST", server.url, "Tokens", form={"redirect_uri": "y"}))


async def test_redirects_from_a_secret_address_are_played_without_being_shown(server: Server, tmp_path: Path) -> None:
    recording = tmp_path / "clouds.upstream"
    moved = refusal(302, "Location: /where?hush\r\n")
    server.responses = [moved, body('{"at":"the end"}'), moved, refusal(404)]

    async def followed(upstream: UpstreamRecorder | UpstreamPlayer, address: str) -> list[HttpResponse]:
        answers = []
        for _ in range(2):
            make_request = partial(HttpRequest, "GET", what="The calendar's address", has_secret_address=True)
            answers += await _send(upstream, make_request(address))
            answers += await _send(upstream, make_request(urljoin(address, answers[-1].headers["location"])))
        return answers

    recorded = await followed(UpstreamRecorder(recording), server.url)
    assert [answer.status for answer in recorded] == [302, 200, 302, 404]
    for address in (server.url, placeholder_url(server.url)):  # also by its placeholder in a transcript
        played = await followed(UpstreamPlayer(recording), address)
        assert [(one.status, one.body) for one in played] == [(one.status, one.body) for one in recorded]
        assert played[0].headers["location"] == placeholder_url(urljoin(server.url, "/where?hush"))
    text = recording.read_text("utf-8")
    assert not any(part in text for part in ("secret-path", "secret-key", "where", "hush"))


async def test_redirects_from_other_addresses_are_recorded_without_possible_tokens(
    server: Server, tmp_path: Path
) -> None:
    recording = tmp_path / "clouds.upstream"
    request = HttpRequest("GET", server.url, "Jira's sign-in")
    places = ("https://me:hush@id.example.com/login?continue=hush#hush", "/login?hush", "http://[")
    server.responses = [refusal(302, f"Location: {place}\r\n") for place in places]
    await _send(UpstreamRecorder(recording), *[request] * 3)
    origin = server.url.partition("/secret-path")[0]
    played = await _send(UpstreamPlayer(recording), *[request] * 3)
    targets = ["https://id.example.com/login", f"{origin}/login", "http://["]
    assert [answer.headers["location"] for answer in played] == targets


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
def test_a_placeholder_has_the_scheme_of_its_address_and_the_same_digest(address: str, shown: str) -> None:
    placeholder = placeholder_url(address)
    assert placeholder == shown + address_digest(address)
    assert (address_digest(placeholder), placeholder_url(placeholder)) == (address_digest(address), placeholder)
    assert address_digest(address) != address_digest(address.replace("basic", "other"))


async def test_not_modified_answers_only_conditional_requests(server: Server, tmp_path: Path) -> None:
    recording = tmp_path / "clouds.upstream"
    plain = HttpRequest("GET", server.url, "The calendar")
    conditional = replace(plain, headers={"If-None-Match": "e1"})
    server.responses = [body("{}"), refusal(304)]
    await _send(UpstreamRecorder(recording), plain, conditional)
    played = await _send(UpstreamPlayer(recording), conditional, plain, conditional, plain)
    assert [answer.status for answer in played] == [304, 200, 304, 200]


@pytest.mark.parametrize("content", [b"BEGIN:VCALENDAR\r\nSUMMARY:Caf\xc3\xa9\r\n", b"\xff\xfe\x00", b""])
async def test_bodies_that_are_not_json_are_played_byte_for_byte(
    server: Server, tmp_path: Path, content: bytes
) -> None:
    recording = tmp_path / "clouds.upstream"
    request = HttpRequest("GET", server.url, "The calendar")
    server.responses = [refusal(404, body=content)]
    await _send(UpstreamRecorder(recording), request)
    assert (await _send(UpstreamPlayer(recording), request))[0].body == content


def test_a_file_that_is_not_a_recording_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "not.upstream"
    path.write_text('{"key":"a"}\nnot JSON\n')
    with pytest.raises(ValueError, match=r"not\.upstream:2"):
        UpstreamPlayer(path)


async def test_failed_requests_are_played_too(tmp_path: Path) -> None:
    recording = tmp_path / "clouds.upstream"
    unreachable = HttpRequest("GET", "http://127.0.0.1:1/", "The calendar", repeatable=False)
    for upstream in (UpstreamRecorder(recording), UpstreamPlayer):
        with pytest.raises(ServerUnreachable, match="The calendar: the server could not be reached"):
            await _send(upstream if isinstance(upstream, UpstreamRecorder) else upstream(recording), unreachable)
    assert json.loads(recording.read_text("utf-8"))["error"] == "ServerUnreachable"
