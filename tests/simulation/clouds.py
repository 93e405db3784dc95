"""The clouds behind the network, with people who use them, and the accounts by which the process reads them."""

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import httpx

from sidecar.clock import iso
from tests.fakes.atlassian import FakeSite
from tests.fakes.google import ADA, FakeGoogle
from tests.fakes.google import Request as GoogleRequest
from tests.fakes.google_oauth import CLIENT_ID, CLIENT_SECRET
from tests.fakes.ics import PRIVATE, FakeIcs
from tests.simulation.host import Host, Json, Refused, Script
from tests.simulation.network import FAULTS, Answer, Cloud, Network, headers_of, target_of
from tests.simulation.people import FilePeople, GooglePeople, IssuePeople, WikiPeople, utc
from tests.simulation.plan import some

SERVICES: Final = ("ics", "google_calendar", "jira", "confluence")
REDIRECT: Final = "http://127.0.0.1:49321/callback"
NIGHT_S: Final = 1_500
DAY_MS: Final = 86_400_000
PAST_DAYS: Final = 90
"""How far back calendars are compared with their clouds: a life of months may be longer than they are read."""
SECOND_LOOK_MS: Final = 3_500_000
DEAF_MS: Final = 900_000
"""How long a host does not listen at most."""
ENDED: Final = frozenset({"revoked", "older database"})
"""Why a sign-in has ended for good."""


