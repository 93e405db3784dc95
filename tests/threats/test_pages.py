"""A page that was taken over has the allowed methods, and nothing else of the person's files."""

from pathlib import Path

from pydantic_core import to_json

from tests.conftest import StartRawClient

SECRET = "hunter2"  # noqa: S105 - no password, but what looks like one
EVENT = b"BEGIN:VCALENDAR\nPRODID:a\nVERSION:2.0\nBEGIN:VEVENT\nUID:1\nSUMMARY:Lunch\n%s\nEND:VEVENT\nEND:VCALENDAR\n"
FILES = {
    "passwords": b"root:x:0:0:hunter2:/root:/bin/bash\n",
    "a private key": b"-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n-----END OPENSSH PRIVATE KEY-----\n",
    "settings": b'{"token": "hunter2"}',
    "a binary file": b"\x7fELF\x00hunter2\xff\xfe",
    "a file that begins like a calendar": b"BEGIN:VCALENDAR\nhunter2\nPASSWORD=hunter2\n",
    "a calendar with a broken line": EVENT % b"DTSTART:20261129T120000Z\nhunter2 is no property\nhunter2",
    "a calendar with a broken time": EVENT % b"DTSTART:hunter2",
    "a calendar with a broken rule": EVENT % b"DTSTART:20261129T120000Z\nRRULE:FREQ=hunter2;UNTIL=hunter2",
    "a calendar with a broken zone": b"BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:Office\nhunter2\nEND:VTIMEZONE\n"
    b"BEGIN:VEVENT\nUID:1\nDTSTART;TZID=Office:20261129T120000\nEND:VEVENT\nEND:VCALENDAR\n",
}


def test_a_calendars_path_shows_nothing_of_a_file_but_its_events(raw_client: StartRawClient, tmp_path: Path) -> None:
    """Answers, notifications and the log have only texts of events, and the names of unknown time zones."""
    with raw_client() as client:
        client.initialize()
        answers = []
        for number, content in enumerate(FILES.values()):
            path = tmp_path / f"{number}.ics"
            path.write_bytes(content)
            credentials = {"address": str(path)}
            answers.append(
                client.call(
                    "calendar.accounts.create", provider="ics", email=f"{number}@example.com", credentials=credentials
                )
            )
        connected = [answer["account_id"] for answer in answers if "account_id" in answer]
        assert len(connected) >= 4, "calendars with broken parts are connected"
        for account_id in connected:
            job = client.call("calendar.accounts.sync", account_id=account_id)
            client.until_job(job.get("job_id") or job["job"]["job_id"], "succeeded", "failed")
        answers += [client.call(name) for name in ("jobs.list", "accounts.list", "system.diagnostics", "system.health")]
        answers += [client.call("activity.search", query=SECRET)]
        jobs = answers[-5]["jobs"]
        answers += [client.call("jobs.log.list", job_id=job["job_id"]) for job in jobs]
        answers += client.all_notifications
        logged = b"".join(path.read_bytes() for path in (client.data_dir / "logs").iterdir())
        shown = to_json(answers)
    assert b"Lunch" in shown
    found = shown + logged + client.errors.read_bytes()
    assert [found[at - 300 : at + 100] for at in (found.find(SECRET.encode()),) if at >= 0] == []


ADDRESSES = (
    "file://server/share/a.ics", "//server/share/a.ics", "\\\\server\\share\\a.ics", "ftp://example.com/a.ics",
    "http://example.com/a.ics", "http://2130706433/a.ics", "http://127.0.0.1.example.com/a.ics",
    "http://[::ffff:127.0.0.1]/a.ics", "javascript:alert(1)", "data:text/calendar,BEGIN:VCALENDAR",
    "a.ics", "../a.ics", "~/a.ics", "/dev/stdin", "/proc/self/environ", "/dev/zero",
)  # fmt: skip


def test_no_other_address_is_read(raw_client: StartRawClient) -> None:
    with raw_client() as client:
        client.initialize()
        for address in ADDRESSES:
            params = {"provider": "ics", "email": "a@example.com", "credentials": {"address": address}}
            answer = client.call("calendar.accounts.create", **params)
            assert answer["error"]["data"]["kind"] in ("invalid_params", "credentials_rejected"), (address, answer)
