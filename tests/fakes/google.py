"""Google on loopback: its sign-in (OAuth 2.0 with PKCE) and its Calendar API, stateful, never on the network.

Point the sidecar at it by GOOGLE_URL, with GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET of `tests.fakes.google_oauth`.
`python -m tests.fakes.google --port 0` prints the URL, has a calendar of Ada's with some events around today, and
serves until standard input ends.  From outside it is steered by POST with a JSON body:
  /fake/consent {"error": "access_denied"} or {"email": "bob@example.com"} or {"unticked": ["calendar.events.readonly"]}
  /fake/events {"calendar_id", …event}    /fake/cancel {"calendar_id", "event_id"}
  /fake/expire {"calendar_id"}: its sync tokens    /fake/revoke {"email"}: everything that was granted
  /fake/token {"email"}: an access token for everything
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
class Asked:
    """One request as it came; `query` in the order of the URL."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    form: Mapping[str, str]
    authorization: str

    @property
    def values(self) -> dict[str, str]:
        """The query as a table."""
        return dict(self.query)


@dataclass
class Fault:
    """An answer that takes the place of the right one: to the next `times` requests whose path ends so."""

    ending: str
    status: int
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1
    after: int = 0
    """How many of them are still answered rightly."""


@dataclass
class _Gate:
    event: threading.Event
    after: int


