"""Usage limits: the time of the reset, and the job that waits for it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sidecar_protocol.claude.sessions import MessageKind, SessionStatus
from sidecar_protocol.entities import WaitingFor

from sidecar.claude.limits import MARGIN_S, MAX_WAIT_S, parse_reset_time, snooze_until_reset
from sidecar.job_handler import JobFailed, JobSnoozed
from tests.claude.client import both_releases, connected
from tests.claude.harness import RunHarness
from tests.claude.turn_harness import turn_harness
from tests.conftest import StartSidecar
from tests.fakes.anthropic import FakeAnthropic

NOW_MS = 1_795_420_800_000
"""2026-11-23T08:00:00Z"""
DAY_S = 24 * 3600


def limit(**details: object) -> JobFailed:
    return JobFailed("The limit.", kind="usage_limit", details=details)


@pytest.mark.parametrize(
    ("words", "moment"),
    [
        ("You've hit your 5-hour limit \u00b7 resets 1:59pm (UTC)", "2026-11-23T13:59:00+00:00"),
        ("resets at 3pm (Europe/Berlin)", "2026-11-23T15:00:00+01:00"),
        ("resets 7am (UTC)", "2026-11-24T07:00:00+00:00"),
        ("resets 12am (UTC)", "2026-11-24T00:00:00+00:00"),
        ("weekly limit \u00b7 resets Nov 27, 1pm (UTC)", "2026-11-27T13:00:00+00:00"),
        ("weekly limit \u00b7 resets Jan 2, 1:30am (UTC)", "2027-01-02T01:30:00+00:00"),
        ("Claude usage limit reached. Your limit will reset at 9am (America/Chicago).", "2026-11-23T09:00:00-06:00"),
        ("Limits will reset at 9:30 AM (UTC).", "2026-11-23T09:30:00+00:00"),
        ("You've hit your limit \u00b7 resets Nov 25 at 4pm (America/Recife)", "2026-11-25T16:00:00-03:00"),
        ("Opus weekly limit reached \u2219 resets Nov 24 (UTC)", "2026-11-24T00:00:00+00:00"),
        ("5-hour limit reached \u2219 resets 3pm (UTC)", "2026-11-23T15:00:00+00:00"),
        ("You're out of extra usage \u00b7 resets Feb 4, 8pm (Europe/Budapest)", "2027-02-04T20:00:00+01:00"),
        ("resets Thu 9:00 AM (UTC)", "2026-11-26T09:00:00+00:00"),
        ("resets Monday 7am (UTC)", "2026-11-30T07:00:00+00:00"),
        ("Try again after it resets on Dec 1 at 00:00 UTC.", "2026-12-01T00:00:00+00:00"),
        ("resets Jan 2, 2028, 9am (UTC)", "2028-01-02T09:00:00+00:00"),
        ("You will regain access on 2026-12-01 at 00:00 UTC.", "2026-12-01T00:00:00+00:00"),
        ("usage limit reached, resets in 2h 15m", "2026-11-23T10:15:00+00:00"),
        ("Please try again in 3 hours", "2026-11-23T11:00:00+00:00"),
    ],
)
def test_a_time_in_the_text_is_parsed(words: str, moment: str) -> None:
    assert parse_reset_time(words, NOW_MS) == datetime.fromisoformat(moment)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "resets soon",
        "resets Foo 31, 1pm (UTC)",
        "resets Feb 31, 1pm",
        "resets 25 items",
        "resets in a while",
        "resets 2026-13-01 at 00:00",
    ],
)
def test_without_a_time_the_job_is_not_snoozed(words: str) -> None:
    assert parse_reset_time(words, NOW_MS) is None
    assert snooze_until_reset(limit(claude_message=words), now_ms=NOW_MS, snoozed_for_s=0) is None


def test_an_unknown_zone_is_replaced_by_the_computers_own() -> None:
    here = datetime.fromtimestamp(NOW_MS / 1000).astimezone()
    found = parse_reset_time("resets 3pm (Nowhere/City)", NOW_MS)
    assert found is not None
    assert (found.hour, found.utcoffset()) == (15, here.utcoffset())


def test_the_wait_lasts_until_the_reset_plus_a_margin() -> None:
    waits = snooze_until_reset(limit(resets_at="2026-11-23T10:00:00.000Z"), now_ms=NOW_MS, snoozed_for_s=0)
    assert waits is not None
    assert (waits.delay_s, waits.waiting_for) == (7200 + MARGIN_S, WaitingFor.RATE_LIMIT)
    past = snooze_until_reset(limit(resets_at="2026-11-23T07:00:00.000Z"), now_ms=NOW_MS, snoozed_for_s=0)
    assert past is not None
    assert past.delay_s == MARGIN_S
    for waited_s, held_s in ((600.0, 600.0), (7_200.0, 1_800.0)):
        held = snooze_until_reset(limit(resets_at="2026-11-23T07:00:00.000Z"), now_ms=NOW_MS, snoozed_for_s=waited_s)
        assert held is not None
        assert held.delay_s == MARGIN_S + held_s


def test_a_job_is_not_snoozed_longer_than_the_maximum() -> None:
    def waits(failure: JobFailed, snoozed_for_s: float = 0) -> bool:
        return snooze_until_reset(failure, now_ms=NOW_MS, snoozed_for_s=snoozed_for_s) is not None

    week = limit(resets_at="2026-11-30T08:00:00.000Z")
    assert waits(week)
    assert not waits(week, snoozed_for_s=2 * DAY_S)
    assert not waits(limit(resets_at="2027-11-30T08:00:00.000Z"))
    assert not waits(limit(resets_at="2026-11-23T07:00:00.000Z"), snoozed_for_s=MAX_WAIT_S)
    assert not waits(JobFailed("Busy.", kind="overloaded"))


async def test_a_turn_that_hit_a_limit_is_repeated_and_its_prompt_is_stored_once(standin: Path, tmp_path: Path) -> None:
    prompt = f"[[limit:{NOW_MS // 1000 + 60}]] [[text:here]]"
    async with turn_harness(standin, tmp_path) as harness:
        session = harness.create_session()
        with pytest.raises(JobSnoozed) as snoozed:
            await harness.run(session.session_id, prompt)
        assert snoozed.value.delay_s == 60 + MARGIN_S
        assert harness.session(session.session_id).status is SessionStatus.LIMITED
        harness.context.snoozed_for_s = 65.0
        assert (await harness.run(session.session_id, prompt)).text == "here"
        kinds = [message.kind for message in harness.messages(session.session_id)]
    assert kinds == [MessageKind.USER, MessageKind.ERROR, MessageKind.NOTICE, MessageKind.ASSISTANT_TEXT]


async def test_a_run_that_hit_a_limit_is_snoozed(harness: RunHarness) -> None:
    with pytest.raises(JobSnoozed):
        await harness.run("[[limit:1]]")
    assert harness.events == []


@both_releases
async def test_the_job_waits_for_the_reset_that_the_real_cli_reports(
    sidecar: StartSidecar, real_environment: dict[str, str], api: FakeAnthropic
) -> None:
    subscription = {**real_environment, "CLAUDE_CODE_OAUTH_TOKEN": "fake"}
    del subscription["ANTHROPIC_API_KEY"]
    resets_at = 4_000_000_000  # in 2096: too long to wait
    async with connected(sidecar, **subscription) as claude:
        session = await claude.sessions.create()
        failed = await claude.take_turn(session.session_id, f"[[limit:{resets_at}]]")
        assert (failed["error"]["kind"], failed["error"]["details"]["resets_at"]) == (
            "usage_limit",
            "2096-10-02T07:06:40.000Z",
        )
        soon = int(datetime.now(UTC).timestamp()) + 3600
        job = await claude.sessions.send(session_id=session.session_id, prompt=f"[[limit:{soon}]]")
        waiting = await claude.until_job(job.job_id, "running")
        waiting = await claude.until(
            lambda one: one.method == "jobs.updated" and one.params["job"]["waiting_for"] == "rate_limit"
        )
        assert waiting["job"]["attempt"] == 0
        assert datetime.fromisoformat(waiting["job"]["run_at"]).timestamp() == pytest.approx(soon + MARGIN_S, abs=1)
        log = await claude.messages(session.session_id)
        assert [one.kind for one in log if one.kind is MessageKind.RAW] == []
    assert len(api.messages()) == 2
