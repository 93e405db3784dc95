"""Fakes of Google and of an Atlassian site for the example app: `python -m tests.electron.fake_services`.

TZ is the user's time zone.  The first line of output is a JSON object with the addresses and credentials.  Each line of
input is then a command, and a line of output confirms it: `expire` expires the site's tokens and prints `done`, any
other line creates a token and prints it.
"""

import json
import sys
from typing import Any, Final

from tests.electron.example_feed import ME, MEET, at
from tests.fakes.atlassian import FakeSite
from tests.fakes.google import FakeGoogle
from tests.fakes.google_oauth import CLIENT_ID, CLIENT_SECRET, Consent

TEAM: Final = "timetable@tramline.example"
MEETINGS: Final[tuple[tuple[str, str, str, dict[str, Any]], ...]] = (
    ("09:00", "09:15", "Stand-up", {"guests": 6, "hangoutLink": f"{MEET}standup", "calendar": TEAM}),
    ("09:30", "10:00", "1:1 with Jonas", {"guests": 2}),
    ("11:15", "12:00", "TRAM-418 rehearsal", {"guests": 4, "location": "Depot, room 3", "calendar": TEAM}),
    ("13:30", "14:30", "Stop search: design review", {"guests": 5, "hangoutLink": f"{MEET}search"}),
    ("15:00", "15:45", "Interview: platform engineer", {"guests": 3, "answer": "needsAction"}),
    ("16:30", "17:00", "Retro", {"guests": 6, "calendar": TEAM}),
)


def fill_google(google: FakeGoogle) -> None:
    """Creates Mara's calendars and her meetings of today."""
    google.oauth.consent = Consent(ME)
    google.calendars.add_calendar(ME, ME, summary="Mara", entry={"primary": True, "backgroundColor": "#3b6fc9"})
    google.calendars.add_calendar(TEAM, ME, summary="Timetable team", entry={"backgroundColor": "#0b8a5f"})
    for start, end, title, more in MEETINGS:
        guests = [{"email": f"{number}@tramline.example"} for number in range(1, more.pop("guests"))]
        own = {"email": ME, "self": True, "responseStatus": more.pop("answer", "accepted")}
        google.calendars.add(
            more.pop("calendar", ME),
            summary=title,
            start={"dateTime": at(0, start).isoformat()},
            end={"dateTime": at(0, end).isoformat()},
            attendees=[own, *guests],
            htmlLink=f"https://calendar.tramline.example/{start}",
            **more,
        )


def fill_site(site: FakeSite) -> dict[str, str]:
    """Creates a few activities by Mara; returns what a client needs to connect."""
    mara = site.user("mara")
    issue = site.jira.create(mara, "Order signs for the new stops", project="SIGN")
    site.jira.transition(issue, mara, "Doing")
    site.confluence.create(mara, "Stops without a shelter")
    return {"base_url": site.url, "email": mara.email, "api_token": site.token(mara)}


def main() -> None:
    """Serves until standard input ends."""
    with FakeGoogle() as google, FakeSite() as site:
        fill_google(google)
        client = {"GOOGLE_URL": google.url, "GOOGLE_CLIENT_ID": CLIENT_ID, "GOOGLE_CLIENT_SECRET": CLIENT_SECRET}
        environment = {**client, "ATLASSIAN_GATEWAY_URL": site.url}
        print(json.dumps({"google": google.url, "site": fill_site(site), "environment": environment}), flush=True)
        for line in sys.stdin:
            with site.lock:
                if line.strip() == "expire":
                    for token in site.tokens.values():
                        token.expired = True
                    print("done", flush=True)
                else:
                    print(site.token(site.user("mara")), flush=True)


if __name__ == "__main__":
    main()
