"""A fake Google on loopback: the sign-in (OAuth 2.0 with PKCE) and the Calendar API, with state.

The sidecar uses it if GOOGLE_URL, GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET are set as in `environment`.
`python -m tests.fakes.google --port 0` adds a calendar with some events around today, prints the URL and serves until
standard input ends.  Other programs control it by POST with a JSON body:
  /fake/consent {"error": "access_denied"} or {"email": "bob@example.com"} or {"unticked": ["calendar.events.readonly"]}
  /fake/events {"calendar_id", …event}    /fake/cancel {"calendar_id", "event_id"}
  /fake/expire {"calendar_id"}: expires its sync tokens    /fake/revoke {"email"}: revokes all grants
  /fake/token {"email"}: returns an access token with all scopes
"""

import argparse
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.fakes.google_calendar import ApiError, FakeCalendars
from tests.fakes.google_oauth import CLIENT_ID, CLIENT_SECRET, Consent, FakeOAuth, OAuthError
from tests.fakes.server import FakeHandler, FakeServer

API = "/calendar/v3"
EVENTS = re.compile(r"/calendars/([^/]+)/events")
ADA = "ada@example.com"
SCOPE = "https://www.googleapis.com/auth/"


@dataclass(frozen=True, slots=True)
class Request:
    """A received request; `query` in the order of the URL."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    form: Mapping[str, str]
    authorization: str

    @property
    def values(self) -> dict[str, str]:
        """The query as a dict."""
        return dict(self.query)


@dataclass
class Fault:
    """A response to the next `times` requests whose path ends with `suffix`, in place of the regular one."""

    suffix: str
    status: int
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1
    after: int = 0
    """Number of requests answered regularly before."""


@dataclass
class _Gate:
    event: threading.Event
    after: int


class FakeGoogle(FakeServer):
    """The server: `with FakeGoogle() as google: … google.url, google.calendars, google.oauth, google.requests`."""

    def __init__(self, port: int = 0, now: Callable[[], float] = time.time, url: str | None = None) -> None:
        def moment() -> datetime:
            return datetime.fromtimestamp(now(), UTC)

        self.now = moment
        self.calendars = FakeCalendars(moment)
        self.oauth = FakeOAuth(moment)
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.refusal: ApiError | None = None
        """The response to every request to the Calendar API, as during an outage."""
        self.lock = threading.RLock()
        self._arrived = threading.Condition(self.lock)
        self._held: dict[str, _Gate] = {}
        super().__init__(_Handler, port, url)

    @property
    def environment(self) -> dict[str, str]:
        """The sidecar's environment variables for this server."""
        return self.environment_of(self.url)

    @staticmethod
    def environment_of(url: str) -> dict[str, str]:
        """Returns the sidecar's environment variables for a fake in another process."""
        return {"GOOGLE_URL": url, "GOOGLE_CLIENT_ID": CLIENT_ID, "GOOGLE_CLIENT_SECRET": CLIENT_SECRET}

    def close(self) -> None:
        """Releases all held requests, then stops."""
        for gate in list(self._held.values()):
            gate.event.set()
        super().close()

    def refuse(
        self, suffix: str, status: int, reason: str = "", *, times: int = 1, after: int = 0, **headers: str
    ) -> None:
        """Answers the next requests whose path ends with `suffix` with an error of the Calendar API."""
        body = json.dumps(ApiError(status, reason or "backendError").body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.faults.append(Fault(suffix, status, body, named, times, after))

    def hold(self, suffix: str, *, after: int = 0) -> Callable[[], None]:
        """Holds requests to such a path, except the first `after` ones, until the returned function is called."""
        gate = threading.Event()
        if suffix in self._held:
            self._held[suffix].event.set()
        self._held[suffix] = _Gate(gate, after)
        return gate.set

    def wait_for(self, suffix: str, count: int = 1, timeout_s: float = 60.0) -> None:
        """Blocks until this number of requests to such a path has arrived; call it in a thread."""

        def arrived() -> bool:
            return sum(one.path.endswith(suffix) for one in self.requests) >= count

        with self._arrived:
            if not self._arrived.wait_for(arrived, timeout_s):
                raise TimeoutError(f"fewer than {count} requests to {suffix} within {timeout_s} s")

    def listings(self, calendar_id: str | None = None) -> list[dict[str, str]]:
        """Returns the queries of all event listings so far, or those of one calendar."""
        found = [(one, EVENTS.fullmatch(one.path.removeprefix(API))) for one in self.requests]
        return [one.values for one, match in found if match and calendar_id in (None, unquote(match[1]))]

    # --- HTTP ---------------------------------------------------------------------------------------------------

    def receive(self, request: Request) -> Fault | None:
        """Records a request and holds it if `hold` applies; returns the fault to answer it with, if any."""
        with self._arrived:
            self.requests.append(request)
            self._arrived.notify_all()
            gate = next((one for suffix, one in self._held.items() if request.path.endswith(suffix)), None)
            if gate is not None and gate.after > 0:
                gate.after -= 1
                gate = None
        if gate is not None:
            gate.event.wait()
        with self.lock:
            for fault in self.faults:
                if request.path.endswith(fault.suffix) and fault.times > 0:
                    if fault.after > 0:
                        fault.after -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None

    def answer(self, request: Request) -> tuple[int, bytes, Mapping[str, str]]:
        """Answers a request: status, body and headers."""
        fault = self.receive(request)
        if fault is not None:
            return fault.status, fault.body, fault.headers
        try:
            status, body, headers = self._answer(request)
        except ApiError as error:
            status, body, headers = error.status, error.body, error.headers
        except OAuthError as error:
            status, body, headers = error.status, error.body, {}
        if status == 302:
            return status, b"", headers
        return status, json.dumps(body).encode(), {"Content-Type": "application/json", **headers}

    def _answer(self, request: Request) -> tuple[int, Any, dict[str, str]]:
        with self.lock:
            if request.path == "/o/oauth2/v2/auth":
                return 302, None, {"Location": self.oauth.authorize(request.values)}
            if request.path == "/token":
                return 200, self.oauth.token(request.form), {}
            if request.path == "/revoke":
                found = self.oauth.revoke(request.form.get("token", ""))
                return (200, {}, {}) if found else (400, {"error": "invalid_token"}, {})
            if request.path == "/v1/userinfo":
                grant = self.oauth.grant_of(request.authorization.removeprefix("Bearer "))
                return (401, {}, {}) if grant is None else (200, {"email": grant.email}, {})
            return 200, self.api(request), {}

    def api(self, request: Request) -> dict[str, Any]:
        """Answers a request to the Calendar API.  Raises `ApiError`."""
        with self.lock:
            if self.refusal is not None:
                raise self.refusal
            grant = self.oauth.grant_of(request.authorization.removeprefix("Bearer "))
            if grant is None:
                raise ApiError(401, "authError", "Invalid Credentials")
            path = request.path.removeprefix(API)
            if path == "/users/me/calendarList":
                _need(grant.scopes, "calendar.calendarlist.readonly")
                answer = self.calendars.calendar_list(grant.email.lower(), request.values)
            elif match := EVENTS.fullmatch(path):
                _need(grant.scopes, "calendar.events.readonly")
                answer = self.calendars.events(grant.email.lower(), unquote(match[1]), request.values)
            else:
                raise ApiError(404, "notFound", "Not Found")
            return select(answer, request.values["fields"]) if "fields" in request.values else answer

    def control(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        """Answers a request to `/fake/...`."""
        with self.lock:
            if what == "consent":
                self.oauth.consent = Consent(**{**body, "unticked": frozenset(body.get("unticked", ()))})
            elif what == "events":
                return {"id": self.calendars.add(body.pop("calendar_id"), **body)}
            elif what == "cancel":
                self.calendars.cancel(body["calendar_id"], body["event_id"])
            elif what == "expire":
                self.calendars.expire_tokens(body["calendar_id"])
            elif what == "token":
                scopes = (SCOPE + "calendar",)
                return {
                    "access_token": self.oauth.issue_token(self.oauth.add_grant(body["email"], scopes))["access_token"]
                }
            elif what == "revoke":
                self.oauth.revoke_user(body["email"])
            else:
                raise ApiError(404, "notFound")
        return {}


class _Handler(FakeHandler["FakeGoogle"]):
    def date(self) -> str:
        return format_datetime(self.fake.now(), usegmt=True)

    def respond(self, body: bytes) -> None:
        fake = self.fake
        parts = urlsplit(self.path)
        if parts.path.startswith("/fake/"):
            self.send_json(200, fake.control(parts.path.removeprefix("/fake/"), json.loads(body)))
            return
        query = tuple(parse_qsl(parts.query, keep_blank_values=True))
        form = dict(parse_qsl(body.decode()))
        request = Request(self.command, parts.path, query, form, self.headers.get("Authorization", ""))
        self.send_bytes(*fake.answer(request))


def select(value: Any, fields: str) -> Any:
    """Returns a partial response: `a,b(c,d/e)` selects a, b.c and b.d.e."""
    return _pick(value, _tree(re.findall(r"[^,()/]+|[,()/]", fields)))


def _tree(tokens: list[str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    while tokens and tokens[0] != ")":
        name = tokens.pop(0)
        if name == ",":
            continue
        branch = tree.setdefault(name, {})
        while tokens and tokens[0] == "/":
            tokens.pop(0)
            branch = branch.setdefault(tokens.pop(0), {})
        if tokens and tokens[0] == "(":
            tokens.pop(0)
            branch.update(_tree(tokens))
            tokens.pop(0)
    return tree


def _pick(value: Any, tree: dict[str, Any]) -> Any:
    if not tree:
        return value
    if isinstance(value, list):
        return [_pick(one, tree) for one in value]
    return {name: _pick(value[name], branch) for name, branch in tree.items() if name in value}


def _need(scopes: tuple[str, ...], name: str) -> None:
    if not {SCOPE + name, SCOPE + "calendar.readonly", SCOPE + "calendar"} & set(scopes):
        raise ApiError(403, "insufficientPermissions", "Request had insufficient authentication scopes.")


def seed(google: FakeGoogle) -> None:
    """Adds a calendar with a working week around today and a calendar of holidays."""
    calendars = google.calendars
    calendars.add_calendar(ADA, ADA, summary="Ada", entry={"primary": True, "backgroundColor": "#9fe1e7"})
    calendars.add_calendar("holidays@example.com", ADA, summary="Holidays")
    monday = google.now().replace(hour=8, minute=0, second=0, microsecond=0)
    monday -= timedelta(days=monday.weekday())
    span = {
        "start": {"dateTime": monday.isoformat()},
        "end": {"dateTime": (monday + timedelta(minutes=15)).isoformat()},
    }
    calendars.add(ADA, summary="Standup", recurrence=["RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"], **span)
    yesterday, tomorrow = (google.now() + timedelta(days=days) for days in (-1, 1))
    for summary, begins in (("Review of SIDE-12", yesterday), ("Planning", tomorrow)):
        ends = {"dateTime": (begins + timedelta(hours=1)).isoformat()}
        calendars.add(ADA, summary=summary, start={"dateTime": begins.isoformat()}, end=ends)
    day, after = ((google.now() + timedelta(days=days)).date().isoformat() for days in (2, 3))
    calendars.add("holidays@example.com", summary="A holiday", start={"date": day}, end={"date": after})


def main() -> None:
    """Serves until standard input ends."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    with FakeGoogle(parser.parse_args().port) as google:
        seed(google)
        print(google.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