class Clouds:
    """The steps that begin with the clouds."""

    WEIGHTS: Final = {"act": 8, "trouble": 2, "fault": 3, "sync": 3, "reconnect": 1, "remove": 1, "revoke": 1}

    def __init__(
        self, host: Host, true_ms: Callable[[], int], later: Any, fail: Callable[[str, object], None], seed: int
    ) -> None:
        self._host, self._true_ms, self._later, self._fail = host, true_ms, later, fail
        self.google = FakeGoogle(now=lambda: true_ms() / 1000, url="https://www.googleapis.com")
        self.site = FakeSite(true_ms, url="https://example.atlassian.net")
        self.file = FakeIcs(now=lambda: true_ms() / 1000, url="https://calendar.test")
        self._ada = self.site.user("ada", ("UTC", "America/New_York", "Asia/Kolkata")[seed % 3])
        self._token = self.site.token(self._ada)
        self._clouds = [
            Cloud("ics", self._file_answer),
            Cloud("google_calendar", self._google_answer),
            Cloud("jira", self._site_answer),
            Cloud("confluence", self._site_answer),
        ]
        self._network = Network(self._find, true_ms, seed)
        self.connect = self._network.connect
        self.issues, self._wiki = IssuePeople(self.site, seed), WikiPeople(self.site, seed)
        self._calendars = GooglePeople(self.google, seed)
        self._people = FilePeople(self.file, self.google.now)
        self._wanted = [SERVICES[number] for number in range(4) if (seed >> number) & 1 or number == seed % 4]
        """Which accounts this host connects."""
        self.accounts: dict[str, Json] = {}
        self.clock_was_wrong = False
        host.on_account = self._check_account
        self._is_kind = False
        self._period_s = (None, 1_800, 7_200)[seed % 3]
        self._faults = list(some(Random(f"{seed} faults"), dict.fromkeys(FAULTS, 1)))

    def secrets(self) -> list[str]:
        """Returns what must not be seen: the tokens, also as they are sent, and the secret part of an address."""
        basic = b64encode(f"{self._ada.email}:{self._token}".encode()).decode()
        return [self._token, basic, PRIVATE, CLIENT_SECRET, "1//0", "ya29."]

    def settings(self) -> dict[str, Any]:
        """Returns settings of the process."""
        return {"google_client_id": CLIENT_ID, "google_client_secret": CLIENT_SECRET}

    # --- requests -------------------------------------------------------------------------------------------------

    def _find(self, url: httpx.URL) -> Cloud:
        if url.host == "calendar.test":
            return self._clouds[0]
        if "google" in url.host:
            return self._clouds[1]
        return self._clouds[3 if "/wiki" in url.path else 2]

    def _file_answer(self, request: httpx.Request) -> Answer:
        status, headers = self.file.answer(target_of(request), headers_of(request))
        return status, b"" if status in (302, 304) else self.file.body, headers

    def _google_answer(self, request: httpx.Request) -> Answer:
        parts = urlsplit(target_of(request))
        query = tuple(parse_qsl(parts.query, keep_blank_values=True))
        form = dict(parse_qsl(request.content.decode()))
        return self.google.answer(
            GoogleRequest(request.method, parts.path, query, form, request.headers.get("authorization", ""))
        )

    def _site_answer(self, request: httpx.Request) -> Answer:
        answer = self.site.answer(request.method, target_of(request), headers_of(request), request.content)
        self.site.requests.clear()
        body = answer.body if isinstance(answer.body, bytes) else json_bytes(answer.body)
        return answer.status, body, {"content-type": "application/json;charset=UTF-8", **answer.headers}

    # --- steps ----------------------------------------------------------------------------------------------------

    def act(self, rng: Random) -> str:
        """People do something."""
        for _ in range(rng.randint(2, 10)):
            rng.choice(
                (
                    self.issues.act,
                    lambda: self._wiki.act(rng),
                    lambda: self._calendars.act(rng),
                    lambda: self._people.act(rng),
                )
            )()
        return "people"

    def trouble(self, rng: Random) -> str:
        """A cloud hides or leaves out something."""
        name = rng.choice(("issues", "wiki", "calendars", "file"))
        if name == "issues":
            self.issues.trouble()
        elif name == "wiki":
            self._wiki.trouble(rng)
        elif name == "calendars":
            self._calendars.trouble(rng)
        else:
            self._people.trouble(rng)
        return name

    def fault(self, rng: Random) -> str:
        """Something is wrong with the way to a cloud, or with all of them."""
        delay_s = rng.choice((5, 120, NIGHT_S))
        fault, chance = rng.choice(self._faults), rng.choice((0.3, 1.0, 1.0))
        affected = rng.choice(([one] if (one := rng.choice(self._clouds)) else [], self._clouds))
        for cloud in affected:
            cloud.fault, cloud.chance = fault, chance
            cloud.refusals |= {fault} & {"401", "403"}
        self._later(delay_s, lambda: self._recover(affected, fault))
        return f"{fault} at {', '.join(one.name for one in affected)} for {delay_s} s, chance {chance}"

    @staticmethod
    def _recover(affected: list[Cloud], fault: str) -> None:
        for cloud in affected:
            if cloud.fault == fault:
                cloud.fault = None

    def sync(self, rng: Random) -> str:
        if not self.accounts:
            return ""
        account = rng.choice(list(self.accounts.values()))
        params = {"account_id": account["account_id"], "full": rng.random() < 0.3}
        self._host.call(f"{domain(account['service'])}.accounts.sync", params)
        return f"{account['service']} {params}"

    def reconnect(self, rng: Random) -> str:
        """The user connects an account again."""
        if not self.accounts:
            return ""
        account = rng.choice(list(self.accounts.values()))
        self._host.play(self._connect(account["service"], account["account_id"]))
        return f"{account['service']}"

    def remove(self, rng: Random) -> str:
        """The user disconnects an account, and connects it again later."""
        if not self.accounts:
            return ""
        account = rng.choice(list(self.accounts.values()))
        del self.accounts[account["service"]]
        name, params = f"{domain(account['service'])}.accounts", {"account_id": account["account_id"]}
        delay_s = rng.choice((0, 0.3, 1.0, 3.0))
        if delay_s:  # in the middle of a sync
            self._host.call(f"{name}.sync", {**params, "full": True})
        self._later(delay_s, lambda: self._host.call(f"{name}.delete", params) if self._host.is_ready else None)
        self._later(rng.choice((5, 300)), self._ensure)
        return f"{account['service']}, {delay_s} s after a sync was asked for"

    def revoke(self, rng: Random) -> str:
        """The user revokes a sign-in at the vendor, or all access tokens end early."""
        if rng.random() < 0.5:
            self.google.oauth.expire_access_tokens()
            return "all access tokens of Google"
        self.google.oauth.revoke_user(ADA)
        self._clouds[1].refusals.add("revoked")
        return "the sign-in at Google"

    def be_kind(self) -> None:
        self._is_kind = True
        for cloud in self._clouds:
            cloud.fault = None
        for people in (self.issues, self._wiki, self._calendars, self._people):
            people.be_kind()
        for hours in (0.1, 0.4, 0.8):  # of being awake: the user does what an account asks for
            self._later(hours * 3_600, self._ensure)

    def forget(self) -> None:
        """Takes note of an older database: its sign-ins may have ended since."""
        self.accounts.clear()
        for cloud in self._clouds:
            cloud.refusals.add("older database")

    # --- accounts -------------------------------------------------------------------------------------------------

    def on_ready(self) -> None:
        self._ensure()

    def _ensure(self) -> None:
        if self._host.is_ready:
            self._host.play(self._connect_missing())

    def _connect_missing(self) -> Script:
        """Connects what is missing, and what asks for it once the world is kind."""
        yield from self._list()
        for service in self._wanted:
            account = self.accounts.get(service)
            if account is None:
                yield from self._connect(service, None)
            elif self._is_kind and account["status"] == "needs_reauth" and self._needs_user(account):
                if not self._may_ask(account):
                    self._fail("An account asks for its user only if only the user can help.", account)
                yield from self._connect(service, account["account_id"])

    def _may_ask(self, account: Json) -> bool:
        refusals = next(one.refusals for one in self._clouds if one.name == account["service"])
        return bool(refusals) or account["reason"] == "secret_unreadable"

    def _needs_user(self, account: Json) -> bool:
        """Returns whether nothing heals an account but its user; a sign-in that was refused for a while heals."""
        refusals = next(one.refusals for one in self._clouds if one.name == account["service"])
        return bool(refusals & ENDED) or not refusals or account["reason"] == "secret_unreadable"

    def _check_account(self, account: Json) -> None:
        cloud = next((one for one in self._clouds if one.name == account["service"]), None)
        if cloud is None:
            return
        now_ms = self._true_ms()
        if account["status"] == "active":  # which a host that was deaf learns late
            cloud.refused_ms = [one for one in cloud.refused_ms if now_ms - one < DEAF_MS]
        is_asking = account["status"] == "needs_reauth" and account["reason"] == "token_rejected"
        if not is_asking or self.clock_was_wrong or cloud.refusals & ENDED:
            return
        if not any(now_ms - one >= SECOND_LOOK_MS for one in cloud.refused_ms):
            self._fail("An account asks for its user if it is still refused an hour later.", account)

    def _list(self) -> Script:
        found: dict[str, Json] = {}
        for name in ("calendar", "jira", "confluence"):
            listed = yield f"{name}.accounts.list", {}
            if isinstance(listed, Refused):
                return
            for one in map(_with_service, listed["accounts"]):
                if one["status"] != "deleting":
                    if one["service"] in found:
                        self._fail("An account is connected once.", (one, found))
                    found[one["service"]] = one
        self.accounts = found

    def _connect(self, service: str, account_id: str | None) -> Script:
        if service == "google_calendar":
            connected = yield from self._sign_in()
        elif service == "ics":
            if account_id is not None:
                credentials = {"account_id": account_id, "credentials": {"address": self.file.address}}
                connected = yield "calendar.accounts.update", credentials
            else:
                params: Json = {"provider": "ics", "email": ADA, "credentials": {"address": self.file.address}}
                connected = yield "calendar.accounts.create", params
        elif account_id is not None:
            connected = yield f"{service}.accounts.update", {"account_id": account_id, "api_token": self._token}
        else:
            owner = {"email": self._ada.email, "api_token": self._token}
            created = {"org": "Example", "base_url": self.site.url, **owner}
            connected = yield f"{service}.accounts.create", created
        if isinstance(connected, dict):
            self.accounts[service] = _with_service(connected)
            if self._period_s is not None:
                schedule_id = f"{domain(service)}.sync:{connected['account_id']}"
                yield "jobs.schedules.update", {"schedule_id": schedule_id, "period_s": self._period_s}
        elif not self._is_kind:
            self._later(600, self._ensure)

    def _sign_in(self) -> Script:
        started = yield "calendar.oauth.google.start", {"redirect_uri": REDIRECT}
        if isinstance(started, Refused):
            return started
        query = dict(parse_qsl(urlsplit(started["authorization_url"]).query))
        self.google.oauth.consent.email = ADA
        returned = yield "calendar.oauth.google.callback", {"url": self.google.oauth.authorize(query)}
        if isinstance(returned, Refused):
            return returned
        connected = yield "calendar.oauth.google.complete", {"state": returned["state"]}
        return connected

    # --- the truth ------------------------------------------------------------------------------------------------

    def check_end(self) -> Script:
        """Compares every feed and calendar with its cloud, once the world has been kind for some days."""
        yield from self._list()
        for service in self._wanted:
            account = self.accounts.get(service)
            if account is None or account["status"] != "active":
                self._fail("Once the world is kind, every account heals.", account or service)
                return
            yield from self._check_calendar(account) if domain(service) == "calendar" else self._check_feed(account)
        for violations in (self.google.calendars.violations, self.google.oauth.violations, self.site.violations):
            if violations:
                self._fail("No request breaks the rules of a cloud.", violations)

    def _check_calendar(self, account: Json) -> Script:
        now, found = self._true_ms(), Counter[tuple[str, str]]()
        first, end = iso(now - PAST_DAYS * DAY_MS), iso(now + 150 * DAY_MS)
        params: Json = {"account_id": account["account_id"], "limit": 500, "include_unselected": True}
        params |= {"start": first, "end": end}
        while True:
            page = yield "calendar.events.list", params
            for one in page["events"]:
                start = {"date" if len(one["start_time"]) == 10 else "dateTime": one["start_time"]}
                found[one["title"], utc(**start)] += 1
            if page["next_cursor"] is None:
                break
            params["cursor"] = page["next_cursor"]
        people = self._people if account["service"] == "ics" else self._calendars
        known, expected = (
            Counter({event: number for event, number in one.items() if event[1][:10] > first[:10]})
            for one in (found, people.expected())
        )
        self._compare("calendar", account, known, expected)

    def read_feed(self, account: Json) -> Script:
        """Returns how often the account's feed has each type, title and description."""
        found = Counter[tuple[str, str, str]]()
        params: Json = {"account_id": account["account_id"], "limit": 500}
        while True:
            page = yield "activity.events.list", params
            for one in page["events"]:
                found[one["event_type"], one["title"] or "", one["description"] or ""] += 1
            if page["next_cursor"] is None:
                return found
            params["cursor"] = page["next_cursor"]

    def _check_feed(self, account: Json) -> Script:
        found = yield from self.read_feed(account)
        people = self.issues if account["service"] == "jira" else self._wiki
        self._compare("feed", account, found, people.expected())

    def _compare(self, what: str, account: Json, found: Any, expected: Any) -> None:
        self._host.note(f"compares {account['service']}: {found.total()} events")
        if found != expected:
            missing, invented = sorted((expected - found).elements()), sorted((found - expected).elements())
            sentence = f"The {what} of {account['service']} equals its cloud."
            self._fail(sentence, f"missing {missing[:8]}, invented {invented[:8]}; {account}")


def _with_service(account: Json) -> Json:
    return {"service": {"google": "google_calendar"}.get(account.get("provider", ""), "ics"), **account}


def json_bytes(body: Any) -> bytes:
    """Encodes a body."""
    return json.dumps(body).encode()


def domain(service: str) -> str:
    """Returns the first part of the names of a service's methods."""
    return "calendar" if service in ("ics", "google_calendar") else service