class FakeGoogle(FakeServer):
    """The server: `with FakeGoogle() as google: … google.url, google.calendars, google.oauth, google.asked`."""

    def __init__(self, port: int = 0, now: Callable[[], float] = time.time) -> None:
        def moment() -> datetime:
            return datetime.fromtimestamp(now(), UTC)

        self.now = moment
        self.calendars = FakeCalendars(moment)
        self.oauth = FakeOAuth(moment)
        self.asked: list[Asked] = []
        self.faults: list[Fault] = []
        self.lock = threading.RLock()
        self._arrived = threading.Condition(self.lock)
        self._held: dict[str, _Gate] = {}
        super().__init__(_Handler, port)

    @property
    def environment(self) -> dict[str, str]:
        """What points the sidecar here."""
        return self.environment_of(self.url)

    @staticmethod
    def environment_of(url: str) -> dict[str, str]:
        """What points the sidecar to a fake that runs elsewhere."""
        return {"GOOGLE_URL": url, "GOOGLE_CLIENT_ID": CLIENT_ID, "GOOGLE_CLIENT_SECRET": CLIENT_SECRET}

    def close(self) -> None:
        """Releases all held requests, then stops."""
        for gate in list(self._held.values()):
            gate.event.set()
        super().close()

    def refuse(
        self, ending: str, status: int, reason: str = "", *, times: int = 1, after: int = 0, **headers: str
    ) -> None:
        """Answer an error of the Calendar API's to the next requests whose path ends so."""
        body = json.dumps(ApiError(status, reason or "backendError").body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.faults.append(Fault(ending, status, body, named, times, after))

    def hold(self, ending: str, *, after: int = 0) -> Callable[[], None]:
        """Keep requests whose path ends so unanswered, but for the next few, until the result is called."""
        gate = threading.Event()
        if ending in self._held:
            self._held[ending].event.set()
        self._held[ending] = _Gate(gate, after)
        return gate.set

    def wait_for(self, ending: str, count: int = 1, timeout_s: float = 30.0) -> None:
        """Block (call it in a thread) until so many requests whose path ends so have come."""

        def came() -> bool:
            return sum(one.path.endswith(ending) for one in self.asked) >= count

        with self._arrived:
            if not self._arrived.wait_for(came, timeout_s):
                raise TimeoutError(f"no {count} requests for {ending} within {timeout_s} s")

    def listings(self, calendar_id: str | None = None) -> list[dict[str, str]]:
        """The queries of all listings of events so far, of one calendar where given."""
        found = [(one, EVENTS.fullmatch(one.path.removeprefix(API))) for one in self.asked]
        return [one.values for one, match in found if match and calendar_id in (None, unquote(match[1]))]

    # --- the HTTP side ------------------------------------------------------------------------------------------

    def take(self, asked: Asked) -> Fault | None:
        """Note a request; hold it where it is to be held; the fault that answers it, if any."""
        with self._arrived:
            self.asked.append(asked)
            self._arrived.notify_all()
            gate = next((one for ending, one in self._held.items() if asked.path.endswith(ending)), None)
            if gate is not None and gate.after > 0:
                gate.after -= 1
                gate = None
        if gate is not None:
            gate.event.wait()
        with self.lock:
            for fault in self.faults:
                if asked.path.endswith(fault.ending) and fault.times > 0:
                    if fault.after > 0:
                        fault.after -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None

    def api(self, asked: Asked) -> dict[str, Any]:
        """The Calendar API.  Raises `ApiError`."""
        with self.lock:
            grant = self.oauth.grant_of(asked.authorization.removeprefix("Bearer "))
            if grant is None:
                raise ApiError(401, "authError", "Invalid Credentials")
            path = asked.path.removeprefix(API)
            if path == "/users/me/calendarList":
                _need(grant.scopes, "calendar.calendarlist.readonly")
                answer = self.calendars.calendar_list(grant.email.lower(), asked.values)
            elif match := EVENTS.fullmatch(path):
                _need(grant.scopes, "calendar.events.readonly")
                answer = self.calendars.events(grant.email.lower(), unquote(match[1]), asked.values)
            else:
                raise ApiError(404, "notFound", "Not Found")
            return select(answer, asked.values["fields"]) if "fields" in asked.values else answer

    def steer(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        """`/fake/…`, for tests in other languages."""
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
                return {"access_token": self.oauth.open(self.oauth.give(body["email"], scopes))["access_token"]}
            elif what == "revoke":
                self.oauth.end(body["email"])
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
            self.send_json(200, fake.steer(parts.path.removeprefix("/fake/"), json.loads(body)))
            return
        query = tuple(parse_qsl(parts.query, keep_blank_values=True))
        form = dict(parse_qsl(body.decode()))
        asked = Asked(self.command, parts.path, query, form, self.headers.get("Authorization", ""))
        fault = fake.take(asked)
        if fault is not None:
            self.send_bytes(fault.status, fault.body, fault.headers)
            return
        try:
            self._right(asked)
        except ApiError as error:
            self.send_json(error.status, error.body, error.headers)
        except OAuthError as error:
            self.send_json(error.status, error.body)

    def _right(self, asked: Asked) -> None:
        fake = self.fake
        with fake.lock:
            if asked.path == "/o/oauth2/v2/auth":
                self.send_bytes(302, b"", {"Location": fake.oauth.authorize(asked.values)})
            elif asked.path == "/token":
                self.send_json(200, fake.oauth.token(asked.form))
            elif asked.path == "/revoke":
                found = fake.oauth.revoke(asked.form.get("token", ""))
                self.send_json(200, {}) if found else self.send_json(400, {"error": "invalid_token"})
            elif asked.path == "/v1/userinfo":
                grant = fake.oauth.grant_of(asked.authorization.removeprefix("Bearer "))
                self.send_json(401, {}) if grant is None else self.send_json(200, {"email": grant.email})
            else:
                self.send_json(200, fake.api(asked))


def select(value: Any, fields: str) -> Any:
    """A partial response: `a,b(c,d/e)` keeps a, of b its c, and of b's d its e."""
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
    """A calendar of Ada's with a week of a working person around today, and the holidays beside it."""
    calendars = google.calendars
    calendars.calendar(ADA, ADA, summary="Ada", entry={"primary": True, "backgroundColor": "#9fe1e7"})
    calendars.calendar("holidays@example.com", ADA, summary="Holidays")
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
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    with FakeGoogle(parser.parse_args().port) as google:
        seed(google)
        print(google.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
